"""Search a STAC API and keep what it said: one manifest of raw items a collection and site.

Everything downstream reads manifests only, so a run can be repeated although the catalogue moves on.
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from anyband.runtime import UserError, write_json

TIMEOUT_S = (10.0, 60.0)  # to connect, to wait for an answer
RETRIES = 5
RETRY_STATUS = (429, 500, 502, 503, 504)
PAGE_SIZE = 100
EARTH_RADIUS_M = 6_371_000.0


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
        return (32_700 if self.latitude < 0 else 32_600) + int((self.longitude + 180) // 6) % 60 + 1


class Catalogue:
    """A STAC API that is held to what it promises."""

    def __init__(self, endpoint: str) -> None:
        """Open the API; its landing page is read here.

        Raises:
            UserError: it does not answer, or does not conform to what a search needs.
        """
        from pystac_client import Client
        from pystac_client.stac_api_io import StacApiIO
        from urllib3 import Retry

        # POST is not retried unless told: searches change nothing, so all methods may be.
        retry = Retry(
            total=RETRIES,
            backoff_factor=0.5,
            status_forcelist=RETRY_STATUS,
            allowed_methods=None,
            raise_on_status=False,
        )
        self.endpoint = endpoint
        self._client = self._strictly(
            lambda: Client.open(endpoint, stac_io=StacApiIO(timeout=TIMEOUT_S, max_retries=retry))
        )

    def _strictly(self, action: Any) -> Any:
        """Run an action with the client's warnings as errors, which it otherwise prints and goes on."""
        from pystac_client.exceptions import APIError
        from pystac_client.warnings import PystacClientWarning

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PystacClientWarning)
                return action()
        except (APIError, PystacClientWarning, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"catalogue {self.endpoint}: {' '.join(str(error).split()) or type(error).__name__}"
            ) from None

    def search(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Raw items of all pages, each once, sorted by id.

        Args:
            query: `collections` (one), `bbox` and, if wanted, `datetime`, as in a STAC search.

        Raises:
            UserError: the API fails, or returns an item that was not asked for: a filter that it ignores.
        """
        found = self._strictly(
            lambda: list(self._client.search(**query, limit=PAGE_SIZE, method="POST").items_as_dicts())
        )
        items = {item["id"]: item for item in found}
        for item in items.values():
            for name, matches in _CHECKS.items():
                if name in query and not matches(item, query[name]):
                    message = (
                        f"returned item {item['id']}, which is outside the {name} asked for; it cannot be relied on"
                    )
                    raise UserError(f"catalogue {self.endpoint}: {message}")
        return [items[key] for key in sorted(items)]


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
    first = properties.get("datetime") or properties["start_datetime"]
    last = properties.get("datetime") or properties["end_datetime"]
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
    write_json(path, manifest | {"retrieved": now})


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
