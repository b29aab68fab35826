"""STAC item search over raw item dicts: the filters and the order that `/search` promises.

Everything that cannot be honoured is refused: a filter that is silently ignored gives wrong answers.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

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
