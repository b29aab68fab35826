"""What the dialects share: reading raw item fields with errors that name the item."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from anyband.catalog.acquisition import Affine6, UnusableItemError

RawItem = Mapping[str, Any]


def require(item: RawItem, name: str) -> Any:
    """A property that the item must have.

    Raises:
        UnusableItemError: it is missing or null.
    """
    value = item["properties"].get(name)
    if value is None:
        raise UnusableItemError(f"item {item['id']}: property {name} is missing")
    return value


def asset(item: RawItem, key: str) -> Mapping[str, Any]:
    """An asset that the item must have.

    Raises:
        UnusableItemError: it is missing or has no href.
    """
    found = item["assets"].get(key)
    if not found or not found.get("href"):
        raise UnusableItemError(f"item {item['id']}: asset {key} is missing")
    return dict(found)


def moment(item: RawItem, name: str = "datetime") -> datetime:
    """A property with a UTC time.

    Raises:
        UnusableItemError: missing, or not RFC 3339 with a time zone.
    """
    text = require(item, name)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = datetime.min
    if when.tzinfo is None:
        raise UnusableItemError(f"item {item['id']}: property {name} is {text!r}, not a time with a zone")
    return when


def epsg(item: RawItem, key: str) -> int:
    """EPSG code from `proj:epsg` or `proj:code` (projection extension v1 and v2), of the item or of one asset.

    Raises:
        UnusableItemError: neither is there.
    """
    for fields in (item["properties"], item["assets"].get(key, {})):
        if fields.get("proj:epsg") is not None:
            return int(fields["proj:epsg"])
        code = str(fields.get("proj:code") or "")
        if code.upper().startswith("EPSG:") and code[5:].isdigit():
            return int(code[5:])
    raise UnusableItemError(f"item {item['id']}: neither proj:epsg nor proj:code, so {key} has no place on the ground")


def grid(item: RawItem, key: str) -> tuple[Affine6 | None, tuple[int, int] | None]:
    """Affine (6 numbers of the 6 or 9 published) and (rows, columns), from the asset or else from the item."""
    fields = item["properties"] | {k: v for k, v in item["assets"][key].items() if k.startswith("proj:")}
    transform, shape = fields.get("proj:transform"), fields.get("proj:shape")
    if transform is not None:
        a, b, c, d, e, f = (float(value) for value in transform[:6])
        return (a, b, c, d, e, f), (int(shape[0]), int(shape[1])) if shape else None
    return None, (int(shape[0]), int(shape[1])) if shape else None


def check_encoding(item: RawItem, key: str, scale: float, offset: float) -> None:
    """Compare published scale and offset, wherever the item has them, with our own table.

    Raises:
        UnusableItemError: they contradict each other; reading on would be wrong by a whole offset.
    """
    described = item["assets"][key]
    for fields in (described, *described.get("raster:bands", ()), *described.get("bands", ())):
        for name, expected in (("scale", scale), ("offset", offset)):
            published = fields.get(f"raster:{name}", fields.get(name))
            if published is not None and not math.isclose(published, expected, rel_tol=1e-6, abs_tol=1e-9):
                raise UnusableItemError(
                    f"item {item['id']}: asset {key} publishes {name} {published}, expected {expected}; "
                    "another processing than this dialect knows"
                )


def number(item: RawItem, name: str) -> float | None:
    """A numeric property, or None."""
    value = item["properties"].get(name)
    return None if value is None else float(value)


def simulated(item: RawItem) -> str | None:
    """Version of the simulator that made the scene, None for a real one."""
    value = item["properties"].get("anyband:simulated")
    return None if value is None else str(value)
