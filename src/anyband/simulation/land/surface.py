"""The hidden surface on one day: two materials, their shares and the illumination of every cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.cover import BUILT
from anyband.simulation.land.landscape import Landscape
from anyband.simulation.land.phenology import (
    CODE,
    FAMILIES,
    GROWING,
    PATTERN,
    STUBBLE,
    Season,
    UnitTable,
    rain_wetness,
    season_day,
    season_state,
)
from anyband.simulation.land.spectra import SpectralLibrary
from anyband.simulation.noise import Field

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
