"""The STAC API of the embedded archive as a function from requests to documents; `server` puts it on the air."""

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from anyband.archive.server.item_filters import BadRequestError
from anyband.archive.server.item_index import ItemIndex
from anyband.archive.server.provider_apis import APIS, Api
from anyband.testing.providers.common import BASE, HOST, template

__all__ = ["APIS", "BASE", "HOST", "ROOT", "Api", "NotFoundError", "TooLargeError", "answer"]

ROOT = APIS["stac"].root

_LISTS = ("bbox", "collections", "ids")  # parameters that are lists, with commas in a query string
_API = "https://api.stacspec.org/v1.0.0"
_OGC = "http://www.opengis.net/spec"
CONFORMS_TO = [
    f"{_API}/core",
    f"{_API}/collections",
    f"{_API}/ogcapi-features",
    f"{_API}/item-search",
    *(f"{_API}/item-search#{name}" for name in ("fields", "filter", "query", "sort")),
    f"{_OGC}/ogcapi-features-1/1.0/conf/core",
    f"{_OGC}/ogcapi-features-1/1.0/conf/geojson",
    *(f"{_OGC}/cql2/1.0/conf/{name}" for name in ("basic-cql2", "cql2-json", "cql2-text")),
]


class NotFoundError(Exception):
    """Nothing is there; the message is one line that says what was looked for."""


class TooLargeError(Exception):
    """The answer is larger than the provider can send; the message is what the provider says."""


def landing_page(api: Api) -> dict[str, Any]:
    """The root catalogue with what this API conforms to."""
    link = {"type": "application/json", "href": api.root}
    search = {"rel": "search", "type": "application/geo+json", "href": f"{api.root}/search"}
    return {
        "type": "Catalog",
        "id": "anyband-archive",
        "title": "Embedded archive of anyband",
        "description": f"Simulated scenes in the form of {api.provider}",
        "stac_version": "1.0.0",
        "conformsTo": CONFORMS_TO,
        "links": [
            link | {"rel": "self"},
            link | {"rel": "root"},
            link | {"rel": "data", "href": f"{api.root}/collections"},
            link | {"rel": "conformance", "href": f"{api.root}/conformance"},
            search | {"method": "GET"},
            search | {"method": "POST"},
        ],
    }


def collection(api: Api, name: str) -> dict[str, Any]:
    """Description of one collection.

    Raises:
        NotFoundError: no such collection.
    """
    if name not in api.stored:
        raise NotFoundError(f"no collection {name!r}, known: {', '.join(api.stored)}")
    described = template(api.stored[name])["collection"]
    url = f"{api.root}/collections/{name}"
    link = {"type": "application/json", "href": api.root}
    return {
        "type": "Collection",
        "id": name,
        "stac_version": "1.0.0",
        "description": f"{described['title']}, simulated",
        **described,
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
        "links": [
            link | {"rel": "self", "href": url},
            link | {"rel": "root"},
            link | {"rel": "parent"},
            {"rel": "items", "type": "application/geo+json", "href": f"{url}/items"},
        ],
    }


def parse_get(query: str) -> dict[str, Any]:
    """Bring the parameters of a GET request into the form of a POST body."""
    parameters: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    for name in _LISTS:
        if name in parameters:
            parameters[name] = parameters[name].split(",")
    for name in ("intersects", "query"):
        if name in parameters:
            parameters[name] = _decode(name, parameters[name])
    if parameters.get("filter-lang") == "cql2-json" and "filter" in parameters:
        parameters["filter"] = _decode("filter", parameters["filter"])
    if "sortby" in parameters:
        parameters["sortby"] = [
            {"field": name.lstrip("+-"), "direction": "desc" if name.startswith("-") else "asc"}
            for name in parameters["sortby"].split(",")
        ]
    if "fields" in parameters:
        names = parameters["fields"].split(",")
        parameters["fields"] = {
            "include": [name.lstrip("+") for name in names if name and not name.startswith("-")],
            "exclude": [name[1:] for name in names if name.startswith("-")],
        }
    return parameters


def _decode(name: str, text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequestError(f"{name} is not JSON: {error}") from None


def answer(api: Api, index: ItemIndex, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
    """Document behind a path below the root of an API.

    Args:
        api: which one.
        index: its items.
        method: GET, HEAD or POST; only `search` takes a body.
        path: decoded path below the root, without slashes at the ends.
        query: the part behind the question mark, still encoded.
        body: content of a POST request.

    Raises:
        NotFoundError: nothing is there.
        BadRequestError: a search that cannot be understood.
        TooLargeError: a page that the provider could not send.
    """
    match path.split("/"):
        case [""]:
            return landing_page(api)
        case ["conformance"]:
            return {"conformsTo": CONFORMS_TO}
        case ["collections"]:
            found = [collection(api, name) for name in api.collections.values()]
            return {"collections": found, "links": landing_page(api)["links"][:2]}
        case ["collections", name]:
            return collection(api, name)
        case ["collections", name, "items"]:
            collection(api, name)
            return _page(api, index, path, query, parse_get(query) | {"collections": [name]})
        case ["collections", name, "items", item_id]:
            found, _, _ = index.search({"collections": [name], "ids": [item_id]}, api.paging)
            if not found:
                raise NotFoundError(f"no item {item_id!r} in collection {name!r}")
            return found[0]
        case ["search"] if method == "POST":
            return _page(api, index, path, None, _decode("body", body))
        case ["search"]:
            return _page(api, index, path, query, parse_get(query))
    raise NotFoundError(f"nothing at {path}: the API is at {api.root}, files at {BASE}/files")


def _page(api: Api, index: ItemIndex, path: str, query: str | None, parameters: Any) -> dict[str, Any]:
    """One page of a search, with a link to the next one as the provider writes it."""
    if not isinstance(parameters, dict):
        raise BadRequestError("body must be a JSON object")
    items, matched, token = index.search(parameters, api.paging)
    links: list[dict[str, Any]] = [{"rel": "root", "type": "application/json", "href": api.root}]
    if token is not None:
        links.append(_next_link(api, path, query, parameters, token))
    counts = {"numberMatched": matched, "numberReturned": len(items)} if api.paging.counts else {}
    page = {"type": "FeatureCollection", "features": items, "links": links, **counts}
    if api.paging.most_bytes and len(json.dumps(page)) > api.paging.most_bytes:
        raise TooLargeError("Internal server error")
    return page


def _next_link(api: Api, path: str, query: str | None, parameters: dict[str, Any], token: str) -> dict[str, Any]:
    """In the form of the request, a body or a query string, unless the provider knows only query strings."""
    link: dict[str, Any] = {"rel": "next", "type": "application/geo+json", "href": f"{api.root}/{quote(path)}"}
    if query is None and not api.paging.by_query:
        return link | {"method": "POST", "body": parameters | {api.paging.token: token}}
    known = dict(parse_qsl(query)) if query is not None else _as_query(parameters)
    link["href"] += f"?{urlencode(known | {api.paging.token: token})}"
    return link if api.paging.by_query else link | {"method": "GET"}


def _as_query(parameters: dict[str, Any]) -> dict[str, str]:
    """The parameters of a POST body as those of a GET request."""
    return {
        name: ",".join(map(str, value)) if name in _LISTS else value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
        if value is not None
    }
