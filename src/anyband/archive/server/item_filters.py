"""Filters of a STAC search on item fields: collections, ids, datetime, the query extension, CQL2."""

import operator
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Item = dict[str, Any]

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


def _time(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text.upper())
    except (AttributeError, ValueError):
        when = datetime.min
    if when.tzinfo is None:
        raise BadRequestError(f"datetime {text!r} is not RFC 3339 with a time zone, like 2022-05-01T00:00:00Z")
    return when


_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def start_time(item: Item) -> datetime:
    """When an item was taken, or began."""
    properties = item["properties"]
    return _time(properties["datetime"] or properties["start_datetime"])


def _span(item: Item) -> tuple[datetime, datetime]:
    """Time of an item as an interval; an item without `datetime` has a start and an end instead."""
    properties = item["properties"]
    if properties["datetime"]:
        return start_time(item), start_time(item)
    return start_time(item), _time(properties["end_datetime"])


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


FILTERS: dict[str, Callable[[Any], Callable[[Item], bool]]] = {
    "collections": _member("collections", "collection"),
    "ids": _member("ids", "id"),
    "datetime": _by_datetime,
    "query": _by_query,
    "filter": _by_filter,
}
