"""Search a STAC API and keep what it said: one manifest of raw items a product and site.

Everything downstream reads manifests only, so a run can be repeated although the catalogue moves on.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from anyband.catalog.pages import Pages, Request, search_request
from anyband.ground import EARTH_RADIUS_M, utm_epsg
from anyband.runtime import UserError, write_text

_ITEM_SEARCH = re.compile(r"https://api\.stacspec\.org/v1\.[^/]+/item-search/?")
_SIGNATURE = re.compile(r"[?&](sig|signature|x-amz-signature|x-amz-security-token)=", re.IGNORECASE)  # Azure, Amazon


@dataclass(frozen=True)
class Site:
    """A square of side `extent_m` (m) around a position (degrees, WGS84)."""

    name: str
    longitude: float
    latitude: float
    extent_m: int

    @property
    def bbox(self) -> list[float]:
        """West, south, east, north of the square in degrees, on a sphere; west > east across the antimeridian."""
        half = math.degrees(self.extent_m / 2 / EARTH_RADIUS_M)
        across = half / math.cos(math.radians(self.latitude))
        west, east = ((self.longitude + step + 180) % 360 - 180 for step in (-across, across))
        return [west, self.latitude - half, east, self.latitude + half]

    @property
    def utm_epsg(self) -> int:
        """The WGS 84 / UTM zone by longitude and hemisphere."""
        return utm_epsg(self.longitude, self.latitude)


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
        self._pages = Pages(endpoint)
        landing, _ = self._pages.read(Request(endpoint), "links")
        # Any release of version 1 will do. LP DAAC names a release candidate.
        if not any(_ITEM_SEARCH.fullmatch(str(name)) for name in landing.get("conformsTo") or ()):
            raise UserError(f"catalogue {endpoint}: does not conform to STAC item search, so it cannot be relied on")
        self._links: list[dict[str, Any]] = landing["links"]

    def collections(self) -> list[str]:
        """Ids of all collections.

        Raises:
            UserError: the API fails.
        """
        request = Request(self._url(self._linked("data")[0]))
        return [str(entry["id"]) for entry in self._pages.walk(request, "collections")]

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
        items: dict[str, dict[str, Any]] = {}
        repeated = 0
        for box in _boxes(query["bbox"]):
            part = {**query, "bbox": box}
            here: dict[str, dict[str, Any]] = {}
            for item in self._pages.walk(search_request(*self._search_link(), {**part, "limit": page}), "features"):
                self._check(item, part)
                known = here.get(item["id"])
                repeated += known is not None
                here[item["id"]] = item if known is None else max(known, item, key=_version)
            items |= here
        return Found([unsigned(items[key]) for key in sorted(items)], repeated)

    def _search_link(self) -> tuple[str, str]:
        """Address and method of the search; POST where the API takes it."""
        methods = {str(link.get("method") or "GET").upper(): self._url(link) for link in self._linked("search")}
        method = "POST" if "POST" in methods else next(iter(methods))
        return methods[method], method

    def _linked(self, relation: str) -> list[dict[str, Any]]:
        """Links of the landing page to JSON of one kind, at least one."""
        found = [link for link in self._links if link.get("rel") == relation and link.get("href")]
        found = [link for link in found if "json" in str(link.get("type") or "json")]
        if not found:
            raise UserError(f"catalogue {self.endpoint}: its landing page has no link {relation!r}")
        return found

    def _url(self, link: Mapping[str, Any]) -> str:
        return urljoin(f"{self.endpoint}/", str(link["href"]))

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


def unsigned(item: dict[str, Any]) -> dict[str, Any]:
    """A raw item whose addresses have lost their signatures, which are secrets and expire."""
    return _without_signatures(item) if _SIGNATURE.search(json.dumps(item)) else item


def _without_signatures(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_signatures(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_signatures(entry) for entry in value]
    if isinstance(value, str) and "://" in value and _SIGNATURE.search(value):
        return value.split("?")[0]
    return value


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


def site_query(site: Site, collection: str, days: tuple[date, date] | None) -> dict[str, Any]:
    """Search parameters for one collection over a site; `days` are the first and the last one, UTC."""
    query: dict[str, Any] = {"collections": [collection], "bbox": [round(value, 7) for value in site.bbox]}
    if days:
        query["datetime"] = f"{days[0].isoformat()}T00:00:00Z/{days[1].isoformat()}T23:59:59Z"
    return query


def write_manifest(path: Path, endpoint: str, query: Mapping[str, Any], items: list[dict[str, Any]]) -> None:
    """Write the answer to a query; a file that differs in its retrieval time only is left alone."""
    manifest: dict[str, Any] = {"endpoint": endpoint, "query": dict(query), "items": items}
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if {key: kept.get(key) for key in manifest} == manifest:
            return
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    # One line an item: indenting all of it takes longer than the search.
    lines = ",\n".join(json.dumps(item, sort_keys=True, ensure_ascii=False) for item in items)
    head = json.dumps({"endpoint": endpoint, "query": dict(query), "retrieved": now}, sort_keys=True)
    write_text(path, f'{head[:-1]}, "items": [\n{lines}\n]}}\n')


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Raw items of a manifest.

    Raises:
        UserError: it is not there or not a manifest.
    """
    try:
        items: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["items"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a manifest of scenes: run the search step again") from None
    return items
