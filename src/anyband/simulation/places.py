"""The places of the embedded archive, fictional names at real grid positions, and the overpasses that see them.

Positions lie on the 60 m grid of the Sentinel-2 tiles: eastings and northern northings are multiples of 60 m; southern
northings leave a remainder of 40 m, because ESA counts them from the false northing of 10 000 km. Places lie in the
middle of the 20 km cells of the UTM grid, so that each is one block of the default split. Any first part of
the table mixes all archetypes, and every fifth place is southern.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from anyband.runtime import UserError
from anyband.simulation import DATA
from anyband.simulation.atmosphere import Geometry
from anyband.simulation.noise import stream

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
        wrs_row: row of its Landsat scenes where it is not the nearest one, since another place has scenes of that; the
            overpass of a path is seen in several rows, and an id must not come twice in a collection.
    """

    name: str
    longitude: float
    latitude: float
    archetype: str
    epsg: int
    x: float
    y: float
    southern: bool
    wrs_row: int | None = None


def load_places() -> tuple[Place, ...]:
    """Reads all places in the order of the table."""
    with (DATA / "places.csv").open(newline="") as file:
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
                wrs_row=int(row["wrs_row"]) if row["wrs_row"] else None,
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


# First and last day of the Sentinel-2 scene. The southern pair lies on both sides of the first day of baseline 04.00.
NORTHERN_WINDOWS = ((date(2022, 5, 6), date(2022, 5, 26)), (date(2022, 7, 12), date(2022, 8, 14)))
SOUTHERN_WINDOWS = ((date(2022, 1, 5), date(2022, 1, 20)), (date(2022, 2, 12), date(2022, 3, 4)))
FIRST_DAY_OF_OFFSET = date(2022, 1, 25)  # baseline 04.00: +1000 in the pixels
DAY_GAPS, DAY_GAP_SHARES = (-3, -2, -1, 0, 1, 2, 3), (0.06, 0.14, 0.2, 0.2, 0.2, 0.14, 0.06)
# Local solar time of the overpass, hours, and its spread with the position in the swath.
OVERPASS = {"sentinel2": 10.6, "landsat": 10.2}
OVERPASS_SPREAD_H = 0.15
MAX_VIEW_ZENITH = {"sentinel2": 10.3, "landsat": 7.5}
LANDSAT_9_SHARE = 0.7
# Azimuth from the ground to a sensor to the east of it; the tracks are inclined by about 8 degrees (more in the north).
EASTERN_VIEW_AZIMUTH = 102.0


@dataclass(frozen=True)
class Overpass:
    """One overpass: when, by which unit, from where and under which sun."""

    sensor: str
    platform: str
    when: datetime
    geometry: Geometry

    @property
    def day_of_year(self) -> int:
        """1..366, UTC."""
        return self.when.timetuple().tm_yday

    @property
    def key(self) -> str:
        """What sets this acquisition apart from all others of its place."""
        return f"{self.sensor}/{self.when:%Y-%m-%d}"

    @property
    def baseline(self) -> str:
        """Processing baseline of a Sentinel-2 product of this day."""
        return "04.00" if self.when.date() >= FIRST_DAY_OF_OFFSET else "03.01"


def sun_position(when: datetime, longitude: float, latitude: float) -> tuple[float, float]:
    """Zenith angle and azimuth of the sun, degrees, from mean solar time (declination of Cooper 1969)."""
    declination = math.radians(23.45) * math.sin(2 * math.pi * (284 + when.timetuple().tm_yday) / 365)
    hours = when.hour + when.minute / 60 + when.second / 3600 + longitude / 15
    angle = math.radians(15 * (hours - 12))
    phi = math.radians(latitude)
    up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(angle)
    east = -math.cos(declination) * math.sin(angle)
    north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(angle)
    return math.degrees(math.acos(up)), math.degrees(math.atan2(east, north)) % 360


def _acquire(place: Place, sensor: str, day: date, seed: int) -> Overpass:
    """The overpass of a sensor on a day; its chance depends on place, sensor and day only."""
    rng = stream(seed, place.name, "overpass", sensor, day.isoformat())
    hours = OVERPASS[sensor] + rng.normal(0, OVERPASS_SPREAD_H) - place.longitude / 15
    when = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=round(hours * 3600))
    if sensor == "sentinel2":
        platform = "sentinel-2a" if rng.random() < 0.5 else "sentinel-2b"
    else:
        platform = "landsat-9" if rng.random() < LANDSAT_9_SHARE else "landsat-8"
    view = rng.uniform(-1, 1) * MAX_VIEW_ZENITH[sensor]
    azimuth = (EASTERN_VIEW_AZIMUTH + (180 if view < 0 else 0) + rng.normal(0, 3)) % 360
    sun_zenith, sun_azimuth = sun_position(when, place.longitude, place.latitude)
    return Overpass(sensor, platform, when, Geometry(sun_zenith, sun_azimuth, abs(view), azimuth))


def plan(place: Place, seed: int) -> tuple[tuple[Overpass, Overpass], ...]:
    """The two date pairs (Sentinel-2, Landsat) of a place, in order of time."""
    pairs = []
    for number, (first, last) in enumerate(SOUTHERN_WINDOWS if place.southern else NORTHERN_WINDOWS):
        rng = stream(seed, place.name, "dates", number)
        day = first + timedelta(days=int(rng.integers(0, (last - first).days + 1)))
        gap = timedelta(days=int(rng.choice(DAY_GAPS, p=DAY_GAP_SHARES)))
        pairs.append((_acquire(place, "sentinel2", day, seed), _acquire(place, "landsat", day + gap, seed)))
    return tuple(pairs)
