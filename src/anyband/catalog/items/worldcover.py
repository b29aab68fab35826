"""ESA WorldCover, the land-cover label: one band of class codes in EPSG:4326, 1/12000 degree, one item a year and tile.

Codes: WorldCover Product User Manual v2.0. An item has no `datetime` but the start and end of its year.
"""

from anyband.catalog.items.acquisition import Acquisition, BandAsset
from anyband.catalog.items.fields import RawItem, asset, epsg, footprint, grid, moment, require, simulated

PIXEL_M = 10  # nominal; 1/12000 degree
NODATA = 0


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition whose only band is `map`.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    href = asset(item, "map")["href"]
    return Acquisition(
        product="label",
        platform="",
        collection=str(item.get("collection") or ""),
        item_id=item["id"],
        datetime=moment(item, "start_datetime"),
        footprint=footprint(item),
        epsg=epsg(item, "map"),
        bands={"map": BandAsset("map", "map", href, PIXEL_M, *grid(item, "map"), 1.0, 0.0, NODATA)},
        qa=None,
        produced=str(require(item, "esa_worldcover:product_version")),
        simulated=simulated(item),
    )
