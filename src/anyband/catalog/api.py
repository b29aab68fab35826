"""Search a STAC API with `pystac_client`, and hold it to what it promises."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from pystac_client import ItemSearch

from anyband.catalog.manifests import unsigned
from anyband.catalog.pages import PageRequest, PatientIO
from anyband.runtime import UserError

_ITEM_SEARCH = re.compile(r"https://api\.stacspec\.org/v1\.[^/]+/item-search/?")


@dataclass(frozen=True)
class Found:
    """Raw items, each once, sorted by id; `repeated` were sent more than once over the pages."""

    items: list[dict[str, Any]]
    repeated: int


class Catalogue:
    """A STAC API that is held to what it promises."""

    def __init__(self, endpoint: str) -> None:
        """Open the API; its landing page is read here.

        Raises:
            UserError: it does not answer, or does not conform to what a search needs.
        """
        self.endpoint = endpoint
        if "@" in urlsplit(endpoint).netloc:
            raise UserError(f"catalogue {urlsplit(endpoint).hostname}: put a login into ~/.netrc, not into the address")
        self._io = PatientIO(endpoint)
        landing, _ = self._io.document(PageRequest(endpoint), "links")
        # Any release of version 1 will do. LP DAAC names a release candidate.
        if not any(_ITEM_SEARCH.fullmatch(str(name)) for name in landing.get("conformsTo") or ()):
            raise UserError(f"catalogue {endpoint}: does not conform to STAC item search, so it cannot be relied on")
        self._links: list[dict[str, Any]] = landing["links"]

    def collections(self) -> list[str]:
        """Ids of all collections.

        Raises:
            UserError: the API fails.
        """
        pages = self._io.get_pages(self._linked("data")[0][0], member="collections")
        return [str(entry["id"]) for page in pages for entry in page["collections"]]

    def search(self, query: Mapping[str, Any], page: int) -> Found:
        """All items that a query finds.

        Args:
            query: `collections` (one), `bbox` and, if wanted, `datetime`, as in a STAC search. Only boxes are asked
                for, because LP DAAC fails on polygons; one across the antimeridian is asked for in two parts, because
                LP DAAC refuses it.
            page: items to ask for at a time.

        Raises:
            UserError: the API fails, or returns an item that was not asked for: a filter that it ignores.
        """
        url, method = self._search_link()
        items: dict[str, dict[str, Any]] = {}
        repeated = 0
        for box in _boxes(query["bbox"]):
            part = {**query, "bbox": box}
            here: dict[str, dict[str, Any]] = {}
            for item in ItemSearch(url, method=method, stac_io=self._io, limit=page, **part).items_as_dicts():
                self._check(item, part)
                known = here.get(item["id"])
                repeated += known is not None
                here[item["id"]] = item if known is None else max(known, item, key=_version)
            items |= here
        return Found([unsigned(items[key]) for key in sorted(items)], repeated)

    def _search_link(self) -> tuple[str, str]:
        """Address and method of the search; POST where the API takes it."""
        links = self._linked("search")
        return next((link for link in links if link[1] == "POST"), links[0])

    def _linked(self, relation: str) -> list[tuple[str, str]]:
        """Addresses and methods of the landing page's links to JSON of one kind, at least one."""
        found = [
            (urljoin(f"{self.endpoint}/", str(link["href"])), str(link.get("method") or "GET").upper())
            for link in self._links
            if link.get("rel") == relation and link.get("href") and "json" in str(link.get("type") or "json")
        ]
        if not found:
            raise UserError(f"catalogue {self.endpoint}: its landing page has no link {relation!r}")
        return found

    def _check(self, item: Mapping[str, Any], query: Mapping[str, Any]) -> None:
        """Raise UserError when an item was not asked for, or cannot be told to have been."""
        try:
            outside = [name for name, matches in _CHECKS.items() if name in query and not matches(item, query[name])]
            name = item["id"]
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(
                f"catalogue {self.endpoint}: returned something that is no STAC item ({type(error).__name__}: {error})"
            ) from None
        if outside:
            message = f"returned item {name}, which is outside the {outside[0]} asked for; it cannot be relied on"
            raise UserError(f"catalogue {self.endpoint}: {message}")


def _boxes(bbox: list[float]) -> list[list[float]]:
    """The box, or its two parts on both sides of the antimeridian."""
    west, south, east, north = bbox
    if west <= east:
        return [bbox]
    return [[west, south, 180.0, north], *([[-180.0, south, east, north]] if east > -180 else [])]


def _version(item: Mapping[str, Any]) -> tuple[str, str]:
    """Order of two copies of an item, one of which may have been renewed while the pages were turned."""
    return str(item["properties"].get("updated") or ""), json.dumps(item, sort_keys=True)


def _in_collections(item: Mapping[str, Any], collections: list[str]) -> bool:
    return item.get("collection") in collections


def _meets_bbox(item: Mapping[str, Any], bbox: list[float]) -> bool:
    """Whether bounding boxes overlap, on the circle of longitudes (some providers go beyond 180 degrees)."""
    half = len(item["bbox"]) // 2
    (west, south), (east, north) = item["bbox"][:2], item["bbox"][half : half + 2]
    east += 360 if east < west else 0
    wanted_east = bbox[2] + (360 if bbox[2] < bbox[0] else 0)
    overlaps = any(west + turn <= wanted_east and east + turn >= bbox[0] for turn in (-360, 0, 360))
    return bool(overlaps and south <= bbox[3] and north >= bbox[1])


def _meets_interval(item: Mapping[str, Any], interval: str) -> bool:
    properties = item["properties"]
    begin, end = (datetime.fromisoformat(text) for text in interval.split("/"))
    first = properties.get("start_datetime") or properties["datetime"]
    last = properties.get("end_datetime") or properties["datetime"]
    return datetime.fromisoformat(first) <= end and datetime.fromisoformat(last) >= begin


_CHECKS: dict[str, Callable[[Mapping[str, Any], Any], bool]] = {
    "collections": _in_collections,
    "bbox": _meets_bbox,
    "datetime": _meets_interval,
}
