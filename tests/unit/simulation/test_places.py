"""The table of places."""

from itertools import combinations

import numpy as np
from pyproj import Transformer

from anyband.simulation.land.archetypes import ARCHETYPES
from anyband.simulation.places import load_places

PLACES = load_places()


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
