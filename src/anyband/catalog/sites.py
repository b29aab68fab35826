"""The sites of a dataset: from a table, from GeoJSON, or drawn over the land of the Earth.

Imported while Snakemake reads its rules, so what is heavy is imported where it is needed.
"""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyband.ground import EARTH_RADIUS_M, Position, distance_m
from anyband.runtime import UserError

COLUMNS = ("site", "longitude", "latitude")
NAMES = ("site", "name", "id")
LATITUDES = (-60.0, 84.0)  # of the land-cover map, degrees

_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # a dot would make one site's table look like another one's
_CRS84 = re.compile(r"urn:ogc:def:crs:OGC:[\d.]*:CRS84")


@dataclass(frozen=True)
class _Row:
    """One site as written; `where` names the file and the place in it."""

    where: str
    name: str
    longitude: Any
    latitude: Any


def load_sites(
    spec: str | Path | Mapping[str, int], root: Path, dataset_name: str, extent_m: float = 0
) -> dict[str, Position]:
    """Positions by name, in the order of the file or from north to south.

    Args:
        spec: path of a CSV with the columns site, longitude, latitude (others are ignored, `#` starts a comment), or of
            a GeoJSON FeatureCollection of points or polygons named by their property site, name or id; or
            `{draw: N, seed: S}`.
        root: where a relative path is looked for when it is not below the working directory.
        dataset_name: key of the dataset, for messages.
        extent_m: side of the squares around the sites, m; sites nearer than that are a mistake.

    Raises:
        UserError: naming the file, the row and what to do.
    """
    if isinstance(spec, Mapping):
        from anyband.catalog.draw import draw_sites

        return draw_sites(int(spec["draw"]), int(spec["seed"]))
    path = Path(spec) if Path(spec).is_file() else root / spec
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise UserError(f"datasets.{dataset_name}.sites: {spec} {reason}: name a CSV or a GeoJSON file") from None
    read = _read_geojson if path.suffix.lower() in (".geojson", ".json") else _read_csv
    sites: dict[str, Position] = {}
    taken: set[str] = set()
    for row in read(path, text):
        _check_name(row, taken)
        taken.add(row.name.casefold())
        sites[row.name] = _position(row)
    if not sites:
        raise UserError(f"{path}: has no sites: add at least one")
    _check_distances(path, sites, extent_m)
    return sites


def _read_csv(path: Path, text: str) -> Iterator[_Row]:
    """Rows of a table; `where` counts the lines of the file from 1, comments included."""
    columns: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        where = f"{path}, line {number}"
        if columns is None:
            columns = cells
            missing = [name for name in COLUMNS if name not in columns]
            if missing:
                found = ",".join(columns)
                raise UserError(f"{where}: column {missing[0]} is missing: write {','.join(COLUMNS)}, not {found[:80]}")
            continue
        if len(cells) != len(columns):
            raise UserError(f"{where}: has {len(cells)} cells for {len(columns)} columns: write one per column")
        named = dict(zip(columns, cells, strict=True))
        yield _Row(where, *(named[name] for name in COLUMNS))


def _read_geojson(path: Path, text: str) -> Iterator[_Row]:
    """Features of a collection; `where` counts them from 1."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error}): write a GeoJSON FeatureCollection") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        raise UserError(f"{path}: is not a GeoJSON FeatureCollection: give it a list of features")
    crs = document.get("crs")
    if crs is not None and not _CRS84.fullmatch(_crs_name(crs)):
        raise UserError(f"{path}: its crs is {_crs_name(crs)}: save it in longitude and latitude (CRS84), without crs")
    for number, feature in enumerate(features, 1):
        where = f"{path}, feature {number}"
        fields = feature if isinstance(feature, dict) else {}
        properties = {"id": fields.get("id")} | dict(fields.get("properties") or {})
        name = next((properties[key] for key in NAMES if properties.get(key) not in (None, "")), None)
        if name is None:
            raise UserError(f"{where}: has no name: give it a property site")
        yield _Row(where, str(name), *_point(where, fields.get("geometry")))


def _crs_name(crs: Any) -> str:
    try:
        return str(crs["properties"]["name"])
    except (KeyError, TypeError):
        return json.dumps(crs)


def _point(where: str, geometry: Any) -> Sequence[Any]:
    """Longitude and latitude of a point, or of some point inside a polygon."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "Point":
        coordinates = geometry.get("coordinates")
        if isinstance(coordinates, list) and len(coordinates) >= 2:
            return coordinates[:2]
    elif kind in ("Polygon", "MultiPolygon"):
        from shapely.errors import ShapelyError
        from shapely.geometry import shape

        try:
            inside = shape(geometry).representative_point()
            return inside.x, inside.y
        except (ShapelyError, AttributeError, IndexError, KeyError, TypeError, ValueError):
            pass
    raise UserError(f"{where}: has no place: give it a Point, or a Polygon with coordinates")


def _check_name(row: _Row, taken: Set[str]) -> None:
    """Raise UserError when a name cannot be that of a file beside those of the other sites, given in lower case."""
    if not _FIT.fullmatch(row.name):
        raise UserError(f"{row.where}: site {row.name!r} is no file name: use letters, digits, - and _ only")
    if row.name.casefold() in taken:
        raise UserError(f"{row.where}: site {row.name!r} comes twice: give every site its own name")


def _position(row: _Row) -> Position:
    """The position of a row as numbers on the land-cover map."""
    values = []
    for name, text, (least, most) in (
        ("longitude", row.longitude, (-180.0, 180.0)),
        ("latitude", row.latitude, LATITUDES),
    ):
        try:
            value = float(text)
        except (TypeError, ValueError):
            raise UserError(f"{row.where}: {name} is {text!r}: write a number of degrees") from None
        if not least <= value <= most:
            raise UserError(f"{row.where}: {name} is {value:g}: write degrees from {least:g} to {most:g}")
        values.append(value)
    return values[0], values[1]


def _check_distances(path: Path, sites: Mapping[str, Position], extent_m: float) -> None:
    """Raise UserError when the squares of two sites may overlap; sorted by latitude, so near ones stand together."""
    ordered = sorted(sites.items(), key=lambda entry: entry[1][1])
    reach = math.degrees(extent_m / EARTH_RADIUS_M)
    for index, (name, position) in enumerate(ordered):
        for other, there in ordered[index + 1 :]:
            if there[1] - position[1] > reach:
                break
            distance = distance_m(position, there)
            if distance < extent_m or position == there:
                names = " and ".join(repr(entry) for entry in sites if entry in (name, other))
                raise UserError(
                    f"{path}: sites {names} are {distance:.0f} m apart, nearer than extent_m {extent_m:g}: drop one"
                )
