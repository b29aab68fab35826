"""A site's scenes on disk: small GeoTIFFs, their raw items, and the pairs as extraction finds them."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import requests
from pyproj import Transformer

from anyband.archive.item_properties import AssetFile, ItemDescription
from anyband.archive.stac_items import BASE, build_item
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.pairs.scene_pair import ScenePair, pairs_as_json
from anyband.products import SATELLITES
from anyband.raster.write import hls_crs
from anyband.testing.provider_server import ProviderServer
from rasters import write_raster

EDGE_M = 120
SENTINEL2 = {
    10: ("B02", "B03", "B04", "B08"),
    20: ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL"),
    60: ("B01", "B09"),
}
LANDSAT = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel")
HLS = {
    "hls_s30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12", "Fmask"),
    "hls_l30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "Fmask"),
}
CLEAR = {"SCL": 4, "qa_pixel": 64, "Fmask": 0}
CLOUDY = {"SCL": 9, "qa_pixel": 8, "Fmask": 2}
STEP = 1 / 12_000
MADE_FROM = {  # by HLS files
    "hls_s30": {"PRODUCT_URI": "S2A_MSIL1C_20220503T103021_N0400_R108_T33TUN_20220503T123525.SAFE"},
    "hls_l30": {"LANDSAT_PRODUCT_ID": "LC09_L1TP_189027_20220503_20220503_02_T1"},
}


def as_pair(number: int, items: dict[str, dict], label: dict) -> ScenePair:
    """A pair of raw items; HLS scenes are of their partners' satellites."""
    scenes = {product: parse_item(item) for product, item in items.items()}
    for product, twin in (("hls_s30", "sentinel2"), ("hls_l30", "landsat")):
        scenes[product] = replace(scenes[product], platform=scenes[twin].platform)
    return ScenePair(number, scenes, (parse_item(label),))


class SceneFolder:
    """Scenes of one site of `extent_m` around `centre` (m, multiple of 60 from the lattice) in the S2 CRS `epsg`.

    The ground is seen through `signal`: DN depends only on the band and the position, so tests can tell which ground
    a stored pixel shows.
    """

    def __init__(
        self, folder: Path, epsg: int, centre: tuple[float, float], extent_m: int = 1_920, site: str = "aspen"
    ):
        folder.mkdir(exist_ok=True)
        self.folder, self.epsg, self.site, self.extent_m = folder, epsg, site, extent_m
        self.north_epsg = 32600 + epsg % 100
        self.shift = -10_000_000.0 if epsg // 100 == 327 else 0.0
        self.left, self.top = centre[0] - extent_m / 2, centre[1] + extent_m / 2
        degrees = Transformer.from_crs(epsg, 4326, always_xy=True)
        self.longitude, self.latitude = degrees.transform(*centre)
        half = extent_m / 2 + EDGE_M
        corners = [(centre[0] + half * a, centre[1] + half * b) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        self.ring = [degrees.transform(*corner) for corner in corners]
        self.items: dict[str, list[dict]] = {}
        self.rows: list[dict] = []

    @staticmethod
    def signal(x: np.ndarray, y_north: np.ndarray, band: str) -> np.ndarray:
        """DN of a pixel whose upper-left corner is (x, y) in the zone north."""
        return ((x * 3 + y_north * 7) / 5 + 11 * sum(map(ord, band))) % 10_000 + 2_000

    def add_pair(self, day: dt.date, baseline: str = "04.00", cloudy: dict[str, tuple[float, float]] | None = None):
        """One pair; `cloudy` names, per quality layer, the part of the width (from, to) that is cloudy."""
        number, cloudy = len(self.rows), cloudy or {}
        row = {"pair": number}
        for product in ("sentinel2", "landsat", "hls_s30", "hls_l30"):
            row[product] = self._add(product, number, day, baseline, cloudy)
        if "label" not in self.items:
            self._add("label", number, day, baseline, cloudy)
        self.rows.append(row | {"label": self.items["label"][0]["id"]})

    def pairs(self) -> list[ScenePair]:
        """The pairs, as pairing gives them."""
        known = {product: {item["id"]: item for item in items} for product, items in self.items.items()}
        return [
            as_pair(row["pair"], {p: known[p][row[p]] for p in SATELLITES}, known["label"][row["label"]])
            for row in self.rows
        ]

    def write(self) -> Path:
        """The pairs as the file that extraction reads."""
        path = self.folder / "pairs.json"
        path.write_text(pairs_as_json(self.pairs()))
        return path

    def publish(self) -> Path:
        """Put the scenes where an archive server finds them; returns the root of the archive."""
        site = self.folder / "archive" / self.site
        site.mkdir(parents=True)
        (site / "files").symlink_to(self.folder / "files" / self.site)
        for items in self.items.values():
            for item in items:
                path = site / "items" / item["collection"] / f"{item['id']}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(item).replace(str(self.folder), BASE))
        return site.parent

    def fetch(self, server: ProviderServer, api: str) -> list[ScenePair]:
        """The pairs of the items as an API of the server writes them."""
        items = {}
        for product, collection in server.apis[api].collections.items():
            url = f"{BASE}/{api}/collections/{collection}/items?limit=100"
            answer = requests.get(url, proxies={"http": server.proxy_url}, timeout=30)
            found = answer.json()["features"]
            items[product] = sorted(found, key=lambda item: item["properties"].get("datetime") or "")
        return [
            as_pair(number, {product: items[product][number] for product in SATELLITES}, items["label"][0])
            for number in range(len(self.rows))
        ]

    def path(self, product: str, number: int, band: str) -> Path:
        """File of one band."""
        return self.folder / "files" / self.site / f"{product}-{number}-{band}.tif"

    def _add(self, product: str, number: int, day: dt.date, baseline: str, cloudy: dict) -> str:
        assets = {}
        if product == "label":
            assets["map"] = self._label()
        elif product == "sentinel2":
            for pixel_m, bands in SENTINEL2.items():
                for band in bands:
                    assets[band] = self._band(product, number, band, pixel_m, 0, self.epsg, baseline, cloudy)
        else:
            for band in LANDSAT if product == "landsat" else HLS[product]:
                phase = 15 if product == "landsat" else 0
                assets[band] = self._band(product, number, band, 30, phase, self.north_epsg, baseline, cloudy)
        platform = {"sentinel2": "sentinel-2a", "hls_s30": "sentinel-2a", "label": ""}.get(product, "landsat-9")
        info = ItemDescription(
            product=product,
            platform=platform,
            datetime=dt.datetime.combine(day, dt.time(10, 30, tzinfo=dt.UTC)),
            dataset="main",
            site=self.site,
            epsg=4326 if product == "label" else self.epsg if product == "sentinel2" else self.north_epsg,
            assets=assets,
            footprint=self.ring,
            cloud_cover=10.0,
            sun_zenith=40.0,
            sun_azimuth=150.0,
            view_zenith=3.0,
            view_azimuth=100.0,
            baseline=baseline if product == "sentinel2" else None,
            generation_time=dt.datetime.combine(day, dt.time(20, tzinfo=dt.UTC)),
            simulated="test",
        )
        item = json.loads(json.dumps(build_item(info)).replace(BASE, str(self.folder)))
        self.items.setdefault(product, []).append(item)
        return item["id"]

    def _band(self, product, number, band, pixel_m, phase, epsg, baseline, cloudy) -> AssetFile:
        left, top = self.left - EDGE_M + phase, self.top + EDGE_M - phase
        size = (self.extent_m + 2 * EDGE_M) // pixel_m - (1 if phase else 0)
        x = left + pixel_m * np.arange(size)[None, :]
        y = top + self.shift - pixel_m * np.arange(size)[:, None]
        if band in CLEAR:
            start, stop = cloudy.get(band, (0, 0))
            part = (np.arange(size) * pixel_m + phase - EDGE_M) / self.extent_m
            values = np.where((part >= start) & (part < stop), CLOUDY[band], CLEAR[band])[None, :].repeat(size, axis=0)
            dtype = np.uint16 if band == "qa_pixel" else np.uint8
        else:
            values = self.signal(x, y, band)
            values = values - 1_000 * (product == "sentinel2" and baseline < "04.00")
            dtype = np.int16 if product.startswith("hls") else np.uint16
        path = self.path(product, number, band)
        path.parent.mkdir(parents=True, exist_ok=True)
        shift = 0.0 if epsg == self.epsg else self.shift
        hls = {
            "crs": hls_crs(epsg % 100).to_wkt(),
            "nodata": 255 if band == "Fmask" else -9999,
            "tags": MADE_FROM.get(product),
        }
        options = hls if product.startswith("hls") else {"nodata": 1 if band == "qa_pixel" else 0}
        write_raster(path, values.astype(dtype), (left, top + shift), pixel_m, epsg, **options)
        transform = (float(pixel_m), 0.0, left, 0.0, -float(pixel_m), top + shift)
        return AssetFile(path.name, epsg, transform, values.shape)

    def _label(self) -> AssetFile:
        import rasterio
        from rasterio.transform import from_origin

        west = np.floor(min(point[0] for point in self.ring) / STEP) * STEP
        north = np.ceil(max(point[1] for point in self.ring) / STEP) * STEP
        width = int((max(point[0] for point in self.ring) - west) / STEP) + 2
        height = int((north - min(point[1] for point in self.ring)) / STEP) + 2
        codes = np.full((height, width), 10, np.uint8)
        codes[:, width // 2 :] = 40  # west: trees, east: crops
        path = self.path("label", 0, "map")
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": "EPSG:4326", "nodata": 0}
        transform = from_origin(west, north, STEP, STEP)
        with rasterio.open(path, "w", height=height, width=width, transform=transform, **profile) as file:
            file.write(codes, 1)
        return AssetFile(path.name, 4326, tuple(transform)[:6], codes.shape)
