"""Seasons of the hidden surface."""

import numpy as np
import pytest

from anyband.simulation.land.surface import (
    BARE,
    CODE,
    FAMILIES,
    GROWING,
    STUBBLE,
    UnitTable,
    rain_wetness,
    season_day,
    season_state,
)


def average_units(wetness: float = 0.0, chance: float = 0.2) -> UnitTable:
    """One unit of each family, neither early nor late."""
    count = len(FAMILIES)
    column = np.zeros(count, np.float32)
    return UnitTable(
        family=np.arange(count, dtype=np.uint8),
        plant=np.zeros(count, np.int64),
        soil=np.zeros(count, np.int64),
        shift=column,
        vigour=column + 1,
        wetness=column + np.float32(wetness),
        chance=column + np.float32(chance),
    )


def test_southern_places_are_half_a_year_ahead():
    assert season_day(10, southern=True) == pytest.approx(192.5)
    assert season_day(300, southern=True) == pytest.approx(117.5)
    assert season_day(208, southern=False) == 208


@pytest.mark.parametrize(
    ("family", "day", "ground"),
    [
        ("summer_crop", 138, BARE),
        ("summer_crop", 208, GROWING),
        ("winter_cereal", 138, GROWING),
        ("winter_cereal", 206, STUBBLE),
        ("winter_cereal", 240, BARE),
        ("rapeseed", 138, GROWING),
        ("rapeseed", 198, STUBBLE),
        ("grass", 208, GROWING),
        ("soil", 138, BARE),
    ],
)
def test_fields_are_sown_and_cut_when_farmers_do(family, day, ground):
    assert season_state(average_units(), day, 0.2).ground[CODE[family]] == ground


def test_leaf_area_follows_the_season():
    spring, may, july = (season_state(average_units(), day, 0.2) for day in (90, 138, 195))
    for name in ("deciduous", "shrub", "grass", "wetland", "winter_cereal"):
        assert spring.lai[CODE[name]] < 0.8 * may.lai[CODE[name]], name
    assert july.stage[CODE["winter_cereal"]] > 2.5, "cereals are ripe before harvest"
    conifer = [state.lai[CODE["conifer"]] for state in (spring, may, july)]
    assert max(conifer) < 1.25 * min(conifer)


def test_meadows_are_mown():
    table = average_units(chance=0.0)
    before, after = (season_state(table, day, 0.2).lai[CODE["grass"]] for day in (149, 151))
    assert after < 0.4 * before


def test_drought_ages_herbs_but_not_trees():
    wet, dry = (season_state(average_units(wetness), 150, 0.1) for wetness in (0.3, -0.3))
    assert dry.stage[CODE["grass"]] > wet.stage[CODE["grass"]] + 0.3
    assert dry.stage[CODE["deciduous"]] == wet.stage[CODE["deciduous"]]
    assert dry.moisture[CODE["grass"]] < wet.moisture[CODE["grass"]]


def test_wetness_of_days_close_together_is_alike():
    """Sensors two days apart must not meet different soils by chance alone."""
    series = np.array([[rain_wetness(seed, day) for day in range(120, 220)] for seed in range(6)])
    assert ((series >= 0) & (series <= 1)).all()
    assert series.std() > 0.1
    following = np.corrcoef(series[:, 1:].ravel(), series[:, :-1].ravel())[0, 1]
    apart = np.corrcoef(series[:, 30:].ravel(), series[:, :-30].ravel())[0, 1]
    assert following > 0.5 > abs(apart)
    assert rain_wetness(3, 150) == rain_wetness(3, 150)
