"""Names that providers give to places on the ground: MGRS tiles, WRS-2 path and row, WorldCover tiles."""

import math

_BANDS = "CDEFGHJKLMNPQRSTUVWX"  # 8 degrees of latitude each from 80 S; X reaches to 84 N
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")  # 100 km columns of zones 1, 2, 3 and then again
_ROWS = "ABCDEFGHJKLMNPQRSTUV"  # 100 km rows, repeated every 2000 km; even zones start at F
_SQUARE_M = 100_000

# WRS-2 (Landsat 4 to 9): 233 orbits in 16 days, 248 rows an orbit, row 60 descends across the equator.
_PATHS = 233
_ROWS_PER_ORBIT = 248
_DAYS_PER_CYCLE = 16
_INCLINATION = math.radians(98.2)
_PATH_1_LONGITUDE = -64.6  # equator crossing of path 1, degrees east


def utm_zone(longitude: float, latitude: float) -> int:
    """UTM zone 1..60 of a point in degrees, with the exceptions of Norway (32V) and Svalbard (31X to 37X)."""
    zone = int((longitude + 180) // 6) % 60 + 1
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        return 32
    if latitude >= 72 and 0 <= longitude < 42:
        return 31 + 2 * int((longitude + 3) // 12)
    return zone


def mgrs_tile(longitude: float, latitude: float) -> str:
    """Name of the 100 km MGRS square that holds a point in degrees, as Sentinel-2 tiles are called: `32TQM`.

    Raises:
        ValueError: the point lies outside 80 S .. 84 N, where UTM and the tiling end.
    """
    from pyproj import Transformer

    if not -80 <= latitude <= 84:
        raise ValueError(f"no MGRS tile at latitude {latitude}: the grid ends at 80 S and 84 N")
    zone = utm_zone(longitude, latitude)
    epsg = (32700 if latitude < 0 else 32600) + zone
    east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    column = _COLUMNS[(zone - 1) % 3][int(east // _SQUARE_M) - 1]
    row = _ROWS[(int(north // _SQUARE_M) + (5 if zone % 2 == 0 else 0)) % len(_ROWS)]
    band = _BANDS[min(int((latitude + 80) // 8), len(_BANDS) - 1)]
    return f"{zone:02d}{band}{column}{row}"


def wrs_path_row(longitude: float, latitude: float) -> tuple[int, int]:
    """WRS-2 path (1..233) and row of the descending pass whose scene centre is nearest to a point in degrees.

    Circular orbit over a sphere: with u the angle along the orbit since the equator, sin(lat) = -sin(i) sin(u); the
    track drifts west by the orbit's tilt and by the Earth's turn of 16/233 of u.
    """
    sine = -math.sin(math.radians(latitude)) / math.sin(_INCLINATION)
    angle = math.asin(max(-1.0, min(1.0, sine)))
    row = 60 + round(math.degrees(angle) * _ROWS_PER_ORBIT / 360)
    tilt = math.degrees(math.atan2(math.cos(_INCLINATION) * math.sin(angle), math.cos(angle)))
    drift = tilt - math.degrees(angle) * _DAYS_PER_CYCLE / _PATHS
    path = round((_PATH_1_LONGITUDE - (longitude - drift)) * _PATHS / 360) % _PATHS + 1
    return path, row


def worldcover_tile(longitude: float, latitude: float) -> str:
    """Name of the 3 degree ESA WorldCover tile that holds a point, after its lower-left corner: `N45E009`."""
    south, west = (3 * math.floor(value / 3) for value in (latitude, longitude))
    return f"{'S' if south < 0 else 'N'}{abs(south):02d}{'W' if west < 0 else 'E'}{abs(west):03d}"
