"""The STAC API of the embedded archive as a function from requests to documents; `server` puts it on the air."""

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from anyband.archive.item_filters import BadRequestError
from anyband.archive.item_index import ItemIndex
from anyband.archive.items import COLLECTIONS, read_template

HOST = "archive.anyband.test"
BASE = f"http://{HOST}"
ROOT = f"{BASE}/stac"

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


def landing_page() -> dict[str, Any]:
    """The root catalogue with what this API conforms to."""
    link = {"type": "application/json", "href": ROOT}
    search = {"rel": "search", "type": "application/geo+json", "href": f"{ROOT}/search"}
    return {
        "type": "Catalog",
        "id": "anyband-archive",
        "title": "Embedded archive of anyband",
        "description": "Simulated scenes in the dialect of the Planetary Computer",
        "stac_version": "1.0.0",
        "conformsTo": CONFORMS_TO,
        "links": [
            link | {"rel": "self"},
            link | {"rel": "root"},
            link | {"rel": "data", "href": f"{ROOT}/collections"},
            link | {"rel": "conformance", "href": f"{ROOT}/conformance"},
            search | {"method": "GET"},
            search | {"method": "POST"},
        ],
    }


def collection(name: str) -> dict[str, Any]:
    """Description of one collection.

    Raises:
        NotFoundError: no such collection.
    """
    if name not in COLLECTIONS.values():
        raise NotFoundError(f"no collection {name!r}, known: {', '.join(COLLECTIONS.values())}")
    described = read_template(name)["collection"]
    url = f"{ROOT}/collections/{name}"
    link = {"type": "application/json", "href": ROOT}
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
    for name in ("bbox", "collections", "ids"):
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


def answer(index: ItemIndex, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
    """Document behind a path below the host, `/stac` and so on.

    Args:
        index: what the archive holds.
        method: GET, HEAD or POST; only `/search` takes a body.
        path: decoded path without a slash at the end.
        query: the part behind the question mark, still encoded.
        body: content of a POST request.

    Raises:
        NotFoundError: nothing is there.
        BadRequestError: a search that cannot be understood.
    """
    match path.strip("/").split("/"):
        case ["stac"]:
            return landing_page()
        case ["stac", "conformance"]:
            return {"conformsTo": CONFORMS_TO}
        case ["stac", "collections"]:
            names = COLLECTIONS.values()
            return {"collections": [collection(name) for name in names], "links": landing_page()["links"][:2]}
        case ["stac", "collections", name]:
            return collection(name)
        case ["stac", "collections", name, "items"]:
            collection(name)
            return _page(index, path, query, parse_get(query) | {"collections": [name]})
        case ["stac", "collections", name, "items", item_id]:
            found, _, _ = index.search({"collections": [name], "ids": [item_id]})
            if not found:
                raise NotFoundError(f"no item {item_id!r} in collection {name!r}")
            return found[0]
        case ["stac", "search"] if method == "POST":
            return _page(index, path, None, _decode("body", body))
        case ["stac", "search"]:
            return _page(index, path, query, parse_get(query))
    raise NotFoundError(f"nothing at {path}: the API is at {ROOT}, files at {BASE}/files")


def _page(index: ItemIndex, path: str, query: str | None, parameters: Any) -> dict[str, Any]:
    """One page of a search, with a link to the next one in the form of the request: a body, or a query string."""
    if not isinstance(parameters, dict):
        raise BadRequestError("body must be a JSON object")
    items, matched, token = index.search(parameters)
    links: list[dict[str, Any]] = [{"rel": "root", "type": "application/json", "href": ROOT}]
    if token is not None:
        link: dict[str, Any] = {"rel": "next", "type": "application/geo+json", "href": f"{BASE}{quote(path)}"}
        if query is None:
            link |= {"method": "POST", "body": parameters | {"token": token}}
        else:
            link |= {"method": "GET"}
            link["href"] += f"?{urlencode(dict(parse_qsl(query)) | {'token': token})}"
        links.append(link)
    counts = {"numberMatched": matched, "numberReturned": len(items)}
    return {"type": "FeatureCollection", "features": items, "links": links, **counts}
