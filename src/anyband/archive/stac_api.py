"""The STAC API of the embedded archive as a function from requests to documents; `http_server` puts it on the air.

Search is over raw item dicts. What cannot be honoured is refused: a filter that is silently ignored gives wrong
answers.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from anyband.archive.stac_items import BASE, read_template
from anyband.products import CATALOGUED, EXTRA, collection_of

Item = dict[str, Any]

FILTERS = ("collections", "ids", "datetime", "bbox", "intersects")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


class RequestError(Exception):
    """A request that is answered with `status` and one line that says what is wrong with it."""

    def __init__(self, status: HTTPStatus, line: str) -> None:
        """Keep the status and the line."""
        super().__init__(line)
        self.status = status


def bad_request(line: str) -> RequestError:
    """The client asked for something that this API cannot do; the line names the parameter."""
    return RequestError(HTTPStatus.BAD_REQUEST, line)


class ItemIndex:
    """Items of one API with a spatial index."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Keep the items, newest first and then by collection and id."""
        ordered = sorted(items, key=lambda item: (item["collection"], item["id"]))
        self.items = sorted(ordered, key=start_time, reverse=True)

    @cached_property
    def _tree(self) -> Any:
        from shapely import STRtree
        from shapely.geometry import shape

        return STRtree([_on_the_circle(shape(item["geometry"])) for item in self.items])

    def find(self, parameters: Mapping[str, Any]) -> list[Item]:
        """All items that a request in the form of a POST body asks for, in the index's order.

        Raises:
            RequestError: a value that cannot be understood.
        """
        given = {name: parameters[name] for name in FILTERS if parameters.get(name) is not None}
        found = self._inside(given.pop("bbox", None), given.pop("intersects", None))
        for name, value in given.items():
            keep = _FILTER_OF[name](value)
            found = [item for item in found if keep(item)]
        return found

    def _inside(self, bbox: Any, geometry: Any) -> list[Item]:
        """Items whose geometry meets one of the two."""
        if bbox is None and geometry is None:
            return self.items
        if bbox is not None and geometry is not None:
            raise bad_request("bbox and intersects exclude each other")
        area = _shape(geometry) if bbox is None else _box(bbox)
        return [self.items[i] for i in sorted(self._tree.query(area, predicate="intersects"))]


def _on_the_circle(geometry: Any) -> Any:
    """A geometry with longitudes beyond 180 degrees together with its double on the other side of the globe."""
    from shapely.affinity import translate

    return geometry.union(translate(geometry, -360)) if geometry.bounds[2] > 180 else geometry


def _box(bbox: Sequence[Any]) -> Any:
    """Polygon of a bounding box of 4 or 6 numbers; west > east means across the antimeridian."""
    from shapely import box, union

    try:
        numbers = [float(value) for value in bbox]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (4, 6):
        raise bad_request(f"bbox must be 4 or 6 numbers, not {bbox!r}")
    half = len(numbers) // 2
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    if south > north:
        raise bad_request(f"bbox: south {south} is above north {north}")
    if west > east:
        return union(box(west, south, 180, north), box(-180, south, east, north))
    return box(west, south, east, north)


def _shape(geometry: Any) -> Any:
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        return shape(geometry)
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise bad_request(f"intersects is not a GeoJSON geometry: {error}") from None


def start_time(item: Item) -> datetime:
    """When an item was taken, or began."""
    properties = item["properties"]
    return datetime.fromisoformat(properties["datetime"] or properties["start_datetime"])


def _end_time(item: Item) -> datetime:
    """When an item was taken, or ended."""
    properties = item["properties"]
    return datetime.fromisoformat(properties["datetime"] or properties["end_datetime"])


def _time(text: str) -> datetime:
    try:
        if _RFC_3339.fullmatch(text.upper()):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass
    raise bad_request(f"datetime {text!r} is not RFC 3339 with a time zone, like 2022-05-01T00:00:00Z")


def _by_datetime(text: Any) -> Callable[[Item], bool]:
    """Items that share a moment with an instant, a closed interval or an open one (`..` or nothing at one end)."""
    ends = str(text).split("/")
    if len(ends) > 2 or all(end in ("", "..") for end in ends):
        raise bad_request(f"datetime {text!r} is neither an instant nor an interval")
    begin, end = (ever if at in ("", "..") else _time(at) for at, ever in zip((ends[0], ends[-1]), _EVER, strict=True))
    if begin > end:
        raise bad_request(f"datetime {text!r} ends before it begins")
    return lambda item: start_time(item) <= end and _end_time(item) >= begin


def _member(name: str, field: str) -> Callable[[Any], Callable[[Item], bool]]:
    def make(values: Any) -> Callable[[Item], bool]:
        if not isinstance(values, list):
            raise bad_request(f"{name} must be a list, not {values!r}")
        wanted = set(map(str, values))
        return lambda item: item[field] in wanted

    return make


_FILTER_OF: Mapping[str, Callable[[Any], Callable[[Item], bool]]] = {
    "collections": _member("collections", "collection"),
    "ids": _member("ids", "id"),
    "datetime": _by_datetime,
}


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
