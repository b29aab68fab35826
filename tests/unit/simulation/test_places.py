"""The table of places, sites of a dataset against it, and dates, units and angles of its acquisitions."""

from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pytest
from pyproj import Transformer

from anyband.runtime import UserError
from anyband.simulation.land.cover import ARCHETYPES
from anyband.simulation.places import check_sites, load_places, plan, sun_position

PLACES = load_places()
PLANS = {place.name: (place, plan(place, 2022)) for place in PLACES}
PAIRS = [(place, pair) for place, pairs in PLANS.values() for pair in pairs]


def test_positions_lie_on_the_60_m_grid_of_sentinel_2():
    """Off the grid, chips would not snap and the half pixel of Landsat would not be 15 m."""
    for place in PLACES:
        assert place.x % 60 == 0, place.name
        assert place.y % 60 == (40 if place.southern else 0), place.name
        assert place.southern == (place.epsg // 100 == 327) == (place.latitude < 0)


def test_longitude_and_latitude_are_those_of_the_grid_position():
    for place in PLACES:
        transformer = Transformer.from_crs(place.epsg, 4326, always_xy=True)
        np.testing.assert_allclose(
            transformer.transform(place.x, place.y), (place.longitude, place.latitude), atol=1e-5
        )


def test_places_are_far_apart():
    for one, other in combinations(PLACES, 2):
        east = (one.longitude - other.longitude) * np.cos(np.radians(one.latitude))
        assert 111.2 * np.hypot(east, one.latitude - other.latitude) >= 40, (one.name, other.name)


def test_the_first_28_places_mix_everything():
    first = PLACES[:28]
    assert len(PLACES) == len({place.name for place in PLACES}) == 36
    assert {place.archetype for place in first} == set(ARCHETYPES)
    assert sum(place.southern for place in first) >= 4
    assert len({place.epsg for place in first}) >= 5
    counts = [sum(place.archetype == name for place in first) for name in ARCHETYPES]
    assert max(counts) - min(counts) <= 1


def test_every_place_is_one_block_of_the_default_split():
    for place in PLACES:
        northing = place.y - 10_000_000 if place.southern else place.y
        for position in (place.x, northing):
            assert 1_920 + 1_000 <= position % 20_000 <= 20_000 - 1_920 - 1_000, place.name


def test_site_outside_the_archive_is_named():
    with pytest.raises(UserError, match="'atlantis' lies outside the embedded archive"):
        check_sites({"atlantis": (-30.0, 40.0)})
    first = PLACES[0]
    with pytest.raises(UserError, match=first.name):
        check_sites({first.name: (first.longitude + 1, first.latitude)})
    check_sites({place.name: (place.longitude, place.latitude) for place in PLACES})


def test_every_place_has_two_pairs_at_most_three_days_apart():
    for _, pairs in PLANS.values():
        assert len(pairs) == 2
        assert (pairs[1][0].when - pairs[0][0].when).days > 20
        for first, second in pairs:
            assert (first.sensor, second.sensor) == ("sentinel2", "landsat")
            assert abs((second.when.date() - first.when.date()).days) <= 3


def test_southern_places_have_one_scene_on_each_side_of_the_offset():
    for place, pairs in PLANS.values():
        baselines = [first.baseline for first, _ in pairs]
        assert baselines == (["03.01", "04.00"] if place.southern else ["04.00", "04.00"])


def test_all_units_occur_and_landsat_9_more_often():
    platforms = [overpass.platform for _, pair in PAIRS for overpass in pair]
    assert set(platforms) == {"sentinel-2a", "sentinel-2b", "landsat-8", "landsat-9"}
    assert platforms.count("landsat-9") > platforms.count("landsat-8")


def test_sun_is_up_in_the_morning_and_on_the_equator_side():
    for place, pair in PAIRS:
        for overpass in pair:
            sun = overpass.geometry
            assert 15 < sun.sun_zenith < 65
            towards_equator = 90 < sun.sun_azimuth < 180 if not place.southern else 0 < sun.sun_azimuth < 120
            assert towards_equator, (place.name, sun)
            assert sun.view_zenith <= (10.3 if overpass.sensor == "sentinel2" else 7.5)


def test_sun_position_against_an_almanac():
    # 21 June 2022, 12:00 solar time at 50 N, 0 E: zenith 50 - 23.44 degrees, azimuth south.
    zenith, azimuth = sun_position(datetime(2022, 6, 21, 12, tzinfo=UTC), 0.0, 50.0)
    assert zenith == pytest.approx(26.56, abs=0.1)
    assert azimuth == pytest.approx(180, abs=0.5)
