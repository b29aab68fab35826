"""The archive's items as other providers write and page them: what `provider_server` serves."""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from anyband.archive.stac_api import LISTS, SENSORS, STAC, Api, Item, ItemIndex, RequestError, bad_request
from anyband.testing import provider_dialects, traps
from anyband.testing.faults import AZURE_HOST, CALM, Faults
from anyband.testing.provider_dialects import ADDRESS, STAC_1_1, Published, as_stored, in_new_form
from anyband.testing.traps import site_of, stored_part

Dialect = Callable[[Item], Published]


@dataclass(frozen=True)
class ProviderApi(Api):
    """An API with the dialects, the paging and the troubles of a provider.

    Attributes:
        dialects: how the items of a stored collection are written; the others stay as stored.
        refuses: whether a limit beyond `largest` is an error.
        by_query: whether the next page of a POST is a GET with everything in the query string; else a POST again.
        counts: whether an answer tells the number of all items.
        most_bytes: size of an answer that the provider cannot exceed.
        traps: names from `traps`, changes of what is published.
        faults: what goes wrong.
        files: filled by `publish`: path below the archive's host of each `{bucket}/{key}` that an item names.
    """

    dialects: Mapping[str, Dialect] = field(default_factory=dict)
    refuses: bool = False
    by_query: bool = False
    counts: bool = True
    most_bytes: int | None = None
    traps: tuple[str, ...] = ()
    faults: Faults = CALM
    files: dict[str, str] = field(default_factory=dict, init=False)

    def publish(self, items: list[Item]) -> list[Item]:
        """The items in the provider's dialects, after the traps.

        Raises:
            RequestError: two scenes have the same address.
        """
        stored = traps.apply_traps(self.traps, copy.deepcopy(super().publish(items)), traps.STORED)
        published = newest(self.dialects.get(item["collection"], as_stored)(item) for item in stored)
        self.files.update(join_files(published))
        written = traps.apply_traps(self.traps, [entry.item for entry in published], traps.EMITTED)
        for item in written if self.faults.tokens else ():
            move_to_azure(item)
        return written

    def search(self, index: ItemIndex, path: str, query: str | None, parameters: dict[str, Any]) -> dict[str, Any]:
        """One page as the provider has it."""
        limit = parameters.get("limit")
        if self.refuses and str(limit).isdigit() and int(str(limit)) > self.largest:
            raise bad_request(f"limit must be 1 to {self.largest}, not {limit!r}")
        page = super().search(index, path, query, parameters)
        if not self.counts:
            del page["numberMatched"], page["numberReturned"]
        if self.by_query:
            for link in (link for link in page["links"] if link["rel"] == "next"):
                if link.pop("method") == "POST":
                    link["href"] += f"?{urlencode(_as_query(link.pop('body')))}"
        if self.most_bytes and len(json.dumps(page)) > self.most_bytes:
            raise RequestError(HTTPStatus.BAD_GATEWAY, json.dumps({"message": "Internal server error"}))
        return page

    def first_of(self, parameters: Mapping[str, Any], count: int) -> int:
        """The first items of a page may be the last ones of the page before."""
        start = super().first_of(parameters, count)
        limit = min(int(parameters.get("limit", self.page)), self.largest)
        return start - min(start, self.faults.repeated_items, limit - 1)


def _as_query(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a POST body as those of a GET request."""
    return {
        name: ",".join(map(str, value)) if name in LISTS else value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
        if value is not None
    }


def newest(published: Iterable[Published]) -> list[Published]:
    """Without items of a site that were published again under the same id."""
    kept: dict[tuple[str, str, str], Published] = {}
    for entry in published:
        item = entry.item
        paths = list(entry.files.values())
        site = stored_part(paths[0]).split("/")[0] if paths else site_of(item)
        key = (item["collection"], item["id"], site)
        if key not in kept or _version(item) >= _version(kept[key].item):
            kept[key] = entry
    return list(kept.values())


def _version(item: Item) -> str:
    properties = item["properties"]
    return str(properties.get("s2:generation_time") or properties.get("created") or "")


def join_files(published: Iterable[Published]) -> dict[str, str]:
    """Files of all items by bucket and key.

    Raises:
        RequestError: two scenes have the same address.
    """
    files: dict[str, str] = {}
    for entry in published:
        for key, path in entry.files.items():
            if files.setdefault(key, path) != path:
                line = f"item {entry.item['id']}: two sites have a scene of one tile and day: {path} and {files[key]}"
                raise RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, line)
    return files


def move_to_azure(item: Item) -> None:
    """Let the files of an item lie where a token is needed."""
    for asset in item["assets"].values():
        if asset["href"].startswith(ADDRESS):
            asset["href"] = f"http://{AZURE_HOST}/{asset['href'].removeprefix(ADDRESS)}"


_EARTH_SEARCH: dict[str, Any] = {"page": 10, "largest": 10_000, "token": "next", "most_bytes": 6 * 2**20}
_LP_DAAC: dict[str, Any] = {"page": 10, "largest": 100, "token": "cursor", "by_query": True, "counts": False}
# Behaviour of stac-server behind a Lambda function, and of cmr-stac.

COLLECTIONS = dict(STAC.collections)
APIS = {
    api.name: api
    for api in (
        ProviderApi(STAC.name, STAC.provider, COLLECTIONS, refuses=True),
        ProviderApi(
            "earth-search",
            "Earth Search",
            COLLECTIONS,
            dialects={
                "sentinel-2-l2a": provider_dialects.sentinel2_l2a,
                "landsat-c2-l2": provider_dialects.earth_search_landsat,
            },
            **_EARTH_SEARCH,
        ),
        ProviderApi(
            "earth-search-c1",
            "Earth Search (Collection 1) and USGS",
            COLLECTIONS | {"sentinel2": "sentinel-2-c1-l2a", "landsat": "landsat-c2l2-sr"},
            dialects={
                "sentinel-2-l2a": provider_dialects.sentinel2_c1,
                "landsat-c2-l2": provider_dialects.usgs_landsat,
            },
            **_EARTH_SEARCH,
        ),
        ProviderApi(
            "lpcloud",
            "LP DAAC",
            COLLECTIONS | {"hls_s30": "HLSS30_2.0", "hls_l30": "HLSL30_2.0"},
            dialects={"hls2-s30": provider_dialects.hls, "hls2-l30": provider_dialects.hls},
            **_LP_DAAC,
        ),
        ProviderApi(
            STAC_1_1,
            "a catalogue in STAC 1.1",
            COLLECTIONS | {"sentinel2": "sentinel-2-c1-l2a"},
            dialects=dict.fromkeys(COLLECTIONS.values(), in_new_form),
        ),
    )
}
"""By the first part of their paths."""

OTHER_SENSORS = ProviderApi(SENSORS.name, SENSORS.provider, SENSORS.collections)
