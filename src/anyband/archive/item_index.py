"""STAC item search over raw item dicts: the filters, order and paging that `/search` promises.

Geometry goes through shapely, CQL2 through `cql2`; both are imported only when a request needs them. Everything that
cannot be honoured is refused: a filter that is silently ignored gives wrong answers.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

Item = dict[str, Any]
Parameters = Mapping[str, Any]

PARAMETERS = (
    "bbox", "collections", "datetime", "fields", "filter", "filter-crs", "filter-lang", "ids", "intersects", "limit",
    "query", "sortby", "token",
)  # fmt: skip
DEFAULT_LIMIT = 250  # both limits are those of the Planetary Computer
MAXIMUM_LIMIT = 1000

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "startsWith": lambda value, start: str(value).startswith(str(start)),
    "endsWith": lambda value, end: str(value).endswith(str(end)),
    "contains": lambda value, part: part in value,
    "in": lambda value, members: value in members,
}


class BadRequestError(Exception):
    """The client asked for something that this API cannot do; the message is one line that names the parameter."""


class ItemIndex:
    """Items of the archive with a spatial index."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Keep the items, newest first and then by collection and id: the order of unsorted answers."""
        ordered = sorted(items, key=lambda item: (item["collection"], item["id"]))
        self.items = sorted(ordered, key=_start, reverse=True)

    @cached_property
    def _tree(self) -> Any:
        from shapely import STRtree
        from shapely.geometry import shape

        return STRtree([shape(item["geometry"]) for item in self.items])

    def search(self, parameters: Parameters) -> tuple[list[Item], int, str | None]:
        """Answer a request in the form of a POST body.

        Returns:
            The items of one page, the number of items on all pages, and the token of the next page if there is one.

        Raises:
            BadRequestError: an unknown parameter, or a value that cannot be understood.
        """
        unknown = sorted(set(parameters) - set(PARAMETERS))
        if unknown:
            raise BadRequestError(f"unknown parameter {unknown[0]!r}, known: {', '.join(PARAMETERS)}")
        found = self._inside(parameters)
        for name, make in _FILTERS.items():
            if parameters.get(name) is not None:
                keep = make(parameters[name])
                found = [item for item in found if keep(item)]
        found = _sorted(found, parameters.get("sortby") or [])
        limit = _limit(parameters.get("limit", DEFAULT_LIMIT))
        start = _position(found, parameters.get("token"))
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


def _time(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text.upper())
    except (AttributeError, ValueError):
        when = datetime.min
    if when.tzinfo is None:
        raise BadRequestError(f"datetime {text!r} is not RFC 3339 with a time zone, like 2022-05-01T00:00:00Z")
    return when


_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def _start(item: Item) -> datetime:
    properties = item["properties"]
    return _time(properties["datetime"] or properties["start_datetime"])


def _span(item: Item) -> tuple[datetime, datetime]:
    """Time of an item as an interval; an item without `datetime` has a start and an end instead."""
    properties = item["properties"]
    if properties["datetime"]:
        return _start(item), _start(item)
    return _start(item), _time(properties["end_datetime"])


def _by_datetime(text: str) -> Callable[[Item], bool]:
    """Items that share a moment with an instant, a closed interval or an open one (`..` or nothing at one end)."""
    ends = str(text).split("/")
    if len(ends) > 2 or all(end in ("", "..") for end in ends):
        raise BadRequestError(f"datetime {text!r} is neither an instant nor an interval")
    first, last = ends[0], ends[-1]
    begin = _EVER[0] if first in ("", "..") else _time(first)
    end = _EVER[1] if last in ("", "..") else _time(last)
    if begin > end:
        raise BadRequestError(f"datetime {text!r} ends before it begins")

    def keep(item: Item) -> bool:
        start, stop = _span(item)
        return start <= end and stop >= begin

    return keep


def _member(name: str, field: str) -> Callable[[Any], Callable[[Item], bool]]:
    def make(values: Any) -> Callable[[Item], bool]:
        if not isinstance(values, list):
            raise BadRequestError(f"{name} must be a list, not {values!r}")
        wanted = set(map(str, values))
        return lambda item: item[field] in wanted

    return make


def lookup(item: Item, path: str) -> Any:
    """Value of a field by name: a top-level key, or a property with or without its `properties.` prefix."""
    if path in item:
        return item[path]
    return item["properties"].get(path.removeprefix("properties."))


def _by_query(query: Any) -> Callable[[Item], bool]:
    """The query extension; numbers that arrive as text (the list form of pystac-client) are compared as numbers."""
    if not isinstance(query, Mapping):
        raise BadRequestError(f"query must be an object of fields, not {query!r}")
    tests = [(field, name, value) for field, wanted in query.items() for name, value in _operations(field, wanted)]

    def keep(item: Item) -> bool:
        return all(_compare(lookup(item, field), name, value) for field, name, value in tests)

    return keep


def _operations(field: str, wanted: Any) -> list[tuple[str, Any]]:
    if not isinstance(wanted, Mapping):
        raise BadRequestError(f"query: {field} must be an object of operators, not {wanted!r}")
    for name in wanted:
        if name not in _OPERATORS:
            raise BadRequestError(f"query: unknown operator {name!r} of {field}, known: {', '.join(_OPERATORS)}")
    return list(wanted.items())


def _compare(value: Any, name: str, wanted: Any) -> bool:
    """One operator; a missing property never matches."""
    if value is None:
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        wanted = [_number(entry) for entry in wanted] if isinstance(wanted, list) else _number(wanted)
    try:
        return _OPERATORS[name](value, wanted)
    except TypeError:
        return False


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


# The library takes any name for a function of the server's own; we have none, so other names are mistakes.
_CQL2_OPERATIONS = frozenset(
    "and or not = <> < <= > >= isNull like between in + - * / ^ % div casei accenti "
    "s_contains s_crosses s_disjoint s_equals s_intersects s_overlaps s_touches s_within "
    "t_after t_before t_contains t_disjoint t_during t_equals t_finishedBy t_finishes t_intersects t_meets t_metBy "
    "t_overlappedBy t_overlaps t_startedBy t_starts a_containedBy a_contains a_equals a_overlaps".lower().split()
)


def _operation_names(node: Any) -> Iterator[str]:
    """Lower-case names of all operations in a CQL2-JSON tree."""
    if isinstance(node, Mapping):
        if "op" in node:
            yield str(node["op"]).lower()
        for value in node.values():
            yield from _operation_names(value)
    elif isinstance(node, list):
        for value in node:
            yield from _operation_names(value)


def _by_filter(expression: Any) -> Callable[[Item], bool]:
    """CQL2 as JSON or text; an item that lacks a property named in the expression does not match."""
    import cql2

    try:
        parsed = cql2.Expr(expression)
        parsed.validate()
        operations = set(_operation_names(parsed.to_json()))
    except Exception as error:  # the library raises several unrelated types
        raise BadRequestError(f"filter is not CQL2: {' '.join(str(error).split())}") from None
    if operations - _CQL2_OPERATIONS:
        raise BadRequestError(f"filter: unknown operation {min(operations - _CQL2_OPERATIONS)!r}")

    def keep(item: Item) -> bool:
        try:
            return bool(parsed.matches(item))
        except Exception:  # "could not reduce expression to boolean": a property is missing
            return False

    return keep


_FILTERS: dict[str, Callable[[Any], Callable[[Item], bool]]] = {
    "collections": _member("collections", "collection"),
    "ids": _member("ids", "id"),
    "datetime": _by_datetime,
    "query": _by_query,
    "filter": _by_filter,
}


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


def _limit(value: Any) -> int:
    try:
        limit = int(value)
    except (TypeError, ValueError):
        limit = 0
    if not 1 <= limit <= MAXIMUM_LIMIT:
        raise BadRequestError(f"limit must be 1 to {MAXIMUM_LIMIT}, not {value!r}")
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
