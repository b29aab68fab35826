"""The real pair of Alberta as an archive that the server can serve: real pixels under items in the provider's form.

What is real: every Landsat pixel (Landsat-8, 2 August 2020, 18 km); every Sentinel-2 pixel of the 60 m set (2B, 4
August 2020, baseline 02.14) with its scene classification, repeated onto the nominal 10 and 20 m grids, which changes
no mean. What is made here: B08, which the set lacks, is the mean of B07 and B8A on both sides of it (the audit would
rightly find a copy of B8A); QA_PIXEL is clear where Landsat has data; S30 is Sentinel-2 repeated to 30 m and L30 is
Landsat averaged over the 30 m pixels of that grid, both without HLS processing; the label follows from an NDVI
threshold; the generation time of Sentinel-2, the minute of Landsat, angles.
"""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer

from anyband.archive.item_properties import SIMULATED, AssetFile, ItemDescription
from anyband.archive.stac_items import build_item
from anyband.audit.mosaic import MosaicGrid, area_means
from rasters import write_raster

SITE, EPSG = "alberta", 32611
SENTINEL2_CORNER, LANDSAT_CORNER = (673_680.0, 5_774_520.0), (673_755.0, 5_774_445.0)
L30_CORNER = (673_770.0, 5_774_430.0)
CENTRE, EXTENT_M = (682_440.0, 5_765_760.0), 17_280
"""Middle and side of 18 x 18 chips that both scenes cover."""

SENTINEL2_ITEM = "S2B_MSIL2A_20200804T183919_R070_T11UPT_20200804T230000"
LANDSAT_ITEM = "LC08_L2SP_043024_20200802_02_T1"
TWINS = {"B01": "B1", "B02": "B2", "B03": "B3", "B04": "B4", "B8A": "B5", "B11": "B6", "B12": "B7"}
"""Sentinel-2 band: Landsat band."""
LANDSAT_KEYS = {
    "coastal": "B1",
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir08": "B5",
    "swir16": "B6",
    "swir22": "B7",
}
SENTINEL2_PIXELS = {
    10: ("B02", "B03", "B04", "B08"),
    20: ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL"),
    60: ("B01", "B09"),
}
STEP = 1 / 12_000


def read_sentinel2(realdata: Path, band: str) -> np.ndarray:
    """One 60 m band as delivered, (303, 303)."""
    (path,) = (realdata / "alberta-pair/sentinel2").glob(f"*_{band}_60m.tif")
    with rasterio.open(path) as file:
        assert (file.transform.c, file.transform.f) == SENTINEL2_CORNER
        return file.read(1)


def read_landsat(realdata: Path, band: str) -> np.ndarray:
    """One 30 m band as delivered, (600, 600)."""
    (path,) = (realdata / "alberta-pair/landsat8").glob(f"*_SR_{band}.tif")
    with rasterio.open(path) as file:
        assert (file.transform.c, file.transform.f) == LANDSAT_CORNER
        return file.read(1)


def build(realdata: Path, root: Path) -> Path:
    """Write `{root}/{SITE}/items` and `files`; returns `root`."""
    sentinel2 = {band: read_sentinel2(realdata, band) for names in SENTINEL2_PIXELS.values() for band in names
                 if band != "B08"}  # fmt: skip
    sentinel2["B08"] = ((sentinel2["B07"].astype(np.uint32) + sentinel2["B8A"] + 1) // 2).astype(np.uint16)
    landsat = {key: read_landsat(realdata, band) for key, band in LANDSAT_KEYS.items()}
    files = root / SITE / "files"
    files.mkdir(parents=True)

    def put(name: str, pixels: np.ndarray, corner: tuple[float, float], pixel_m: float, epsg: int = EPSG) -> AssetFile:
        write_raster(files / name, pixels, corner, pixel_m, epsg, tile=256)
        return AssetFile(name, epsg, (pixel_m, 0.0, corner[0], 0.0, -pixel_m, corner[1]), pixels.shape)

    assets = {
        "sentinel2": {
            band: put(f"S2_{band}.tif", _repeated(sentinel2[band], 60 // pixel_m), SENTINEL2_CORNER, float(pixel_m))
            for pixel_m, bands in SENTINEL2_PIXELS.items()
            for band in bands
        },
        "landsat": {key: put(f"LC_{key}.tif", pixels, LANDSAT_CORNER, 30.0) for key, pixels in landsat.items()},
    }
    seen = np.all([pixels > 0 for pixels in landsat.values()], axis=0)
    assets["landsat"]["qa_pixel"] = put(
        "LC_qa_pixel.tif", np.where(seen, 21_824, 1).astype(np.uint16), LANDSAT_CORNER, 30.0
    )
    assets["hls_s30"] = {
        band: put(f"S30_{band}.tif", _repeated(pixels, 2).astype(np.int16), SENTINEL2_CORNER, 30.0)
        for band, pixels in sentinel2.items()
        if band not in ("B09", "SCL")
    }
    source, target = MosaicGrid(0, 0, 30, 600, 600), MosaicGrid(15, 15, 30, 599, 599)
    assets["hls_l30"] = {
        f"B0{number}": put(
            f"L30_B0{number}.tif", _hls(area_means(_reflectance(pixels), source, target)), L30_CORNER, 30.0
        )
        for number, pixels in enumerate(landsat.values(), start=1)
    }
    scl = sentinel2["SCL"]
    cloudy = np.where(np.isin(scl, (8, 9, 10)), 2, 0).astype(np.uint8)
    assets["hls_s30"]["Fmask"] = put("S30_Fmask.tif", _repeated(cloudy, 2), SENTINEL2_CORNER, 30.0)
    assets["hls_l30"]["Fmask"] = put("L30_Fmask.tif", np.zeros((599, 599), np.uint8), L30_CORNER, 30.0)
    assets["label"] = {"map": _label(sentinel2, put)}
    for product, found in assets.items():
        _write_item(root, product, found)
    return root


def _repeated(pixels: np.ndarray, times: int) -> np.ndarray:
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _reflectance(pixels: np.ndarray) -> np.ndarray:
    return np.where(pixels > 0, pixels * 2.75e-5 - 0.2, np.nan)


def _hls(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), np.round(np.nan_to_num(values) * 1e4), -9999).astype(np.int16)


def _label(sentinel2: dict, put) -> AssetFile:
    """Trees, crops and bare ground by NDVI on WorldCover's grid."""
    west, south, east, north = _bounds()
    left, top = np.floor(west / STEP) * STEP, np.ceil(north / STEP) * STEP
    lon = left + STEP * (np.arange(int((east - left) / STEP)) + 0.5)
    lat = top - STEP * (np.arange(int((top - south) / STEP)) + 0.5)
    x, y = Transformer.from_crs(4326, EPSG, always_xy=True).transform(*np.meshgrid(lon, lat))
    col, row = ((x - SENTINEL2_CORNER[0]) // 60).astype(int), ((SENTINEL2_CORNER[1] - y) // 60).astype(int)
    inside = (row >= 0) & (row < 303) & (col >= 0) & (col < 303)
    red, nir = (sentinel2[band].astype(float) for band in ("B04", "B8A"))
    ndvi = ((nir - red) / np.maximum(nir + red, 1))[row.clip(0, 302), col.clip(0, 302)]
    codes = np.select([ndvi > 0.75, ndvi > 0.3], [10, 40], 60)
    return put("map.tif", np.where(inside, codes, 0).astype(np.uint8), (left, top), STEP, 4326)


def _ring() -> list[tuple[float, float]]:
    """Corners of the ground that both scenes cover, longitude and latitude."""
    left, top = LANDSAT_CORNER
    corners = [(left, top - 18_000), (left + 18_000, top - 18_000), (left + 18_000, top), (left, top)]
    degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    return [tuple(float(value) for value in degrees.transform(*corner)) for corner in corners]


def _bounds() -> tuple[float, float, float, float]:
    longitudes, latitudes = zip(*_ring(), strict=True)
    return min(longitudes) - 0.01, min(latitudes) - 0.01, max(longitudes) + 0.01, max(latitudes) + 0.01


def centre() -> tuple[float, float]:
    """Longitude and latitude of the site."""
    longitude, latitude = Transformer.from_crs(EPSG, 4326, always_xy=True).transform(*CENTRE)
    return float(longitude), float(latitude)


def _write_item(root: Path, product: str, assets: dict[str, AssetFile]) -> None:
    of_sentinel2 = product in ("sentinel2", "hls_s30")
    west, south, east, north = _bounds()
    box = [(west, south), (east, south), (east, north), (west, north)]
    info = ItemDescription(
        product=product,
        platform={"label": ""}.get(product, "sentinel-2b" if of_sentinel2 else "landsat-8"),
        datetime=dt.datetime(2020, 8, 4, 18, 39, 19, tzinfo=dt.UTC)
        if of_sentinel2
        else dt.datetime(2020, 8, 2, 18, 31, 0, tzinfo=dt.UTC),
        dataset="main",
        site=SITE,
        epsg=4326 if product == "label" else EPSG,
        assets=assets,
        footprint=box if product == "label" else _ring(),
        cloud_cover=0.5,
        sun_zenith=36.0,
        sun_azimuth=160.0,
        view_zenith=4.0,
        view_azimuth=100.0,
        baseline="02.14" if product == "sentinel2" else None,
        generation_time=dt.datetime(2020, 8, 4, 23, tzinfo=dt.UTC)
        if of_sentinel2
        else dt.datetime(2020, 9, 14, tzinfo=dt.UTC),
        simulated="",
    )
    item = build_item(info)
    # Path, row and orbit as they were, not as nominal geometry has them.
    true = {"sentinel2": SENTINEL2_ITEM, "landsat": LANDSAT_ITEM}.get(product, item["id"])
    item = json.loads(json.dumps(item).replace(item["id"], true))
    del item["properties"][SIMULATED]
    if product == "landsat":
        item["properties"] |= {"landsat:wrs_path": "043", "landsat:wrs_row": "024"}
    if product == "sentinel2":
        item["properties"] |= {"sat:relative_orbit": 70, "s2:mgrs_tile": "11UPT"}
    path = root / SITE / "items" / item["collection"] / f"{item['id']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(item))
