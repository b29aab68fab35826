"""The STAC API of the embedded archive as a function from requests to documents; `http_server` puts it on the air."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from anyband.archive.item_index import FILTERS, Item, ItemIndex, RequestError, bad_request
from anyband.archive.stac_items import BASE, read_template
from anyband.products import CATALOGUED, EXTRA, collection_of

JSON, GEOJSON, OPENAPI = "application/json", "application/geo+json", "application/vnd.oai.openapi+json;version=3.0"
LISTS = ("bbox", "collections", "ids")
"""Parameters that are lists, with commas in a query string."""

_STAC = "https://api.stacspec.org/v1.0.0"
_FEATURES = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf"
CONFORMS_TO = [
    *(f"{_STAC}/{name}" for name in ("core", "collections", "ogcapi-features", "item-search")),
    *(f"{_FEATURES}/{name}" for name in ("core", "geojson")),
]
PATHS = ("/", "/conformance", "/collections", "/collections/{collectionId}", "/collections/{collectionId}/items")


def not_found(line: str) -> RequestError:
    """Nothing is there; the line says what was looked for."""
    return RequestError(HTTPStatus.NOT_FOUND, line)


@dataclass(frozen=True)
class Api:
    """One STAC API of the archive, with its items as they are stored.

    Attributes:
        name: first part of its path.
        provider: whose form its items have.
        collections: its own collection of each product.
        page, largest: items of a page, by default and at most; who asks for more gets as many.
        token: name of the parameter that leads to the next page.
    """

    name: str
    provider: str
    collections: Mapping[str, str]
    page: int = 250
    largest: int = 1_000
    token: str = "token"

    @property
    def root(self) -> str:
        """Address of the landing page."""
        return f"{BASE}/{self.name}"

    @property
    def stored(self) -> dict[str, str]:
        """Collection in the archive of each of the API's collections."""
        return {own: collection_of(product) for product, own in self.collections.items()}

    def publish(self, items: list[Item]) -> list[Item]:
        """The items of all stored ones that this API has, as it has them."""
        own = set(self.stored.values())
        return [item for item in items if item["collection"] in own]

    def answer(self, index: ItemIndex, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
        """Document behind a path below the root.

        Args:
            index: the API's items.
            method: GET, HEAD or POST; only `search` takes a body.
            path: decoded path below the root, without slashes at the ends.
            query: the part behind the question mark, still encoded.
            body: content of a POST request.

        Raises:
            RequestError: nothing is there, or a search that cannot be understood.
        """
        match path.split("/"):
            case [""]:
                return self._landing_page()
            case ["conformance"]:
                return {"conformsTo": CONFORMS_TO}
            case ["api"]:
                operations = {name: {"get": {"responses": {"200": {"description": "OK"}}}} for name in PATHS}
                return {"openapi": "3.0.3", "info": {"title": self.provider, "version": "1"}, "paths": operations}
            case ["collections"]:
                found = [self._collection(name) for name in self.collections.values()]
                return {"collections": found, "links": [self._link("self", "/collections"), self._link("root")]}
            case ["collections", name]:
                return self._collection(name)
            case ["collections", name, "items"]:
                self._collection(name)
                return self.search(index, path, query, parse_query(query) | {"collections": [name]})
            case ["collections", name, "items", item_id]:
                for item in index.find({"collections": [name], "ids": [item_id]}):
                    return item
                raise not_found(f"no item {item_id!r} in collection {name!r}")
            case ["search"] if method == "POST":
                return self.search(index, path, None, _decode(body))
            case ["search"]:
                return self.search(index, path, query, parse_query(query))
        raise not_found(f"nothing at {path}: the API is at {self.root}, files at {BASE}/files")

    def search(self, index: ItemIndex, path: str, query: str | None, parameters: dict[str, Any]) -> dict[str, Any]:
        """One page of a search with a link to the next one; `query` is that of a GET, None for a POST."""
        known = (*FILTERS, "limit", self.token)
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise bad_request(f"unknown parameter {unknown[0]!r}, known: {', '.join(known)}")
        found = index.find(parameters)
        limit = min(_whole(parameters.get("limit", self.page), "limit"), self.largest)
        start = self.first_of(parameters, len(found))
        page = found[start : start + limit]
        links = [self._link("root"), self._link("self", f"/{quote(path)}{f'?{query}' if query else ''}", GEOJSON)]
        if start + limit < len(found):
            links.append(self._next(path, query, parameters, f"next:{start + limit}"))
        counts = {"numberMatched": len(found), "numberReturned": len(page)}
        return {"type": "FeatureCollection", "features": page, "links": links, **counts}

    def first_of(self, parameters: Mapping[str, Any], count: int) -> int:
        """Number of the first item, of `count` in all, of the page that the parameters ask for.

        Raises:
            RequestError: a token that is not of this search.
        """
        token = parameters.get(self.token)
        if token is None:
            return 0
        name, _, number = str(token).partition(":")
        if name != "next" or not number.isdigit() or int(number) >= count:
            raise bad_request(f"token {token!r} is not of this search")
        return int(number)

    def _next(self, path: str, query: str | None, parameters: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Link to the next page in the form of the request, a body or a query string."""
        link = self._link("next", f"/{quote(path)}", GEOJSON)
        if query is None:
            return link | {"method": "POST", "body": {**parameters, self.token: token}}
        following = urlencode(dict(parse_qsl(query)) | {self.token: token})
        return link | {"method": "GET", "href": f"{link['href']}?{following}"}

    def _link(self, relation: str, path: str = "", kind: str = JSON) -> dict[str, Any]:
        return {"rel": relation, "type": kind, "href": f"{self.root}{path}"}

    def _landing_page(self) -> dict[str, Any]:
        """The root catalogue with what this API conforms to."""
        return {
            "type": "Catalog",
            "id": "anyband-archive",
            "title": "Embedded archive of anyband",
            "description": f"Simulated scenes in the form of {self.provider}",
            "stac_version": "1.0.0",
            "conformsTo": CONFORMS_TO,
            "links": [
                self._link("self"),
                self._link("root"),
                self._link("service-desc", "/api", OPENAPI),
                self._link("data", "/collections"),
                self._link("conformance", "/conformance"),
                self._link("search", "/search", GEOJSON) | {"method": "GET"},
                self._link("search", "/search", GEOJSON) | {"method": "POST"},
            ],
        }

    def _collection(self, name: str) -> dict[str, Any]:
        """Description of one collection.

        Raises:
            RequestError: no such collection.
        """
        if name not in self.stored:
            raise not_found(f"no collection {name!r}, known: {', '.join(self.stored)}")
        described = read_template(self.stored[name])["collection"]
        path = f"/collections/{name}"
        return {
            "type": "Collection",
            "id": name,
            "stac_version": "1.0.0",
            "description": f"{described['title']}, simulated",
            **described,
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
            "links": [
                self._link("self", path),
                self._link("root"),
                self._link("parent"),
                self._link("items", f"{path}/items", GEOJSON),
            ],
        }


def parse_query(query: str) -> dict[str, Any]:
    """Bring the parameters of a GET request into the form of a POST body."""
    parameters: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    for name in set(LISTS) & parameters.keys():
        parameters[name] = parameters[name].split(",")
    if "intersects" in parameters:
        parameters["intersects"] = _decode(parameters["intersects"])
    return parameters


def _decode(text: str | bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise bad_request("body and intersects must be JSON objects")
    return document


def _whole(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise bad_request(f"{name} must be a whole number from 1 on, not {value!r}")
    return number


STAC = Api("stac", "the Planetary Computer", {product: collection_of(product) for product in CATALOGUED})
"""What `catalog: embedded` means."""

SENSORS = Api("sensors", "a catalogue of other sensors, in STAC 1.1", {p: collection_of(p) for p in EXTRA})
"""The extra sensors, which no real provider has."""
