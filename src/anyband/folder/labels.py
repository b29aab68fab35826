"""Classes of chips: from a raster or an array on any grid in metres, or from polygons with a class.

Polygons are read with what is there anyway: GeoJSON by json, GeoPackage (OGC 12-128r18, an SQLite file with geometries
as well-known binary behind a short header) by sqlite3, both by shapely.
"""

import json
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from anyband.config.schema import LabelFiles
from anyband.folder.image import open_image
from anyband.ground import Array
from anyband.landcover import LABEL_PIXEL_M, NO_LABEL
from anyband.runtime import UserError

VECTORS = (".gpkg", ".geojson", ".json")


def chip_labels(
    path: str, labels: LabelFiles, pixel_m: float | None, epsg: int, corner: tuple[float, float], side_m: int
) -> Array:
    """Codes (y, x) uint8 of a chip on the 10 m grid, 0 where there is no class.

    Args:
        path: of the labels.
        labels: how they are read.
        pixel_m: of files without coordinates.
        epsg: CRS of the chip, 0 for none.
        corner: left edge and top of the chip, m.
        side_m: of the chip, m.

    Raises:
        UserError: one line with the file and what is wrong with it.
    """
    if Path(path).suffix in VECTORS:
        return _burnt(path, labels, epsg, corner, side_m)
    image = open_image(path, pixel_m)
    if image.epsg != epsg:
        raise UserError(f"{path}: labels are in EPSG:{image.epsg}, the images in EPSG:{epsg}: warp one to the other")
    size = side_m // LABEL_PIXEL_M
    centres = (np.arange(size) + 0.5) * LABEL_PIXEL_M
    cols = np.floor((corner[0] - image.left + centres) / image.pixel_m + 1e-6).astype(int)
    rows = np.floor((image.top - corner[1] + centres) / image.pixel_m + 1e-6).astype(int)
    reach = int(max(cols[-1] - cols[0], rows[-1] - rows[0])) + 1
    values, inside = image.window(labels.band, int(rows[0]), int(cols[0]), reach)
    where = np.ix_(rows - rows[0], cols - cols[0])
    return _codes(path, labels, values[where], inside[where])


def _codes(path: str, labels: LabelFiles, values: Array, inside: Array) -> Array:
    """Numbers of the file as codes of classes; those that are not mapped are no class."""
    coded = np.full(values.shape, NO_LABEL, np.uint8)
    if labels.codes:
        for value, code in labels.codes.items():
            try:
                coded[values == float(value)] = code
            except ValueError:
                raise UserError(f"{path}: labels.codes: {value!r} is no number, as the raster holds") from None
    else:
        known = np.isfinite(values) & (values > 0) & (values < 256)
        coded[known] = values[known].astype(np.uint8)
    coded[~inside] = NO_LABEL
    return coded


def _burnt(path: str, labels: LabelFiles, epsg: int, corner: tuple[float, float], side_m: int) -> Array:
    """Polygons as codes; a pixel is that of the polygon that its centre lies in, of the later one where several do."""
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    if not epsg:
        raise UserError(f"{path}: polygons need images with coordinates")
    size = side_m // LABEL_PIXEL_M
    shapes = _polygons(path, labels.column, epsg, tuple(labels.codes.items()))
    near = [(geometry, code) for geometry, code in shapes if _touches(geometry.bounds, corner, side_m)]
    if not near:
        return np.full((size, size), NO_LABEL, np.uint8)
    grid = from_origin(*corner, LABEL_PIXEL_M, LABEL_PIXEL_M)
    return np.asarray(rasterize(near, (size, size), fill=NO_LABEL, transform=grid, dtype="uint8"))


def _touches(bounds: tuple[float, float, float, float], corner: tuple[float, float], side_m: int) -> bool:
    left, bottom, right, top = bounds
    return left < corner[0] + side_m and right > corner[0] and bottom < corner[1] and top > corner[1] - side_m


@lru_cache(maxsize=8)
def _polygons(path: str, column: str, epsg: int, codes: tuple[tuple[str | int, int], ...]) -> list[tuple[Any, int]]:
    """Geometries in `epsg` with their codes; polygons of other classes are left out.

    Raises:
        UserError: the file cannot be read, or lacks the column.
    """
    import shapely
    from pyproj import Transformer

    if not column:
        raise UserError(f"{path}: labels.column is missing: it names the column of the polygons' class")
    known = {str(value): code for value, code in codes}
    found = []
    for geometry, value, source_epsg in _geopackage(path, column) if path.endswith(".gpkg") else _geojson(path, column):
        code = known.get(str(value)) if codes else int(value) if str(value).isdigit() else None
        if code is None or geometry is None:
            continue
        if source_epsg != epsg:
            move: Any = Transformer.from_crs(source_epsg, epsg, always_xy=True).transform
            geometry = shapely.transform(geometry, move, interleaved=False)
        found.append((geometry, code))
    if not found:
        raise UserError(f"{path}: no polygon has a class in column {column!r} that labels.codes names")
    return found


def _geopackage(path: str, column: str) -> Iterator[tuple[Any, Any, int]]:
    """Geometry, class and EPSG code of the rows of all layers that have the column."""
    import shapely

    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
            layers = list(
                base.execute(
                    "SELECT g.table_name, g.column_name, s.organization_coordsys_id FROM gpkg_geometry_columns g "
                    "JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id"
                )
            )
            having = 0
            for layer, geometry, epsg in layers:
                names = [row[1] for row in base.execute(f'PRAGMA table_info("{layer}")')]
                if column not in names:
                    continue
                having += 1
                for blob, value in base.execute(f'SELECT "{geometry}", "{column}" FROM "{layer}"'):  # noqa: S608
                    # Magic, version, flags (bits 1 to 3: the envelope), srs, envelope, then well-known binary.
                    envelope = (0, 32, 48, 48, 64)[blob[3] >> 1 & 7] if blob else 0
                    yield (shapely.from_wkb(blob[8 + envelope :]) if blob else None), value, int(epsg)
    except (sqlite3.Error, shapely.errors.GEOSException, IndexError) as error:
        raise UserError(f"{path}: is no GeoPackage ({str(error).splitlines()[0]})") from None
    if not having:
        raise UserError(f"{path}: labels.column: no layer has a column {column!r}")


def _geojson(path: str, column: str) -> Iterator[tuple[Any, Any, int]]:
    """Geometry, class and EPSG code of the features; degrees (4326) unless the old member `crs` says otherwise."""
    from shapely.geometry import shape

    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        features = document["features"]
        name = document.get("crs", {}).get("properties", {}).get("name", "CRS84")
        epsg = int(name.rpartition(":")[2]) if name.rpartition(":")[2].isdigit() else 4326
        if not any(column in feature["properties"] for feature in features):
            raise UserError(f"{path}: labels.column: no feature has a property {column!r}")
        for feature in features:
            geometry = shape(feature["geometry"]) if feature["geometry"] else None
            yield geometry, feature["properties"].get(column), epsg
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is no GeoJSON of features ({str(error).splitlines()[0]})") from None
