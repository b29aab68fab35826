"""Dates, units and angles of the acquisitions."""

from datetime import UTC, datetime

import pytest

from anyband.simulation.overpasses import plan, sun_position
from anyband.simulation.places import load_places

PLANS = {place.name: (place, plan(place, 2022)) for place in load_places()}
PAIRS = [(place, pair) for place, pairs in PLANS.values() for pair in pairs]


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


def test_plan_is_reproducible_and_depends_on_the_seed():
    place = load_places()[0]
    assert plan(place, 2022) == plan(place, 2022)
    assert plan(place, 2022) != plan(place, 2023)
