"""The sites of a dataset: from a table, from GeoJSON, or drawn over the land of the Earth.

Imported while Snakemake reads its rules, so what is heavy is imported where it is needed.
"""

import codecs
import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from anyband.ground import EARTH_RADIUS_M, Position, distance_m, utm_epsg
from anyband.runtime import UserError

COLUMNS = ("site", "longitude", "latitude")
NAMES = ("site", "name", "id")
LATITUDES = (-60.0, 84.0)  # of the land-cover map, degrees

LAND = Path(__file__).parent / "data" / "land.geojson"
SOUTH, NORTH = -56.0, 70.0
LAND_SHARE = 0.28  # of the belt, without the coast
INLAND_M = 25_000.0  # from the sea: the outlines are coarse
LEAST_DISTANCE_M = 30_000.0  # more than the diagonal of a block of 20 km, so no two sites share one
ROUNDS = 50

_BOTTOM, _TOP = (math.sin(math.radians(latitude)) for latitude in (SOUTH, NORTH))
_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # a dot would make one site's table look like another one's
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_CRS84 = re.compile(r"urn:ogc:def:crs:OGC:[\d.]*:CRS84")


@dataclass(frozen=True)
class Site:
    """A square of side `extent_m` (m) around a position (degrees, WGS84)."""

    name: str
    longitude: float
    latitude: float
    extent_m: int

    @property
    def bbox(self) -> list[float]:
        """West, south, east, north of the square in degrees, on a sphere; west > east across the antimeridian."""
        half = math.degrees(self.extent_m / 2 / EARTH_RADIUS_M)
        across = half / math.cos(math.radians(self.latitude))
        west, east = ((self.longitude + step + 180) % 360 - 180 for step in (-across, across))
        return [west, self.latitude - half, east, self.latitude + half]

    @property
    def utm_epsg(self) -> int:
        """The WGS 84 / UTM zone by longitude and hemisphere."""
        return utm_epsg(self.longitude, self.latitude)


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
        spec: path of a CSV with the columns site, longitude, latitude (others are ignored, `#` starts a comment;
            numbers between semicolons or tabs may have a decimal comma), or of a GeoJSON FeatureCollection of points or
            polygons named by their property site, name or id; or `{draw: N, seed: S}`.
        root: where a relative path is looked for when it is not below the working directory.
        dataset_name: key of the dataset, for messages.
        extent_m: side of the squares around the sites, m; sites nearer than that are a mistake.

    Raises:
        UserError: naming the file, the row and what to do.
    """
    if isinstance(spec, Mapping):
        return draw_sites(int(spec["draw"]), int(spec["seed"]))
    path = Path(spec) if Path(spec).is_file() else root / spec
    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
        if "\0" in text:
            raise ValueError("bytes of zero")
    except ValueError:
        raise UserError(f"{path}: is not UTF-8 text: save it as CSV or GeoJSON in UTF-8") from None
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise UserError(f"datasets.{dataset_name}.sites: {spec} {reason}: name a CSV or a GeoJSON file") from None
    read = _read_geojson if path.suffix.lower() in (".geojson", ".json") else _read_csv
    sites: dict[str, Position] = {}
    taken: set[str] = set()
    for row in read(path, text):
        if not _FIT.fullmatch(row.name):
            raise UserError(f"{row.where}: site {row.name!r} is no file name: use letters, digits, - and _ only")
        if row.name.casefold() in taken:
            raise UserError(f"{row.where}: site {row.name!r} comes twice: give every site its own name")
        taken.add(row.name.casefold())
        sites[row.name] = _position(row)
    if not sites:
        raise UserError(f"{path}: has no sites: add at least one")
    _check_distances(path, sites, extent_m)
    return sites


def _read_csv(path: Path, text: str) -> Iterator[_Row]:
    """Rows of a table; `where` counts the lines of the file from 1, comments included."""
    lines = [(f"{path}, line {number}", line) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(where, line) for where, line in lines if line.strip(",; \t") and not line.lstrip().startswith("#")]
    if not lines:
        return
    (where, head), *rest = lines
    mark = next((mark for mark in ",;\t" if set(COLUMNS) <= set(_divide(head, mark))), ",")
    columns = _divide(head, mark)
    for name in COLUMNS:
        if name not in columns:
            found = ",".join(columns)[:80]
            raise UserError(f"{where}: column {name} is missing: write {','.join(COLUMNS)}, not {found}")
        if columns.count(name) > 1:
            raise UserError(f"{where}: column {name} comes twice: keep one")
    for where, line in rest:
        cells = _divide(line, mark)
        if len(cells) != len(columns):
            found = f"{len(cells)} cells for {len(columns)} columns"
            raise UserError(f"{where}: has {found}: write one per column, and decimals with a point")
        name, *position = (cells[columns.index(name)] for name in COLUMNS)
        yield _Row(where, name, *(text if mark == "," else text.replace(",", ".") for text in position))


def _divide(line: str, between: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=between))]


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
        given = fields.get("properties")
        properties = {"id": fields.get("id")} | (given if isinstance(given, dict) else {})
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
        import shapely
        from shapely.geometry import shape

        try:
            outline = shape(geometry)
            west, _, east, _ = outline.bounds
            across = kind == "Polygon" and 180 < east - west <= 360  # its edges cross the antimeridian
            if across:
                outline = shapely.transform(outline, lambda at: at + (at < 0) * [360, 0])
            inside = outline.representative_point()
            return inside.x - (360 if across and inside.x > 180 else 0), inside.y
        except (shapely.errors.ShapelyError, AttributeError, IndexError, KeyError, TypeError, ValueError):
            pass
    raise UserError(f"{where}: has no place: give it a Point, or a Polygon with coordinates")


def _position(row: _Row) -> Position:
    """The position of a row as numbers on the land-cover map."""
    values: list[float] = []
    for name, text, (least, most) in (
        ("longitude", row.longitude, (-180.0, 180.0)),
        ("latitude", row.latitude, LATITUDES),
    ):
        if isinstance(text, bool) or not (isinstance(text, (int, float)) or _NUMBER.fullmatch(str(text))):
            raise UserError(f"{row.where}: {name} is {text!r}: write a number of degrees, as -12.5")
        value = float(text)
        if not least <= value <= most:
            swapped = name == "latitude" and abs(value) <= 180 and LATITUDES[0] <= values[0] <= LATITUDES[1]
            hint = " (are longitude and latitude swapped?)" if swapped else ""
            raise UserError(f"{row.where}: {name} is {value:g}: write degrees from {least:g} to {most:g}{hint}")
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


def draw_sites(count: int, seed: int) -> dict[str, Position]:
    """Positions over land by name, from north to south; every part of the Earth has its share.

    The belt from 56 degrees south to 70 degrees north is divided into cells of equal area, about as many as there would
    be if every cell had as much land as one site stands for. One random position is tried in every cell, so a site is
    found in a cell as often as its share of land says; further rounds fill up what is missing. Names tell the position
    in hundredths of a degree.

    Only `Random.random` is used, whose numbers do not depend on the version of Python, and positions are rounded before
    they are judged, so all machines agree.

    Raises:
        UserError: that many sites do not fit.
    """
    random = Random(seed)
    cells = _cells(count)
    chosen: dict[int, Position] = {}
    for _ in range(ROUNDS):
        order = sorted((cell for cell in range(len(cells)) if cell not in chosen), key=lambda _: random.random())
        tried = [_random_position(cells[cell], random) for cell in order]
        for cell, position, inland in zip(order, tried, _inland(tried), strict=True):
            apart = inland and all(distance_m(position, other) >= LEAST_DISTANCE_M for other in chosen.values())
            if apart:
                chosen[cell] = position
            if len(chosen) == count:
                ordered = sorted(chosen.values(), key=lambda position: (-position[1], position[0]))
                return {_name(position): position for position in ordered}
    raise UserError(f"draw: {count} sites do not fit on land {LEAST_DISTANCE_M / 1000:g} km apart: draw fewer")


def _cells(count: int) -> list[tuple[float, float, float, float]]:
    """Cells of equal area: west and width in degrees, lower edge and height in the sine of the latitude."""
    wanted = count / LAND_SHARE
    height = _TOP - _BOTTOM
    rows = max(round(math.sqrt(wanted * height / (2 * math.pi))), 1)
    columns = math.ceil(wanted / rows)
    return [
        (360 / columns * column - 180, 360 / columns, _BOTTOM + height / rows * row, height / rows)
        for row in range(rows)
        for column in range(columns)
    ]


def _random_position(cell: tuple[float, float, float, float], random: Random) -> Position:
    """A random position in a cell, every part of which is as likely."""
    west, width, bottom, height = cell
    longitude = west + width * random.random()
    return round(longitude, 4), round(math.degrees(math.asin(bottom + height * random.random())), 4)


def _inland(positions: list[Position]) -> list[bool]:
    """Whether a position and four around it lie on land."""
    import shapely

    land = shapely.from_geojson(LAND.read_text(encoding="utf-8"))
    shapely.prepare(land)
    step = math.degrees(INLAND_M / EARTH_RADIUS_M)
    steps = ((0, 0), (step, 0), (-step, 0), (0, step), (0, -step))
    around = [(x + a / math.cos(math.radians(y)), y + b) for x, y in positions for a, b in steps]
    hits = shapely.contains_xy(land, around)
    return [bool(hits[at : at + len(steps)].all()) for at in range(0, len(around), len(steps))]


def _name(position: Position) -> str:
    """For example n4712e00831 for 8.31 degrees east, 47.12 degrees north."""
    longitude, latitude = position
    north, east = round(abs(latitude) * 100), round(abs(longitude) * 100)
    return f"{'s' if latitude < 0 else 'n'}{north:04d}{'w' if longitude < 0 else 'e'}{east:05d}"
