"""The part of the hidden surface that does not change with the season: terrain, land cover, units, buildings.

Everything is drawn from the seed of the place alone, so all sensors and dates see the same ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anyband.runtime import UserError
from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.cover import (
    ARCHETYPES,
    BARE,
    CODE,
    CONIFER,
    DECIDUOUS,
    FAMILY_OF,
    GRASS,
    SHADE,
    SHRUB,
    WATER,
    WETLAND,
    Ground,
    make_ground,
)
from anyband.simulation.land.settlement import OPEN, BuiltLand, furnish
from anyband.simulation.land.spectra import SpectralLibrary, load_library
from anyband.simulation.land.terrain import Mask, elevation
from anyband.simulation.noise import Field, Labels, power_noise, worley

# Covers that come as stands of about 200 m rather than as parcels.
STAND_COVERS = (DECIDUOUS, CONIFER, SHRUB, GRASS, WETLAND)
STAND_M = 200.0
PLANTS_PER_PLACE = 5
SOILS_PER_PLACE = 6


@dataclass(frozen=True, eq=False)
class UnitTable:
    """Vegetation units, one row each; all columns have length `count`.

    Attributes:
        family: uint8 index into FAMILIES.
        plant: int64 set of the library (traits).
        soil: int64 set of the soil below.
        shift: float32 days by which the unit is later than usual.
        vigour: float32 factor on leaf area, about 1.
        wetness: float32 added to the soil moisture (0 to 1 scale).
        chance: float32 in [0, 1): management (mown or grazed, ploughed or left as stubble).
    """

    family: NDArray[np.uint8]
    plant: NDArray[np.int64]
    soil: NDArray[np.int64]
    shift: NDArray[np.float32]
    vigour: NDArray[np.float32]
    wetness: NDArray[np.float32]
    chance: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Landscape:
    """The hidden surface without its season.

    Attributes:
        grid: where it lies.
        archetype: its kind, a key of ARCHETYPES.
        seed: everything here follows from it.
        dem: (n, n) float32 elevation, m.
        cover: (n, n) uint8 hidden class, DECIDUOUS to WETLAND.
        unit: (n, n) int32 row of `units`.
        units: one row for every field, stand, lawn and water body.
        built: streets, roofs and yards; their materials do not change with the season.
        town: (n, n) bool inside a town, with its gardens.
        mineral: (n, n) bool bare rock, sand and gravel, with materials in `built`.
        shade: (n, n) float32 static illumination factor.
        texture: (n, n) float32 growth pattern inside units, zero mean and unit variance.
        dither: (n, n) float32 in [0, 1), which cells change stage first.
    """

    grid: HiddenGrid
    archetype: str
    seed: int
    dem: Field
    cover: NDArray[np.uint8]
    unit: Labels
    units: UnitTable
    built: BuiltLand
    town: Mask
    mineral: Mask
    shade: Field
    texture: Field
    dither: Field

    @cached_property
    def library(self) -> SpectralLibrary:
        """The spectra of this place; its rows are those that SurfaceState names."""
        return load_library().of_place(self.seed)


def _unit_map(rng: np.random.Generator, grid: HiddenGrid, ground: Ground) -> tuple[Labels, NDArray[np.uint8]]:
    """Unit of every cell and hidden class of every unit: parcels, then stands of each cover, then the water."""
    half = grid.size // 2
    axis = (np.arange(half, dtype=np.float32) + np.float32(0.5)) * np.float32(2 * grid.step_m)
    warp = power_noise(rng, half, 2 * grid.step_m, 2.5, 60.0, 600.0) * np.float32(25.0)
    stands = worley(rng, axis[None, :] + warp, axis[:, None] - warp, STAND_M, grid.extent_m)
    stand = np.repeat(np.repeat(stands.nearest, 2, axis=0), 2, axis=1)
    cover, parcels = ground.cover, ground.parcels
    of_parcel = (cover == ground.parcel_cover[parcels.parcel]) & (ground.use == OPEN)
    unit, blocks = parcels.parcel.copy(), [ground.parcel_cover]
    for code in STAND_COVERS:
        here = (cover == code) & ~of_parcel
        unit[here] = stand[here] + sum(block.size for block in blocks)
        blocks.append(np.full(stands.count, code, np.uint8))
    unit[cover == WATER] = sum(block.size for block in blocks)
    blocks.append(np.full(1, WATER, np.uint8))
    return unit, np.concatenate(blocks)


def _unit_table(rng: np.random.Generator, cover_of: NDArray[np.uint8], library: SpectralLibrary) -> UnitTable:
    """Traits and management of the units, from the few plants and soils that this place owns."""
    count = cover_of.size
    family_of_cover = np.full(12, CODE["soil"], np.uint8)
    for code, name in FAMILY_OF.items():
        family_of_cover[code] = CODE[name]
    family = family_of_cover[cover_of]
    plant = np.zeros(count, np.int64)
    for name, number in CODE.items():
        own = rng.choice(library.groups[name].sets, PLANTS_PER_PLACE, replace=False)
        plant[family == number] = own[rng.integers(0, PLANTS_PER_PLACE, int((family == number).sum()))]
    soils = rng.choice(library.groups["soil"].sets, SOILS_PER_PLACE, replace=False)
    return UnitTable(
        family=family,
        plant=plant,
        soil=soils[rng.integers(0, SOILS_PER_PLACE, count)],
        shift=np.clip(rng.normal(rng.normal(0, 4), 6, count), -14, 14).astype(np.float32),
        vigour=np.clip(rng.normal(1.0, 0.16, count), 0.55, 1.4).astype(np.float32),
        wetness=rng.normal(0.0, 0.12, count).astype(np.float32),
        chance=rng.random(count, dtype=np.float32),
    )


def _add_mineral(
    rng: np.random.Generator, grid: HiddenGrid, library: SpectralLibrary, mineral: Mask, built: BuiltLand
) -> None:
    """Fills the bare ground of `built` with sand, gravel or rock of two kinds that mix at random, in place."""
    group = library.groups["mineral"]
    own = group.row(rng.choice(group.sets, 6, replace=False)).astype(np.uint16)
    noise = power_noise(rng, grid.size, grid.step_m, 2.2, 15.0, 400.0)[mineral]
    kind = np.clip((noise + 1.5).astype(np.int64), 0, 4)
    built.material_a[mineral], built.material_b[mineral] = own[kind], own[kind + 1]
    built.fraction_b[mineral] = np.clip(noise + np.float32(1.5) - kind, 0.0, 1.0)


def _shade(cover: NDArray[np.uint8], crowns: Field, shadow: Mask) -> Field:
    """Static illumination (n, n) float32 from the class means, crown-scale texture and building shadows."""
    mean, spread = np.ones(12, np.float32), np.zeros(12, np.float32)
    for code, values in SHADE.items():
        mean[code], spread[code] = values
    shade = mean[cover] * (1 + spread[cover] * crowns)
    shade[shadow] *= np.float32(0.62)
    return np.clip(shade, 0.25, 1.25)


def build_landscape(grid: HiddenGrid, archetype: str, seed: int) -> Landscape:
    """Makes the static hidden surface of a place.

    Args:
        grid: where it lies; `size` must be a multiple of 4.
        archetype: a key of ARCHETYPES.
        seed: of the place; the same seed gives the same bytes.

    Raises:
        UserError: unknown archetype, or a grid size that is no multiple of 4.
    """
    if archetype not in ARCHETYPES:
        raise UserError(f"archetype '{archetype}' does not exist; choose one of {', '.join(ARCHETYPES)}")
    if grid.size % 4:
        raise UserError(f"hidden grid size {grid.size} must be a multiple of 4")
    kind, library = ARCHETYPES[archetype], load_library()
    rng = np.random.default_rng([seed, 1])
    dem = elevation(rng, grid.size, grid.step_m, kind.mean_slope * float(rng.uniform(0.85, 1.15)), kind.base_m)
    ground = make_ground(rng, grid, kind, dem, seed)
    unit, cover_of = _unit_map(rng, grid, ground)
    built = furnish(rng, library, ground.parcels, ground.use, ground.plot, seed)
    mineral = ground.cover == BARE
    _add_mineral(rng, grid, library, mineral, built)
    white, other = rng.standard_normal((2, grid.size, grid.size), dtype=np.float32)
    texture = np.float32(0.8) * power_noise(rng, grid.size, grid.step_m, 2.4, 20.0, 350.0) + np.float32(0.6) * white
    # half pattern, half chance; the logistic turns the normal variable into a nearly even one
    dither = 1 / (1 + np.exp(np.float32(-1.702) * (np.float32(0.5) * texture + np.float32(0.87) * other)))
    return Landscape(
        grid=grid,
        archetype=archetype,
        seed=seed,
        dem=dem,
        cover=ground.cover,
        unit=unit,
        units=_unit_table(rng, cover_of, library),
        built=built,
        town=ground.town.inside,
        mineral=mineral,
        shade=_shade(ground.cover, white, built.shadow),
        texture=texture,
        dither=dither,
    )
