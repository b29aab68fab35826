"""What the dialects of Sentinel-2 share: names of bands, grids, ids and properties."""

import re
from collections.abc import Iterable
from typing import Any

from anyband.archive.item_properties import SIMULATED
from anyband.archive.server.item_index import Item
from anyband.testing.providers.common import ADDRESS, moment, stored_path

BANDS = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06",
    "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09", "swir16": "B11", "swir22": "B12",
}  # fmt: skip
STORED_KEYS = BANDS | {"aot": "AOT", "wvp": "WVP", "scl": "SCL", "visual": "visual"}
GRID_KEYS = {10: ("B02", "B08", "AOT"), 20: ("B05", "SCL", "B11"), 60: ("B01", "B09")}
GRID = ("proj:shape", "proj:transform")
FIRST_BASELINE_WITH_OFFSET = "04.00"
MINUTES_PER_DEGREE = 98.6 / 360  # of a whole orbit


def has_offset(item: Item) -> bool:
    """Whether ESA's pixels hold the added 1000."""
    return str(item["properties"]["s2:processing_baseline"]) >= FIRST_BASELINE_WITH_OFFSET


def tile_parts(item: Item) -> tuple[str, str, str]:
    """Zone of two digits, latitude band and square of an item's MGRS tile."""
    tile = str(item["properties"]["s2:mgrs_tile"])
    return tile[:2], tile[2], tile[3:]


def sensing_delay_s(item: Item) -> float:
    """Seconds from the start of a datatake to the tile, as if every datatake began at the northernmost point."""
    north = item["bbox"][3]
    return float(round(60 * MINUTES_PER_DEGREE * (90 - min(max(north, -80), 84)), 3))


def grid_of(item: Item, pixel_m: float, names: Iterable[str]) -> dict[str, Any]:
    """The named `proj:` fields of the item's rasters of a pixel size."""
    for key in GRID_KEYS.get(round(pixel_m), ()):
        fields = item["assets"].get(key, {})
        if "proj:shape" in fields:
            return {name: fields[name] for name in names}
    return {}


def pixel_m(described: dict[str, Any]) -> float:
    """Pixel size of a raster asset by its template; 10 for the true-colour image, 0 for what is no raster."""
    bands = described.get("raster:bands") or [{}]
    if "spatial_resolution" in bands[0]:
        return float(bands[0]["spatial_resolution"])
    return float(described.get("gsd", 10 if described.get("roles") == ["visual"] else 0))


def set_offset(described: dict[str, Any], offset: float) -> None:
    """Publish an offset for a reflectance asset; aerosol and water vapour have none."""
    for band in described.get("raster:bands", ()):
        if is_reflectance(band):
            band["offset"] = offset


def is_reflectance(band: dict[str, Any]) -> bool:
    """Whether an entry of `raster:bands` is one of reflectance."""
    return bool(band.get("scale") == 1e-4)


def properties(item: Item, names: Iterable[str]) -> dict[str, Any]:
    """The named stored properties that an item has, and ours."""
    stored = item["properties"]
    return {name: stored[name] for name in (*names, SIMULATED) if name in stored}


def percentages(item: Item) -> list[str]:
    """Names of the stored percentages."""
    return [name for name in item["properties"] if name.startswith("s2:") and name.endswith("_percentage")]


def place_and_sun(item: Item) -> dict[str, Any]:
    """Platform, tile and sun as Earth Search and stactools write them."""
    zone, band, square = tile_parts(item)
    stored = item["properties"]
    return {
        "platform": stored["platform"].lower(),
        "mgrs:utm_zone": int(zone),
        "mgrs:latitude_band": band,
        "mgrs:grid_square": square,
        "view:sun_azimuth": stored["s2:mean_solar_azimuth"],
        "view:sun_elevation": 90 - stored["s2:mean_solar_zenith"],
    }


def datatake(item: Item) -> str:
    """Start of the datatake, compact."""
    return f"{moment(item['properties']['datetime']):%Y%m%dT%H%M%S}"


def esa_names(item: Item) -> dict[str, str]:
    """Names of granule and datastrip by ESA's own processing, not by Microsoft's."""
    stored = item["properties"]
    return {name: re.sub("_MSFT_", "_2APS_", stored[name]) for name in ("s2:granule_id", "s2:datastrip_id")}


def attach(
    item: Item, assets: dict[str, Any], folder: str, change: str | None = None, grid: Iterable[str] = GRID
) -> tuple[dict[str, Any], dict[str, str]]:
    """Give assets their addresses and grids, and tell which stored files are behind them.

    Args:
        item: as stored.
        assets: from a template, with file names as hrefs.
        folder: `{bucket}/{prefix}` of the item's files.
        change: of the pixels of reflectance bands, see `made`.
        grid: names of the `proj:` fields of rasters.

    Returns:
        The assets, without those whose stored band is missing, and the files by bucket and key.
    """
    attached, files = {}, {}
    for key, described in assets.items():
        stored = item["assets"].get(STORED_KEYS.get(key, ""))
        if key in STORED_KEYS and stored is None:
            continue
        place = f"{folder}/{described['href']}"
        if stored is not None:
            files[place] = stored_path(stored, change if key in BANDS else None)
        attached[key] = described | {"href": f"{ADDRESS}{place}"} | grid_of(item, pixel_m(described), grid)
    return attached, files
