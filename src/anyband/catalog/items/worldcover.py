"""ESA WorldCover, the land-cover label: one band of class codes in EPSG:4326, 1/12000 degree, one item a year and tile.

Codes: WorldCover Product User Manual v2.0. An item has no `datetime` but the start and end of its year.
"""

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.fields import Encoding, RawItem, band_asset, epsg, footprint, moment, require, simulated

STEP = 1 / 12_000
"""Pixel of the label, degrees."""
CODES = Encoding(1.0, 0.0, 0, "uint8")


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition whose only band is `map`.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    code = epsg(item, "map")
    return Acquisition(
        product="label",
        platform="",
        collection=str(item.get("collection") or ""),
        item_id=item["id"],
        datetime=moment(item, "start_datetime"),
        footprint=footprint(item),
        epsg=code,
        bands={"map": band_asset(item, "map", "map", STEP, CODES, code, check=False)},
        qa=None,
        produced=str(require(item, "esa_worldcover:product_version")),
        simulated=simulated(item),
    )
