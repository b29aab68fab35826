"""STAC item search over raw item dicts: the filters, order and paging that `/search` promises.

Geometry goes through shapely, CQL2 through `cql2`; both are imported only when a request needs them. Everything that
cannot be honoured is refused: a filter that is silently ignored gives wrong answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from anyband.archive.server.item_filters import FILTERS, BadRequestError, Item, lookup, start_time
from anyband.archive.server.provider_apis import Paging

Parameters = Mapping[str, Any]
PLANETARY_COMPUTER = Paging()

PARAMETERS = (
    "bbox", "collections", "datetime", "fields", "filter", "filter-crs", "filter-lang", "ids", "intersects", "limit",
    "query", "sortby",
)  # fmt: skip


class ItemIndex:
    """Items of the archive with a spatial index."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Keep the items, newest first and then by collection and id: the order of unsorted answers."""
        ordered = sorted(items, key=lambda item: (item["collection"], item["id"]))
        self.items = sorted(ordered, key=start_time, reverse=True)

    @cached_property
    def _tree(self) -> Any:
        from shapely import STRtree
        from shapely.geometry import shape

        return STRtree([_on_the_circle(shape(item["geometry"])) for item in self.items])

    def search(self, parameters: Parameters, paging: Paging = PLANETARY_COMPUTER) -> tuple[list[Item], int, str | None]:
        """Answer a request in the form of a POST body, page by page as a provider does.

        Returns:
            The items of one page, the number of items on all pages, and the token of the next page if there is one.

        Raises:
            BadRequestError: an unknown parameter, or a value that cannot be understood.
        """
        names = (*PARAMETERS, paging.token)
        unknown = sorted(set(parameters) - set(names))
        if unknown:
            raise BadRequestError(f"unknown parameter {unknown[0]!r}, known: {', '.join(names)}")
        found = self._inside(parameters)
        for name, make in FILTERS.items():
            if parameters.get(name) is not None:
                keep = make(parameters[name])
                found = [item for item in found if keep(item)]
        found = _sorted(found, parameters.get("sortby") or [])
        limit = _limit(parameters.get("limit", paging.default), paging)
        start = _position(found, parameters.get(paging.token))
        start -= min(start, paging.overlap, limit - 1)
        page = found[start : start + limit]
        more = start + limit < len(found)
        token = f"next:{start + limit}" if more else None
        return [select_fields(item, parameters.get("fields")) for item in page], len(found), token

    def _inside(self, parameters: Parameters) -> list[Item]:
        """Items whose geometry meets `bbox` or `intersects`, in the index's order."""
        if parameters.get("bbox") is None and parameters.get("intersects") is None:
            return self.items
        if parameters.get("bbox") is not None and parameters.get("intersects") is not None:
            raise BadRequestError("bbox and intersects exclude each other")
        bbox = parameters.get("bbox")
        area = _shape(parameters["intersects"]) if bbox is None else _box(bbox)
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
        raise BadRequestError(f"bbox must be 4 or 6 numbers, not {bbox!r}")
    half = len(numbers) // 2
    (west, south), (east, north) = numbers[:2], numbers[half : half + 2]
    if south > north:
        raise BadRequestError(f"bbox: south {south} is above north {north}")
    if west > east:
        return union(box(west, south, 180, north), box(-180, south, east, north))
    return box(west, south, east, north)


def _shape(geometry: Any) -> Any:
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        return shape(geometry)
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRequestError(f"intersects is not a GeoJSON geometry: {error}") from None


def _sorted(items: list[Item], order: Any) -> list[Item]:
    """Sort by several fields, the first one weighing most; items without a field come last either way."""
    if not isinstance(order, list):
        raise BadRequestError(f"sortby must be a list, not {order!r}")
    for entry in reversed(order):
        if not isinstance(entry, Mapping) or entry.get("direction", "asc") not in ("asc", "desc"):
            raise BadRequestError(f"sortby: {entry!r} needs a field and a direction asc or desc")
        field, descending = str(entry.get("field")), entry.get("direction") == "desc"
        known = [item for item in items if lookup(item, field) is not None]
        unknown = [item for item in items if lookup(item, field) is None]
        items = sorted(known, key=lambda item: lookup(item, field), reverse=descending) + unknown  # noqa: B023
    return items


def _limit(value: Any, paging: Paging) -> int:
    try:
        limit = int(value)
    except (TypeError, ValueError):
        limit = 0
    if paging.cut:
        limit = min(limit, paging.largest)
    if not 1 <= limit <= paging.largest:
        raise BadRequestError(f"limit must be 1 to {paging.largest}, not {value!r}")
    return limit


def _position(items: list[Item], token: Any) -> int:
    """Where the page of a token starts."""
    if token is None:
        return 0
    name, _, number = str(token).partition(":")
    if name != "next" or not number.isdigit() or int(number) >= len(items):
        raise BadRequestError(f"token {token!r} is not of this search")
    return int(number)


def select_fields(item: Item, fields: Any) -> Item:
    """The fields extension: what is included, less what is excluded; `properties.x` reaches into the properties."""
    if not fields:
        return item
    if not isinstance(fields, Mapping):
        raise BadRequestError(f"fields must be an object with include and exclude, not {fields!r}")
    include, exclude = fields.get("include") or [], fields.get("exclude") or []
    chosen: Item = dict(item)
    if include:
        wanted = {"id", "collection", "type", "stac_version", *include}
        chosen = {key: value for key, value in item.items() if key in wanted}
        inner = {name.removeprefix("properties.") for name in include if name.startswith("properties.")}
        if inner and "properties" not in include:
            chosen["properties"] = {key: value for key, value in item["properties"].items() if key in inner}
    for name in exclude:
        if name.startswith("properties.") and "properties" in chosen:
            left = {k: v for k, v in chosen["properties"].items() if k != name.removeprefix("properties.")}
            chosen["properties"] = left
        else:
            chosen.pop(name, None)
    return chosen
