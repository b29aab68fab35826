"""The part of the hidden surface that does not change with the season: terrain, land cover, units, buildings.

Everything is drawn from the seed of the place alone, so all sensors and dates see the same ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from anyband.archive.archetypes import ARCHETYPES, Archetype
from anyband.archive.grid import HiddenGrid
from anyband.archive.noise import Field, Labels, enlarge, power_noise, scatter, worley
from anyband.archive.parcels import Parcels, choose_area, make_parcels, parcel_mean
from anyband.archive.phenology import CODE, UnitTable
from anyband.archive.settlement import LAWN, OPEN, TREE, BuiltLand, furnish, make_settlement, town_potential
from anyband.archive.spectra import SpectralLibrary, load_library
from anyband.archive.terrain import Mask, Waters, elevation, make_waters, slope_degrees, upper_share
from anyband.runtime import UserError

# Hidden classes; WorldCover knows only eight.
DECIDUOUS, CONIFER, SHRUB, GRASS, WINTER_CEREAL, SUMMER_CROP, RAPESEED, BUILT, BARE, WATER, WETLAND = range(1, 12)
WORLDCOVER = {
    DECIDUOUS: 10, CONIFER: 10, SHRUB: 20, GRASS: 30, WINTER_CEREAL: 40, SUMMER_CROP: 40, RAPESEED: 40, BUILT: 50,
    BARE: 60, WATER: 80, WETLAND: 90,
}  # fmt: skip
FAMILY_OF = {
    DECIDUOUS: "deciduous", CONIFER: "conifer", SHRUB: "shrub", GRASS: "grass", WINTER_CEREAL: "winter_cereal",
    SUMMER_CROP: "summer_crop", RAPESEED: "rapeseed", WETLAND: "wetland", WATER: "water", BARE: "soil",
}  # fmt: skip
# Covers that come as stands of about 200 m rather than as parcels.
STAND_COVERS = (DECIDUOUS, CONIFER, SHRUB, GRASS, WETLAND)
STAND_M = 200.0
PLANTS_PER_PLACE = 5
SOILS_PER_PLACE = 6
LAKES = 8
# Mean and spread of the static illumination: sunlit share of crowns and texture. PROSAIL canopies are turbid media
# without gaps between crowns; the factors bring forests to the levels that Sentinel-2 sees.
SHADE = {
    DECIDUOUS: (0.78, 0.13), CONIFER: (0.52, 0.12), SHRUB: (0.82, 0.11), GRASS: (0.97, 0.04), WINTER_CEREAL: (0.98, 0.03),
    SUMMER_CROP: (0.98, 0.03), RAPESEED: (0.98, 0.03), BUILT: (0.95, 0.10), BARE: (0.95, 0.07), WATER: (1.0, 0.02),
    WETLAND: (0.90, 0.08),
}  # fmt: skip


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
    mineral: Mask
    shade: Field
    texture: Field
    dither: Field

    @cached_property
    def library(self) -> SpectralLibrary:
        """The spectra of this place; its rows are those that SurfaceState names."""
        return load_library().of_place(self.seed)


def _jittered(kind: Archetype, rng: np.random.Generator) -> dict[str, float]:
    """Composition of one place: shares within about 25 % of the archetype's."""
    names = ("forest", "shrub", "grass", "built", "bare", "water", "wetland")
    return {name: float(getattr(kind, name) * rng.uniform(0.75, 1.3)) for name in names}


def _steep(dem: Field, step_m: float) -> Field:
    """Slope in degrees, (n, n) float32, from every second cell."""
    return enlarge(slope_degrees(dem[::2, ::2], 2 * step_m), 2, dem.shape[0])


def _woods(
    rng: np.random.Generator, grid: HiddenGrid, parcels: Parcels, steep: Field, allowed: Mask, share: float
) -> Mask:
    """Forest on steep and remote ground; its edges follow parcel borders in part."""
    field = power_noise(rng, grid.size, grid.step_m, 2.9, 60.0, 1600.0) + np.float32(0.5) * steep / steep.mean()
    smooth = parcel_mean(field, parcels).astype(np.float32)[parcels.parcel]
    return upper_share(np.float32(0.65) * smooth + np.float32(0.35) * field, share, allowed)


def _fields(
    rng: np.random.Generator, parcels: Parcels, cover: NDArray[np.uint8], steep: Field, shares: dict[str, float]
) -> NDArray[np.uint8]:
    """Cover of every parcel where nothing else grows: pits, fallow, grass, and three kinds of crops.

    Args:
        rng: random source.
        parcels: the parcels.
        cover: (n, n) uint8, 0 where still free.
        steep: (n, n) slope, degrees.
        shares: composition of the place.

    Returns:
        (count,) uint8 hidden class of the parcels.
    """
    free_area = np.bincount(parcels.parcel.ravel(), weights=(cover == 0).ravel(), minlength=parcels.count)
    slope = parcel_mean(steep, parcels)
    result = np.zeros(parcels.count, np.uint8)
    # pits and fallow are medium-sized; the score is a lottery with a preference
    middling = -np.abs(np.log(np.maximum(free_area, 1.0) / np.median(free_area[free_area > 40])))
    for name, code, score in (
        ("bare", BARE, 0.6 * middling), ("shrub", SHRUB, 0.3 * middling + 0.1 * slope), ("grass", GRASS, 0.25 * slope),
    ):  # fmt: skip
        missing = shares[name] * cover.size - np.count_nonzero(cover == code)
        chosen = choose_area(rng, score + rng.gumbel(size=parcels.count), free_area, result == 0, missing)
        result[chosen] = code
    mix = rng.dirichlet([9.0, 7.0, 3.0])
    crops = rng.choice([WINTER_CEREAL, SUMMER_CROP, RAPESEED], parcels.count, p=mix).astype(np.uint8)
    return np.where(result == 0, crops, result)


def _lines(
    rng: np.random.Generator, grid: HiddenGrid, kind: Archetype, parcels: Parcels, waters: Waters, cover: NDArray[np.uint8], seed: int
) -> None:
    """Adds hedges on parcel borders and trees along the shores to `cover`, in place."""
    wobble = power_noise(rng, grid.size, grid.step_m, 2.0, 25.0, 300.0)
    lottery = scatter(parcels.edge, seed, 41)
    open_land = (cover >= GRASS) & (cover <= RAPESEED)
    width = np.float32(4.5) + np.float32(1.5) * wobble
    hedge = (parcels.edge_m < width) & (lottery < np.float32(kind.hedges)) & open_land
    cover[hedge] = np.where(lottery[hedge] < np.float32(0.7 * kind.hedges), DECIDUOUS, SHRUB)
    bank = (waters.shore_m < np.float32(12.0) + np.float32(8.0) * wobble) & open_land & (wobble > 0)
    cover[bank] = DECIDUOUS


def _cover(
    rng: np.random.Generator, grid: HiddenGrid, kind: Archetype, dem: Field, seed: int
) -> tuple[NDArray[np.uint8], Parcels, NDArray[np.uint8], Field, Mask]:
    """Land cover, parcels, use of built land, town density and commercial land, in order of precedence."""
    size, step = grid.size, grid.step_m
    shares = _jittered(kind, rng)
    river_m = kind.river_m * float(rng.uniform(0.7, 1.4))
    waters = make_waters(rng, dem, step, river_m, shares["water"], shares["wetland"])
    parcels = make_parcels(rng, size, step, kind.block_m, kind.width_m, kind.length_m)
    steep = _steep(dem, step)
    wet = waters.river | waters.lake | waters.wetland
    potential = town_potential(rng, size, step, kind.towns, steep)
    score = parcel_mean(potential, parcels)
    dry_area = np.bincount(parcels.parcel.ravel(), weights=~wet.ravel(), minlength=parcels.count)
    everything = np.ones(parcels.count, bool)
    town_parcel = choose_area(rng, score, dry_area, everything, shares["built"] * size**2)
    hall_parcel = rng.random(parcels.count) < 0.16
    town, hall = town_parcel[parcels.parcel] & ~wet, hall_parcel[parcels.parcel]
    density = np.clip((score - np.quantile(score[town_parcel], 0.1))[parcels.parcel] * 1.5, 0, 3).astype(np.float32)
    use = make_settlement(parcels, town, density, hall, ~(waters.river | waters.lake), seed, kind.roads)

    cover = np.zeros((size, size), np.uint8)
    cover[waters.wetland] = WETLAND
    rough = power_noise(rng, size, step, 2.6, 30.0, 700.0)
    scree = upper_share(rough + steep / np.float32(6.0), 0.5 * shares["bare"] if kind.mean_slope > 10 else 0.0, ~(town | wet))
    cover[scree] = BARE
    wood = _woods(rng, grid, parcels, steep, ~(town | wet | scree), shares["forest"])
    altitude = (dem - dem.mean()) / dem.std()
    needle = np.float32(0.5) * altitude + power_noise(rng, size, step, 3.0, 120.0, 1200.0)
    cover[wood] = DECIDUOUS
    cover[upper_share(needle, kind.conifer * float(wood.mean()), wood)] = CONIFER
    heath = upper_share(rough + np.float32(0.3) * altitude, 0.5 * shares["shrub"], (cover == 0) & ~town)
    cover[heath & ~(waters.river | waters.lake)] = SHRUB
    cover[town & (cover == 0)] = BUILT
    cover[waters.river | waters.lake] = WATER
    fields = _fields(rng, parcels, cover, steep, shares)
    cover = np.where(cover == 0, fields[parcels.parcel], cover)
    _lines(rng, grid, kind, parcels, waters, cover, seed)
    cover[use != OPEN] = BUILT
    cover[use == LAWN] = GRASS
    cover[use == TREE] = DECIDUOUS
    return cover, parcels, use, density, hall


def _unit_map(
    rng: np.random.Generator, grid: HiddenGrid, cover: NDArray[np.uint8], parcels: Parcels, use: NDArray[np.uint8]
) -> tuple[Labels, NDArray[np.uint8]]:
    """Unit of every cell and hidden class of every unit: parcels, then stands of each cover, then waters."""
    half = grid.size // 2
    axis = (np.arange(half, dtype=np.float32) + np.float32(0.5)) * np.float32(2 * grid.step_m)
    warp = power_noise(rng, half, 2 * grid.step_m, 2.5, 60.0, 600.0) * np.float32(25.0)
    stands = worley(rng, axis[None, :] + warp, axis[:, None] - warp, STAND_M, grid.extent_m)
    stand = np.repeat(np.repeat(stands.nearest, 2, axis=0), 2, axis=1)
    unit, cover_of = parcels.parcel.copy(), np.zeros(parcels.count, np.uint8)
    field = (cover >= GRASS) & (cover <= RAPESEED) & (use == OPEN)
    field |= cover == BARE
    cover_of[parcels.parcel[field]] = cover[field]
    blocks = [cover_of]
    first = parcels.count
    for code in STAND_COVERS:
        here = (cover == code) & ~(field & (code == GRASS))
        unit[here] = stand[here] + first
        blocks.append(np.full(stands.count, code, np.uint8))
        first += stands.count
    water = cover == WATER
    unit[water] = first
    blocks.append(np.full(LAKES, WATER, np.uint8))
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
    cover, parcels, use, density, hall = _cover(rng, grid, kind, dem, seed)
    unit, cover_of = _unit_map(rng, grid, cover, parcels, use)
    units = _unit_table(rng, cover_of, library)
    built = furnish(rng, library, parcels, use, density, hall, seed)
    mineral = cover == BARE
    _add_mineral(rng, grid, library, mineral, built)
    white = rng.standard_normal((grid.size, grid.size), dtype=np.float32)
    texture = np.float32(0.8) * power_noise(rng, grid.size, grid.step_m, 2.4, 20.0, 350.0) + np.float32(0.6) * white
    ranked = power_noise(rng, grid.size, grid.step_m, 2.0, 15.0, 250.0)
    dither = 1 / (1 + np.exp(np.float32(-1.702) * ranked))
    return Landscape(grid, archetype, seed, dem, cover, unit, units, built, mineral, _shade(cover, white, built.shadow), texture, dither)
