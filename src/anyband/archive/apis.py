"""The APIs of the archive: which collections each one has, in whose dialect, and how it pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyband.archive.dialects.common import BASE, Published, as_stored
from anyband.archive.scene import COLLECTIONS

Render = Callable[[dict[str, Any]], Published]


@dataclass(frozen=True)
class Paging:
    """How an API hands out its answers.

    Attributes:
        default, largest: items of a page.
        cut: whether more than `largest` are cut down to it; else they are an error.
        token: name of the parameter that leads to the next page.
        by_query: whether the next page of a POST is a GET with everything in the query string; else a POST again.
        most_bytes: size of an answer that the provider cannot exceed.
    """

    default: int = 250
    largest: int = 1000
    cut: bool = False
    token: str = "token"
    by_query: bool = False
    most_bytes: int | None = None


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
    def root(self) -> str:
        """Address of the landing page."""
        return f"{BASE}/{self.name}"

    def publish(self, item: dict[str, Any]) -> Published:
        """A stored item as this API has it."""
        return self.dialects.get(item["collection"], as_stored)(item)


APIS = {api.name: api for api in (Api("stac", "Planetary Computer", COLLECTIONS, {}, Paging()),)}
"""By the first part of their paths."""
