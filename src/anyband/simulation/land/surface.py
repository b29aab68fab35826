"""The hidden surface on one day: the season of every unit, and the materials and the illumination of every cell.

The season is leaf area, stage, mowing, harvest, tillage, and the wetness of the soil. Days are days of the northern
year; a southern place is half a year ahead. Curves are logistic in the day, one row a unit (a field, a stand, a lawn),
never one a pixel. Dates are those usual in temperate lowlands: winter cereals ripen in late June and are cut in July,
maize and beet emerge in May, rapeseed flowers from mid April to mid May.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.cover import BUILT, CODE, FAMILIES, PATTERN
from anyband.simulation.land.landscape import Landscape, UnitTable
from anyband.simulation.land.spectra import SpectralLibrary
from anyband.simulation.noise import Field

Days = NDArray[np.float32]
GROWING, BARE, STUBBLE = range(3)
HALF_YEAR = 182.5
YEAR = 365.0
# stages by which herbs age early per unit of missing soil moisture
DROUGHT = 2.0


def season_day(day_of_year: int, southern: bool) -> float:
    """Day of the northern year with the same season, 0 to 365."""
    return (day_of_year + (HALF_YEAR if southern else 0.0)) % YEAR


@dataclass(frozen=True, eq=False)
class Season:
    """State of the units on one day; all of length `count`.

    Attributes:
        ground: uint8, GROWING, BARE (tilled soil) or STUBBLE.
        lai: float32 leaf area index, m2/m2 (0 where not growing).
        stage: float32, 0 young, 1 mature, 2 senescing, 3 dry; values between are mixtures.
        moisture: float32, soil moisture 0 to 1.
    """

    ground: NDArray[np.uint8]
    lai: Days
    stage: Days
    moisture: Days


def rise(day: Days, middle: float, width: float) -> Days:
    """Logistic step from 0 to 1 around `middle` with time constant `width`, days."""
    step: Days = 1.0 / (1.0 + np.exp(-(day - np.float32(middle)) / np.float32(width)))
    return step


def rain_wetness(seed: int, day_of_year: int) -> float:
    """Wetness of the topsoil, 0 dry to 1 just after rain, from random showers that dry out within days.

    The same place and day give the same value for every sensor, and days close together are alike.
    """
    wetness = 0.0
    for back in range(15):
        rng = np.random.default_rng([seed, 501, (day_of_year - back) % int(YEAR)])
        shower = rng.uniform(0.3, 1.0) if rng.random() < 0.22 else 0.0
        wetness = max(wetness, shower * float(np.exp(-(back + 1) / 4.0)))
    return wetness


def _woody(table: UnitTable, day: Days, lai: Days, stage: Days) -> None:
    """Leaf-out and autumn of deciduous trees and shrubs; conifers hardly change."""
    leaf = rise(day, 116, 5) * (1 - rise(day, 292, 8))
    autumn = rise(day, 272, 7)
    trees, shrubs, conifers = (table.family == CODE[name] for name in ("deciduous", "shrub", "conifer"))
    lai[trees] = (0.5 + 4.3 * leaf)[trees]
    stage[trees] = (np.clip((day - 118) / 30, 0, 1) + autumn)[trees]
    lai[conifers] = (3.3 + 0.6 * rise(day, 140, 10))[conifers]
    stage[conifers] = np.clip((day - 135) / 40, 0.4, 1)[conifers]
    lai[shrubs] = (0.7 + 1.4 * leaf)[shrubs]
    stage[shrubs] = (np.clip((day - 120) / 30, 0, 1) + autumn + 0.5 * rise(day, 215, 12) * (1 - autumn))[shrubs]


def _grass(table: UnitTable, day: Days, lai: Days, stage: Days) -> None:
    """Meadows are cut twice, pastures are grazed all season, both yellow in a dry summer."""
    grass = table.family == CODE["grass"]
    standing = 0.7 + 2.2 * rise(day, 112, 12) * (1 - rise(day, 285, 15))
    meadow = table.chance < 0.55
    for first in (150 + 25 * table.chance, 205 + 25 * table.chance):
        since = day - first.astype(np.float32)
        cut = (since >= 0) & meadow
        standing = np.where(cut, np.minimum(standing, 0.6 + 2.0 * (1 - np.exp(-np.maximum(since, 0) / 22))), standing)
    pasture = 0.6 + 1.1 * rise(day, 108, 10) * (1 - rise(day, 290, 15))
    lai[grass] = np.where(meadow, standing, pasture)[grass]
    dry = 0.8 * rise(day, 208, 10) * (1 - rise(day, 255, 12))
    stage[grass] = (np.clip((day - 100) / 35, 0, 1) + dry * (0.5 + table.chance))[grass]


def _crops(table: UnitTable, day: Days, lai: Days, stage: Days, ground: NDArray[np.uint8]) -> None:
    """Sowing, growth, ripening, harvest and tillage of the three crop groups."""
    for name, emergence, full, ripe, harvest in (
        ("winter_cereal", 85.0, 4.6, 178.0, 203.0),
        ("rapeseed", 80.0, 4.2, 172.0, 196.0),
        ("summer_crop", 146.0, 4.4, 252.0, 275.0),
    ):
        here = table.family == CODE[name]
        green = rise(day, emergence + 28, 8) * (1 - 0.45 * rise(day, ripe, 6))
        grown = np.where(name == "summer_crop", full * green, 0.6 + (full - 0.6) * green)
        lai[here] = grown[here]
        stage[here] = (np.clip((day - emergence - 15) / 30, 0, 1) + 2 * rise(day, ripe, 5))[here]
        if name == "rapeseed":
            flowering = rise(day, 108, 3) * (1 - rise(day, 139, 3))
            stage[here] = np.where(day < 139, flowering, 1 + rise(day, 139, 3) + rise(day, ripe, 5))[here]
        if name == "summer_crop":
            ground[here & (day < emergence)] = BARE
        cut = here & (day >= harvest)
        # a third of the stubble is tilled within days, the rest after about four weeks
        tilled = cut & (day >= harvest + 6 + 45 * np.maximum(table.chance - np.float32(0.3), 0))
        ground[cut] = STUBBLE
        ground[tilled] = BARE


def season_state(table: UnitTable, day: float, wetness: float) -> Season:
    """State of all units on a day of the northern year.

    Args:
        table: the units.
        day: 0 to 365, from `season_day`.
        wetness: wetness of the place's topsoil, 0 to 1.
    """
    local = np.float32(day) - table.shift
    lai, stage = np.zeros_like(local), np.ones_like(local)
    ground = np.zeros(local.size, np.uint8)
    _woody(table, local, lai, stage)
    _grass(table, local, lai, stage)
    _crops(table, local, lai, stage, ground)
    reed = table.family == CODE["wetland"]
    lai[reed] = (0.9 + 2.3 * rise(local, 138, 11) * (1 - rise(local, 285, 12)))[reed]
    stage[reed] = (np.where(local < 150, 2.6 - 1.6 * rise(local, 126, 8), 1.0) + rise(local, 262, 10))[reed]
    ground[table.family == CODE["soil"]] = BARE
    # leaves dry out with the soil below them
    herbs = (table.family >= CODE["shrub"]) & (table.family <= CODE["rapeseed"]) & (stage < 2)
    stage = np.where(herbs, stage + np.clip(DROUGHT * (0.12 - table.wetness - 0.4 * wetness), 0, 0.9), stage)
    moisture = np.clip(np.float32(0.2 + 0.6 * wetness) + table.wetness, 0.0, 1.0).astype(np.float32)
    lai = np.where(ground == GROWING, lai * table.vigour, 0.0).astype(np.float32)
    return Season(ground, lai, np.clip(stage, 0.0, 3.0).astype(np.float32), moisture)


# Skin minus air temperature about 10:30 in summer, K: dry soil, dense leaves, dead leaves, sealed ground, water.
SOIL_K, LEAF_K, DRY_LEAF_K, SEALED_K, WATER_K = 14.0, 1.0, 8.0, 11.0, -4.0


@dataclass(frozen=True, eq=False)
class SurfaceState:
    """The hidden surface on one day.

    Reflectance is illumination * ((1 - f) * row a + f * row b), with the rows of `landscape.library`.

    Attributes:
        grid: where it lies.
        day_of_year: 1 to 366.
        material_a: (n, n) uint16 row of the spectral library.
        material_b: (n, n) uint16 row of the second material.
        fraction_b: (n, n) float32 share of the second material, 0 to 1.
        illumination: (n, n) float32 factor from crowns and buildings; terrain is not in it.
        skin_offset_k: (n, n) float32 skin minus air temperature about 10:30, K, on level ground.
    """

    grid: HiddenGrid
    day_of_year: int
    material_a: NDArray[np.uint16]
    material_b: NDArray[np.uint16]
    fraction_b: Field
    illumination: Field
    skin_offset_k: Field


@dataclass(frozen=True, eq=False)
class _Ladder:
    """Where the units stand on the ladder of their library rows; all of length `count`.

    A cell has rows base + k and base + k + jump, where k is the whole part of its position.
    """

    early: NDArray[np.int32]
    late: NDArray[np.int32]
    late_share: NDArray[np.float32]
    position: NDArray[np.float32]
    spread: NDArray[np.float32]
    top: NDArray[np.float32]
    jump: NDArray[np.int32]


def _ladder(table: UnitTable, season: Season, library: SpectralLibrary, day: float) -> _Ladder:
    """Translates the season of the units into rows of the library."""
    count = table.family.size
    early, jump = np.zeros(count, np.int32), np.ones(count, np.int32)
    late, top = early.copy(), np.ones(count, np.float32)
    position, spread = np.zeros(count, np.float32), np.zeros(count, np.float32)
    stage = np.minimum(season.stage.astype(np.int64), 2)
    levels = np.interp(season.lai, library.lai_levels, np.arange(len(library.lai_levels))).astype(np.float32)
    for number, name in enumerate(FAMILIES):
        here = table.family == number
        group = library.groups[name]
        spread[here], top[here] = PATTERN[name], group.levels - 1
        if name == "water":
            # two waters of the place mix, more of the turbid one late in summer
            early[here] = group.row(table.plant[here])
            jump[here] = group.row(table.plant[here] + 7) - early[here]
            top[here], position[here] = 1.0, 0.5 + 0.3 * np.sin((day - 120) / 58)
            late[here] = early[here]
        elif group.stages > 1:
            position[here] = levels[here]
            early[here] = group.row(table.plant[here]) + stage[here] * group.levels
            late[here] = early[here] + group.levels
    bare = season.ground != GROWING
    soil = library.groups["soil"]
    rows = soil.row(table.soil)
    early[bare], late[bare], spread[bare], top[bare] = rows[bare], rows[bare], PATTERN["soil"], soil.levels - 1
    position[bare] = np.interp(season.moisture, library.moisture_levels, np.arange(soil.levels))[bare]
    stubble = season.ground == STUBBLE
    straw = library.groups["straw"].row(table.plant)
    early[stubble], late[stubble], jump[stubble] = straw[stubble], straw[stubble], (rows - straw)[stubble]
    position[stubble], top[stubble] = (0.25 + 0.4 * table.chance)[stubble], 1.0
    return _Ladder(early, late, (season.stage - stage).astype(np.float32), position, spread, top, jump)


def _skin(table: UnitTable, season: Season) -> NDArray[np.float32]:
    """Skin minus air temperature of the units, K: leaves, dead leaves and soil by their shares."""
    leaves = 1 - np.exp(np.float32(-0.5) * season.lai)
    dead = np.clip(season.stage - 1.5, 0, 1.5) / np.float32(1.5)
    canopy = LEAF_K + (DRY_LEAF_K - LEAF_K) * dead
    ground = SOIL_K * (1 - np.float32(0.65) * season.moisture)
    skin = leaves * canopy + (1 - leaves) * ground
    skin[table.family == CODE["water"]] = WATER_K
    skin[table.family == CODE["wetland"]] *= np.float32(0.3)
    return np.asarray(skin, np.float32)


def compose(landscape: Landscape, day_of_year: int, southern: bool) -> SurfaceState:
    """The hidden surface of a landscape on one day.

    Args:
        landscape: from `build_landscape`.
        day_of_year: 1 to 366.
        southern: True where the seasons are those of the southern hemisphere.
    """
    table, unit = landscape.units, landscape.unit
    day = season_day(day_of_year, southern)
    season = season_state(table, day, rain_wetness(landscape.seed, day_of_year))
    steps = _ladder(table, season, landscape.library, day)
    position = steps.position[unit] + steps.spread[unit] * landscape.texture
    position = np.clip(position, np.float32(0.0), steps.top[unit])
    whole = np.minimum(np.floor(position), steps.top[unit] - 1)
    fraction = position - whole
    base = np.where(landscape.dither < steps.late_share[unit], steps.late[unit], steps.early[unit])
    first = (base + whole.astype(np.int32)).astype(np.uint16)
    second = (base + whole.astype(np.int32) + steps.jump[unit]).astype(np.uint16)
    skin = _skin(table, season)[unit]
    built = landscape.built
    sealed = (landscape.cover == BUILT) | landscape.mineral
    np.copyto(first, built.material_a, where=sealed)
    np.copyto(second, built.material_b, where=sealed)
    np.copyto(fraction, built.fraction_b, where=sealed)
    skin[sealed] = np.float32(SEALED_K)
    return SurfaceState(landscape.grid, day_of_year, first, second, fraction, landscape.shade, skin)
