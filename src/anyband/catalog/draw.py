"""Sites drawn at random over land, so that every part of the Earth has its share.

The belt from 56 degrees south to 70 degrees north is divided into cells of equal area, about as many as there would be
if every cell had as much land as one site stands for. One random position is tried in every cell, so a site is found in
a cell as often as its share of land says; further rounds fill up what is missing.
"""

import math
from pathlib import Path
from random import Random

from anyband.ground import EARTH_RADIUS_M, Position, distance_m
from anyband.runtime import UserError

LAND = Path(__file__).parent / "data" / "land.geojson"
SOUTH, NORTH = -56.0, 70.0
LAND_SHARE = 0.28  # of the belt, without the coast
INLAND_M = 25_000.0  # from the sea: the outlines are coarse
LEAST_DISTANCE_M = 30_000.0  # more than the diagonal of a block of 20 km, so no two sites share one
ROUNDS = 50

_BOTTOM, _TOP = (math.sin(math.radians(latitude)) for latitude in (SOUTH, NORTH))


def draw_sites(count: int, seed: int) -> dict[str, Position]:
    """Positions by name, from north to south; names tell the position in hundredths of a degree.

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
        tried = [_position(cells[cell], random) for cell in order]
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


def _position(cell: tuple[float, float, float, float], random: Random) -> Position:
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
