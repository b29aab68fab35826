"""What the dialects share: reading raw item fields with errors that name the item."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anyband.ground import Affine6
from anyband.raster.asset import BandAsset, QualityAsset, UnusableItemError
from anyband.raster.quality_layers import DTYPES, FILL
from anyband.runtime import UserError

RawItem = Mapping[str, Any]
Grid = tuple[Affine6 | None, tuple[int, int] | None]


@dataclass(frozen=True)
class Encoding:
    """How a product's pixels are stored, by its maker's guide: value = DN * `scale` + `offset`."""

    scale: float
    offset: float
    nodata: int
    dtype: str = "uint16"


def require(item: RawItem, name: str) -> Any:
    """A property that the item must have.

    Raises:
        UnusableItemError: it is missing or null.
    """
    value = item["properties"].get(name)
    if value is None:
        raise UnusableItemError(f"item {item['id']}: property {name} is missing")
    return value


def platform(item: RawItem, known: tuple[str, ...]) -> str:
    """The satellite in lower case with hyphens (providers write Sentinel-2A, sentinel-2a, LANDSAT_8).

    Raises:
        UnusableItemError: missing, or none of `known`.
    """
    name = str(require(item, "platform")).lower().replace("_", "-")
    if name not in known:
        raise UnusableItemError(f"item {item['id']}: platform {name!r} is none of {', '.join(known)}")
    return name


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


def grid(item: RawItem, key: str) -> Grid:
    """Affine (6 numbers of the 6 or 9 published) and (rows, columns), from the asset or else from the item."""
    fields = item["properties"] | {k: v for k, v in item["assets"][key].items() if k.startswith("proj:")}
    transform, shape = fields.get("proj:transform"), fields.get("proj:shape")
    if transform is not None:
        a, b, c, d, e, f = (float(value) for value in transform[:6])
        return (a, b, c, d, e, f), (int(shape[0]), int(shape[1])) if shape else None
    return None, (int(shape[0]), int(shape[1])) if shape else None


def band_asset(
    item: RawItem,
    band: str,
    key: str,
    pixel_m: float,
    encoding: Encoding,
    code: int,
    *,
    shift: int = 0,
    check: bool = True,
) -> BandAsset:
    """The asset `key` as a band of the registry.

    Args:
        item: raw item.
        band: name in the registry.
        key: key of the asset.
        pixel_m: pixel spacing of the product, m; a published grid of another spacing is an error.
        encoding: of the pixels, from the dialect's own table.
        code: EPSG code of the file's CRS.
        shift: see `BandAsset.store_shift`.
        check: whether a published encoding must agree with ours; off where it is known to be wrong.

    Raises:
        UnusableItemError: the asset is missing or contradicts the table.
    """
    href = asset(item, key)["href"]
    if check:
        check_encoding(item, key, encoding)
    transform, shape = grid(item, key)
    if transform is not None and not math.isclose(transform[0], pixel_m, rel_tol=1e-6):
        raise UnusableItemError(
            f"item {item['id']}: asset {key} has pixels of {transform[0]:g} m, expected {pixel_m:g}"
        )
    return BandAsset(
        item["id"],
        key,
        href,
        code,
        pixel_m,
        transform,
        shape,
        dtype=encoding.dtype,
        nodata=encoding.nodata,
        store_shift=shift,
        band=band,
        scale=encoding.scale,
        offset=encoding.offset,
    )


def quality_asset(item: RawItem, key: str, decoder: str, pixel_m: float, code: int) -> QualityAsset:
    """The asset `key` as the quality layer of an acquisition.

    Raises:
        UnusableItemError: it is missing.
    """
    transform, shape = grid(item, key)
    return QualityAsset(
        item["id"],
        key,
        asset(item, key)["href"],
        code,
        pixel_m,
        transform,
        shape,
        dtype=DTYPES[decoder],
        nodata=FILL[decoder],
        decoder=decoder,
    )


def check_encoding(item: RawItem, key: str, encoding: Encoding) -> None:
    """Compare published scale, offset and nodata, wherever the item has them, with our own table.

    They may stand in `raster:bands`, in `bands` (STAC 1.1) or in the asset itself.

    Raises:
        UnusableItemError: they contradict each other; reading on would be wrong by a whole offset.
    """
    described = item["assets"][key]
    expectations = {"scale": encoding.scale, "offset": encoding.offset, "nodata": encoding.nodata}
    for fields in (described, *described.get("raster:bands", ()), *described.get("bands", ())):
        for name, expected in expectations.items():
            published = fields.get(f"raster:{name}", fields.get(name))
            if published is not None and not math.isclose(float(published), expected, rel_tol=1e-6, abs_tol=1e-9):
                raise UnusableItemError(
                    f"item {item['id']}: asset {key} publishes {name} {published}, expected {expected}; "
                    "another processing than this dialect knows"
                )


def check_wavelengths(item: RawItem, product: str, satellite: str, keys: Mapping[str, str]) -> None:
    """Make sure that the registry describes every band, since the catalogue's own wavelengths are never used.

    Args:
        item: raw item.
        product: product of the registry.
        satellite: platform of the registry.
        keys: asset key of each band of the registry.

    Raises:
        UnusableItemError: naming the first band without a wavelength, and its asset.
    """
    from anyband.sensors.platforms import get_sensor  # reads tables, which a search does without

    try:
        known = get_sensor(satellite, product).names
    except UserError as error:
        raise UnusableItemError(f"item {item['id']}: {error}") from None
    for band, key in keys.items():
        if band not in known:
            raise UnusableItemError(
                f"item {item['id']}: asset {key}: no wavelength is known for band {band} of {satellite}"
            )


def footprint(item: RawItem) -> Mapping[str, Any]:
    """Geometry of the valid data; across the antimeridian its longitudes go on beyond 180 degrees.

    Providers cut a footprint in two at 180 degrees, count on beyond, or jump from 180 to -180 within a ring.

    Raises:
        UnusableItemError: the item has no geometry, or one without an area.
    """
    geometry: Mapping[str, Any] | None = item["geometry"]
    if not geometry:
        raise UnusableItemError(f"item {item['id']}: geometry is missing")
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise UnusableItemError(f"item {item['id']}: geometry is a {geometry['type']}, not a footprint")
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    rings = [[_continuous(ring) for ring in part] for part in parts]
    west = min(x for part in rings for x, _ in part[0])
    east = max(x for part in rings for x, _ in part[0])
    if east - west <= 180 and rings == [[_plain(ring) for ring in part] for part in parts]:
        return geometry
    return _joined(rings)


def _plain(ring: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y, *_ in ring]


def _continuous(ring: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """A ring without jumps of a whole turn from one vertex to the next."""
    points = _plain(ring)
    for index in range(1, len(points)):
        x, y = points[index]
        points[index] = (x - 360 * round((x - points[index - 1][0]) / 360), y)
    return points


def _joined(rings: Sequence[Sequence[Sequence[tuple[float, float]]]]) -> Mapping[str, Any]:
    """Parts of a footprint, all moved to the side of the globe where the easternmost one lies."""
    from shapely import make_valid, union_all
    from shapely.affinity import translate
    from shapely.geometry import Polygon, mapping

    parts = [make_valid(Polygon(part[0], part[1:])) for part in rings]
    reference = max(part.centroid.x for part in parts)
    turned = [translate(part, 360 * round((reference - part.centroid.x) / 360)) for part in parts]
    joined: Mapping[str, Any] = mapping(union_all(turned))
    return joined


def number(item: RawItem, name: str) -> float | None:
    """A numeric property, or None."""
    value = item["properties"].get(name)
    return None if value is None else float(value)


def cloud_cover(item: RawItem) -> float | None:
    """Cloud cover in percent; None where it is absent or, as USGS writes it, -1."""
    value = number(item, "eo:cloud_cover")
    return None if value is None or value < 0 else value


def sun_zenith(item: RawItem) -> float | None:
    """Degrees, from the elevation; None where the item does not say."""
    elevation = number(item, "view:sun_elevation")
    return None if elevation is None else 90 - elevation


def view_zenith(item: RawItem) -> float | None:
    """Degrees; None where the item does not say.

    Where it gives only the angle at the satellite, that one is taken: from low orbits it is about a tenth less.
    """
    angle = number(item, "view:incidence_angle")
    return number(item, "view:off_nadir") if angle is None else angle


def simulated(item: RawItem) -> str | None:
    """Version of the simulator that made the scene, None for a real one."""
    value = item["properties"].get("anyband:simulated")
    return None if value is None else str(value)
