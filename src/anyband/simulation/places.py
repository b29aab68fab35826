"""The places of the embedded archive: fictional names at real grid positions.

Positions lie on the 60 m grid of the Sentinel-2 tiles: eastings and northern northings are multiples of 60 m; southern
northings leave a remainder of 40 m, because ESA counts them from the false northing of 10 000 km. Places lie in the
middle of the 20 km cells of the UTM grid, so that each is one block of the default split. Any first part of
the table mixes all archetypes, and every fifth place is southern.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from anyband.runtime import UserError

TABLE = Path(__file__).parent / "data" / "places.csv"
SOUTHERN_EPSG = range(32701, 32761)


@dataclass(frozen=True)
class Place:
    """A place of the archive.

    Attributes:
        name: lower-case word; no place on Earth is meant.
        longitude: of the centre, degrees east (WGS 84).
        latitude: of the centre, degrees north.
        archetype: kind of landscape.
        epsg: CRS of the Sentinel-2 tile, 326xx or 327xx.
        x: easting of the centre, m.
        y: northing of the centre, m.
        southern: True on the southern hemisphere.
    """

    name: str
    longitude: float
    latitude: float
    archetype: str
    epsg: int
    x: float
    y: float
    southern: bool


def load_places() -> tuple[Place, ...]:
    """Reads all places in the order of the table."""
    with TABLE.open(newline="") as file:
        return tuple(
            Place(
                name=row["name"],
                longitude=float(row["longitude"]),
                latitude=float(row["latitude"]),
                archetype=row["archetype"],
                epsg=int(row["epsg"]),
                x=float(row["x"]),
                y=float(row["y"]),
                southern=int(row["epsg"]) in SOUTHERN_EPSG,
            )
            for row in csv.DictReader(file)
        )


def check_sites(sites: dict[str, tuple[float, float]], tolerance_deg: float = 1e-3) -> None:
    """Check that sites of a dataset are places of the archive.

    Args:
        sites: longitude and latitude (degrees) by site name.
        tolerance_deg: how far coordinates may be from the place's centre, degrees.

    Raises:
        UserError: a site is unknown, or its coordinates lie elsewhere.
    """
    places = {place.name: place for place in load_places()}
    for name, (longitude, latitude) in sites.items():
        place = places.get(name)
        if place is None:
            known = ", ".join(list(places)[:3])
            raise UserError(f"site {name!r} lies outside the embedded archive, which has {known} ...")
        if max(abs(longitude - place.longitude), abs(latitude - place.latitude)) > tolerance_deg:
            there = f"{place.longitude}, {place.latitude}"
            raise UserError(f"site {name!r} at {longitude}, {latitude}: the embedded archive has it at {there}")
