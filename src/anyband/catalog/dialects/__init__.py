"""Item dialects: one module per product, found by collection id.

A dialect turns a raw item dict into an `Acquisition`. It keeps its own table of bands and encodings; wavelengths and
names that the catalogue publishes are never used, since some are wrong (HLS L30 B01 and B02 are exchanged).
"""

from collections.abc import Mapping
from typing import Any, Protocol

from anyband.catalog.acquisition import Acquisition
from anyband.catalog.dialects import hls, landsat, sentinel2, worldcover
from anyband.runtime import UserError


class Dialect(Protocol):
    """Reads raw items of one collection; raises UnusableItemError for those that cannot be used."""

    def __call__(self, item: Mapping[str, Any], /) -> Acquisition:
        """Turn a raw item into an acquisition."""
        ...


DIALECTS: dict[str, Dialect] = {
    "sentinel-2-l2a": sentinel2.parse,
    "landsat-c2-l2": landsat.parse,
    "hls2-s30": hls.parse_s30,
    "hls2-l30": hls.parse_l30,
    "esa-worldcover": worldcover.parse,
}

COLLECTIONS: dict[str, str] = {
    "sentinel2": "sentinel-2-l2a",
    "landsat": "landsat-c2-l2",
    "hls_s30": "hls2-s30",
    "hls_l30": "hls2-l30",
    "label": "esa-worldcover",
}
"""Collection of each product."""


def parse_item(item: Mapping[str, Any]) -> Acquisition:
    """Turn a raw item dict of any known collection into an acquisition.

    Raises:
        UnusableItemError: the item lacks an asset or a property, or contradicts what is known of its product.
        UserError: no dialect for its collection.
    """
    collection = str(item.get("collection"))
    if collection not in DIALECTS:
        known = ", ".join(DIALECTS)
        raise UserError(f"item {item.get('id')}: no dialect for collection {collection!r}, known: {known}")
    return DIALECTS[collection](item)
