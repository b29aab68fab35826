"""The APIs of the archive: which collections each one has, in whose dialect, and how it pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyband.products import CATALOGUED, EXTRA, collection_of
from anyband.testing.providers import earth_search, lp_daac, stac_1_1, usgs
from anyband.testing.providers.common import BASE, Published, as_stored

Render = Callable[[dict[str, Any]], Published]


@dataclass(frozen=True)
class Paging:
    """How an API hands out its answers.

    Attributes:
        default, largest: items of a page.
        cut: whether more than `largest` are cut down to it; else they are an error.
        token: name of the parameter that leads to the next page.
        by_query: whether the next page of a POST is a GET with everything in the query string; else a POST again.
        counts: whether an answer tells the number of all items.
        most_bytes: size of an answer that the provider cannot exceed.
        overlap: items of a page that were on the page before already.
    """

    default: int = 250
    largest: int = 1000
    cut: bool = False
    token: str = "token"
    by_query: bool = False
    counts: bool = True
    most_bytes: int | None = None
    overlap: int = 0


@dataclass(frozen=True)
class Api:
    """One API of the archive.

    Attributes:
        name: first part of its path.
        provider: whose behaviour it has.
        collections: collection of each product.
        dialects: how the items of a stored collection are written; the others stay as stored.
        paging: of its searches.
    """

    name: str
    provider: str
    collections: Mapping[str, str]
    dialects: Mapping[str, Render]
    paging: Paging

    @property
    def stored(self) -> dict[str, str]:
        """Collection in the archive of each of the API's collections."""
        return {own: collection_of(product) for product, own in self.collections.items()}

    @property
    def root(self) -> str:
        """Address of the landing page."""
        return f"{BASE}/{self.name}"

    def publish(self, item: dict[str, Any]) -> Published:
        """A stored item as this API has it."""
        return self.dialects.get(item["collection"], as_stored)(item)


EARTH_SEARCH = Paging(default=10, largest=10_000, cut=True, token="next", most_bytes=6 * 2**20)
LP_DAAC = Paging(default=10, largest=100, cut=True, token="cursor", by_query=True, counts=False)
"""Behaviour of stac-server behind a Lambda function, and of cmr-stac."""

COLLECTIONS = {product: collection_of(product) for product in CATALOGUED}
_NEW_FORM = {collection: stac_1_1.in_new_form() for collection in COLLECTIONS.values()}

APIS = {
    api.name: api
    for api in (
        Api("stac", "Planetary Computer", COLLECTIONS, {}, Paging()),
        Api(
            earth_search.API,
            "Earth Search",
            COLLECTIONS,
            {"sentinel-2-l2a": earth_search.sentinel2_l2a, "landsat-c2-l2": earth_search.landsat},
            EARTH_SEARCH,
        ),
        Api(
            earth_search.API_C1,
            "Earth Search (Collection 1) and USGS",
            COLLECTIONS | {"sentinel2": "sentinel-2-c1-l2a", "landsat": "landsat-c2l2-sr"},
            {"sentinel-2-l2a": earth_search.sentinel2_c1, "landsat-c2-l2": usgs.landsat},
            EARTH_SEARCH,
        ),
        Api(
            lp_daac.API,
            "LP DAAC",
            COLLECTIONS | {"hls_s30": "HLSS30_2.0", "hls_l30": "HLSL30_2.0"},
            {"hls2-s30": lp_daac.hls, "hls2-l30": lp_daac.hls},
            LP_DAAC,
        ),
        Api(
            stac_1_1.API,
            "a catalogue in STAC 1.1",
            COLLECTIONS | {"sentinel2": "sentinel-2-c1-l2a"},
            _NEW_FORM | {"sentinel-2-l2a": stac_1_1.in_new_form(stac_1_1.as_stactools)},
            Paging(),
        ),
    )
}
"""By the first part of their paths."""

SENSORS = Api(
    "sensors",
    "a catalogue of other sensors, in STAC 1.1",
    {product: collection_of(product) for product in EXTRA},
    {},
    Paging(),
)
"""The extra sensors (`archive.extra_sensors`), which none of the providers above has."""
