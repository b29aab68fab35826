"""Search a STAC API with `pystac_client`, and hold it to what it promises."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from pystac_client import ItemSearch

from anyband.catalog.manifests import unsigned
from anyband.catalog.pages import PageRequest, PatientIO
from anyband.providers import Key
from anyband.raster.access import SECRETS
from anyband.runtime import UserError

ROUNDED_DEG = 1e-5
"""Boxes of items are rounded, some to less than their footprints."""

_ITEM_SEARCH = re.compile(r"https://api\.stacspec\.org/v1\.[^/]+/item-search/?")


class Catalogue:
    """A STAC API that is held to what it promises."""

    def __init__(self, endpoint: str, key: Key | None = None) -> None:
        """Open the API; its landing page is read here.

        Raises:
            UserError: it does not answer, does not conform to what a search needs, or wants a key that is not there.
        """
        self.endpoint = endpoint
        self._io = PatientIO(endpoint, key)
        landing, _ = self._io.document(PageRequest(endpoint))
        # Any release of version 1 will do. LP DAAC names a release candidate.
        classes = landing.get("conformsTo") if isinstance(landing.get("links"), list) else None
        if not any(_ITEM_SEARCH.fullmatch(str(name)) for name in classes or ()):
            raise UserError(f"catalogue {endpoint}: {_what_else(landing)}, so it cannot be searched")
        self._links: list[dict[str, Any]] = landing["links"]

    def collections(self) -> list[str]:
        """Ids of all collections.

        Raises:
            UserError: the API fails.
        """
        pages = self._io.get_pages(self._linked("data")[0][0], member="collections")
        return [str(entry["id"]) for page in pages for entry in page["collections"]]

    def search(self, query: Mapping[str, Any], page: int) -> list[dict[str, Any]]:
        """All raw items that a query finds, each once, sorted by id.

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
        for box in _boxes(query["bbox"]):
            part = {**query, "bbox": box}
            for item in ItemSearch(url, method=method, stac_io=self._io, limit=page, **part).items_as_dicts():
                self._check(item, part)
                known = items.get(item["id"])  # over pages, or on both sides of 180 degrees, it may come twice
                items[item["id"]] = item if known is None else max(known, item, key=_version)
        return [unsigned(items[key], SECRETS) for key in sorted(items)]

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
        """Raise UserError when an item was not asked for, or is none.

        A malformed one is left to pairing, which drops it and says why.
        """
        try:
            outside = [name for name, matches in _CHECKS.items() if name in query and not matches(item, query[name])]
            name = item["id"]
            if not isinstance(name, str):
                raise TypeError(f"id {name!r}")
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                return
            raise UserError(
                f"catalogue {self.endpoint}: returned something that is no STAC item ({type(error).__name__}: {error})"
            ) from None
        if outside:
            message = f"returned item {name}, which is outside the {outside[0]} asked for; it cannot be relied on"
            raise UserError(f"catalogue {self.endpoint}: {message}")


def _what_else(document: Mapping[str, Any]) -> str:
    """What a document is that should have been the landing page of an API, and what is needed."""
    kind = document.get("type")
    if kind == "Catalog" and not any(link.get("rel") == "search" for link in document.get("links") or ()):
        return "is a static catalogue: serve it through a STAC API with item search and give the address of that"
    parts = {"FeatureCollection": "a list of items", "Feature": "an item", "Collection": "a collection"}
    part = parts.get(str(kind)) or ("a list of collections" if "collections" in document else None)
    if part:
        return f"is {part} of an API, not its landing page: leave out /collections, /search and what follows"
    return "does not conform to STAC item search"


def _boxes(bbox: list[float]) -> list[list[float]]:
    """The box, or its two parts on both sides of the antimeridian."""
    west, south, east, north = bbox
    if west <= east:
        return [bbox]
    return [[west, south, 180.0, north], *([[-180.0, south, east, north]] if east > -180 else [])]


def _version(item: Mapping[str, Any]) -> tuple[str, str]:
    """Order of two copies of an item, one of which may have been renewed while the pages were turned."""
    properties = item.get("properties")
    updated = properties.get("updated") if isinstance(properties, dict) else None
    return str(updated or ""), json.dumps(item, sort_keys=True)


def _in_collections(item: Mapping[str, Any], collections: list[str]) -> bool:
    return item.get("collection") in collections


def _meets_bbox(item: Mapping[str, Any], bbox: list[float]) -> bool:
    """Whether bounding boxes overlap, on the circle of longitudes (some providers go beyond 180 degrees)."""
    half = len(item["bbox"]) // 2
    (west, south), (east, north) = item["bbox"][:2], item["bbox"][half : half + 2]
    east += 360 if east < west else 0
    wanted_east = bbox[2] + (360 if bbox[2] < bbox[0] else 0)
    overlaps = any(
        west + turn <= wanted_east + ROUNDED_DEG and east + turn >= bbox[0] - ROUNDED_DEG for turn in (-360, 0, 360)
    )
    return bool(overlaps and south <= bbox[3] + ROUNDED_DEG and north >= bbox[1] - ROUNDED_DEG)


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
