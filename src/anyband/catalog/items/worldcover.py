"""ESA WorldCover, the land-cover label: one band of class codes in EPSG:4326, 1/12000 degree, one item a year and tile.

Codes: WorldCover Product User Manual v2.0. An item has no `datetime` but the start and end of its year.
"""

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.raw_item import RawItem
from anyband.products import PRODUCTS

STEP = 1 / 12_000
"""Pixel of the label, degrees."""


def parse(item: RawItem) -> Acquisition:
    """Turn an item into an acquisition whose only band is `map`.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    epsg = item.require_epsg("map")
    return item.acquisition(
        "label",
        "",
        epsg,
        {"map": item.band("map", "map", epsg, STEP, PRODUCTS["label"].encoding, check=False)},
        None,
        datetime=item.moment("start_datetime"),
        produced=str(item.require("esa_worldcover:product_version")),
    )
