"""Where each catalogue keeps each product: endpoints, collections and the largest page that a provider takes.

A dataset names one catalogue; some products of it may lie with another provider, because none has all of them and only
the Planetary Computer has the land-cover label. A URL stands for one API that has everything, under any of the
collection ids that the dialects know.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from anyband.products import CATALOGUED, PRODUCTS, collection_of
from anyband.runtime import UserError

PAGE = 100


@dataclass(frozen=True)
class Source:
    """One product at one provider; `page` is the number of items to ask for at a time."""

    endpoint: str
    collection: str
    page: int = PAGE


EMBEDDED = "http://archive.anyband.test/stac"
EMBEDDED_EXTRA = "http://archive.anyband.test/sensors"
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api/stac/v1"
EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
USGS = "https://landsatlook.usgs.gov/stac-server"
LP_DAAC = "https://cmr.earthdata.nasa.gov/stac/LPCLOUD"
EARTH_SEARCH_PAGE = 50  # an answer may have 6 MB; items are large


def _first_known(endpoint: str) -> dict[str, Source]:
    return {product: Source(endpoint, collection_of(product)) for product in CATALOGUED}


_PLANETARY_COMPUTER = _first_known(PLANETARY_COMPUTER)

CATALOGUES: Mapping[str, Mapping[str, Source]] = {
    "embedded": _first_known(EMBEDDED),
    "planetary-computer": _PLANETARY_COMPUTER,
    "earth-search": _PLANETARY_COMPUTER
    | {
        "sentinel2": Source(EARTH_SEARCH, "sentinel-2-l2a", EARTH_SEARCH_PAGE),
        "landsat": Source(EARTH_SEARCH, "landsat-c2-l2", EARTH_SEARCH_PAGE),
    },
    "earth-search-c1": _PLANETARY_COMPUTER
    | {
        "sentinel2": Source(EARTH_SEARCH, "sentinel-2-c1-l2a", EARTH_SEARCH_PAGE),
        "landsat": Source(USGS, "landsat-c2l2-sr"),
    },
    "lpcloud": _PLANETARY_COMPUTER
    | {"hls_s30": Source(LP_DAAC, "HLSS30_2.0"), "hls_l30": Source(LP_DAAC, "HLSL30_2.0")},
}
"""Source of each product by name of the catalogue."""


def extra_sources(extra: Iterable[str]) -> dict[str, Source]:
    """Where to ask for the extra products of a dataset of the embedded archive."""
    return {product: Source(EMBEDDED_EXTRA, collection_of(product)) for product in extra}


def sources(catalog: str, collections_of: Callable[[str], Iterable[str]]) -> dict[str, Source]:
    """Where to ask for each product.

    Args:
        catalog: a name of `CATALOGUES`, or the URL of a STAC API.
        collections_of: ids of the collections of an API, asked for a URL only.

    Raises:
        UserError: the API at the URL lacks a product.
    """
    if catalog in CATALOGUES:
        return dict(CATALOGUES[catalog])
    offered = set(collections_of(catalog))
    found = {}
    for product in CATALOGUED:
        known = PRODUCTS[product].collections
        name = next((name for name in known if name in offered), None)
        if name is None:
            raise UserError(f"catalogue {catalog} has no collection for {product}, known: {', '.join(known)}")
        found[product] = Source(catalog, name)
    return found
