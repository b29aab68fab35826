"""Hidden land cover: what grows or stands on every cell, in order of precedence from water to crops."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from anyband.simulation import read_table
from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.parcels import Parcels, cells_per_parcel, choose_area, make_parcels, parcel_mean
from anyband.simulation.land.settlement import LAWN, OPEN, TREE, make_settlement, town_parks, town_potential
from anyband.simulation.land.terrain import Mask, make_waters, slope_degrees, upper_share
from anyband.simulation.noise import Field, enlarge, power_noise, scatter

# Hidden classes; WorldCover knows only eight.
DECIDUOUS, CONIFER, SHRUB, GRASS, WINTER_CEREAL, SUMMER_CROP, RAPESEED, BUILT, BARE, WATER, WETLAND = range(1, 12)
_TABLE = read_table("covers")
PATTERN: dict[str, float] = _TABLE["families"]
"""Spread of the growth pattern inside a unit of a family, in steps of the leaf-area ladder."""
FAMILIES = tuple(PATTERN)
CODE = {name: number for number, name in enumerate(FAMILIES)}
_COVERS = list(_TABLE["covers"].items())
WORLDCOVER = {code: int(row["worldcover"]) for code, (_, row) in enumerate(_COVERS, 1)}
FAMILY_OF = {code: row.get("family", name) for code, (name, row) in enumerate(_COVERS, 1) if name != "built"}
SHADE = {code: row["shade"] for code, (_, row) in enumerate(_COVERS, 1)}
"""Mean and spread of the static illumination."""
MARGIN_SHARE = 0.25
COPSE_SHARE = 0.009
HALL_SHARE = 0.16
LEAST_CROP = 0.06
SCREE_SLOPE = 10.0  # mean slope, degrees, above which there is scree


Archetype = SimpleNamespace
ARCHETYPES = {name: Archetype(**row) for name, row in read_table("archetypes").items()}
"""Mean composition of each kind of landscape; every place draws its own around it."""


@dataclass(frozen=True, eq=False)
class Town:
    """Built land before it is furnished.

    Attributes:
        inside: (n, n) bool, with gardens, without parks.
        park: (n, n) bool.
        hall: (n, n) bool commercial land.
        density: (n, n) float32, 0 outskirts to 3 centre.
    """

    inside: Mask
    park: Mask
    hall: Mask
    density: Field


@dataclass(frozen=True, eq=False)
class Ground:
    """Land cover and what it was made from.

    Attributes:
        cover: (n, n) uint8 hidden class, DECIDUOUS to WETLAND.
        use: (n, n) uint8 use of built land, OPEN elsewhere.
        plot: (n, n) int32 number of the building plot.
        parcels: blocks and parcels.
        parcel_cover: (count,) uint8 hidden class of the parcels where nothing else grows.
        town: built land.
    """

    cover: NDArray[np.uint8]
    use: NDArray[np.uint8]
    plot: NDArray[np.int32]
    parcels: Parcels
    parcel_cover: NDArray[np.uint8]
    town: Town


def _jittered(kind: Archetype, rng: np.random.Generator) -> dict[str, float]:
    """Composition of one place: shares within about 25 % of the archetype's."""
    names = ("forest", "shrub", "grass", "built", "bare", "water", "wetland")
    shares = {name: float(getattr(kind, name) * rng.uniform(0.75, 1.3)) for name in names}
    crowded = max(1.0, sum(shares.values()) / (1.0 - LEAST_CROP))
    return {name: share / crowded for name, share in shares.items()}


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
    free_area = cells_per_parcel(cover == 0, parcels)
    slope = parcel_mean(steep, parcels)
    result = np.zeros(parcels.count, np.uint8)
    # pits and fallow are medium-sized; the score is a lottery with a preference
    middling = -np.abs(np.log(np.maximum(free_area, 1.0) / (1.5 * np.median(free_area[free_area > 40]))))
    scores = {"bare": 1.5 * middling, "shrub": 0.3 * middling + 0.1 * slope, "grass": 0.25 * slope}
    for (name, score), code in zip(scores.items(), (BARE, SHRUB, GRASS), strict=True):
        missing = shares[name] * cover.size - np.count_nonzero(cover == code)
        chosen = choose_area(rng, score + rng.gumbel(size=parcels.count), free_area, result == 0, missing)
        result[chosen] = code
    mix = rng.dirichlet([9.0, 7.0, 3.0])
    crops = rng.choice([WINTER_CEREAL, SUMMER_CROP, RAPESEED], parcels.count, p=mix).astype(np.uint8)
    return np.where(result == 0, crops, result)


def _details(
    rng: np.random.Generator,
    grid: HiddenGrid,
    kind: Archetype,
    parcels: Parcels,
    shore_m: Field,
    cover: NDArray[np.uint8],
    seed: int,
) -> None:
    """Adds what is small to `cover`, in place: field margins, hedges, copses, clearings, trees along the shores."""
    wobble = power_noise(rng, grid.size, grid.step_m, 2.0, 25.0, 300.0)
    lottery = scatter(parcels.edge, seed, 41)
    fields = (cover >= GRASS) & (cover <= RAPESEED)
    margin = (parcels.edge_m < np.float32(4.0)) & (scatter(parcels.edge, seed, 42) < MARGIN_SHARE) & fields
    cover[margin] = GRASS
    width = np.float32(5.5) + np.float32(2.0) * wobble
    hedge = (parcels.edge_m < width) & (lottery < np.float32(kind.hedges)) & fields
    cover[hedge] = np.where(lottery[hedge] < np.float32(0.7 * kind.hedges), DECIDUOUS, SHRUB)
    spots = power_noise(rng, grid.size, grid.step_m, 1.6, 20.0, 160.0)
    high = upper_share(spots, COPSE_SHARE)
    cover[high & (fields | (cover == SHRUB))] = DECIDUOUS
    clearing = upper_share(-spots, 2 * COPSE_SHARE) & (cover <= CONIFER)
    cover[clearing] = np.where(wobble[clearing] > 0, SHRUB, GRASS)
    # a pit is overgrown along its rim, so it does not show the parcel it was dug in
    rim = (cover == BARE) & (parcels.edge_m < np.float32(7.0) + np.float32(7.0) * wobble)
    cover[rim] = np.where(spots[rim] > 0, SHRUB, GRASS)
    thicket = upper_share(wobble, 2 * COPSE_SHARE) & (cover == GRASS)
    cover[thicket] = SHRUB
    bank = (shore_m < np.float32(12.0) + np.float32(8.0) * wobble) & fields & (wobble > 0)
    cover[bank] = DECIDUOUS


def _town(
    rng: np.random.Generator, grid: HiddenGrid, kind: Archetype, parcels: Parcels, steep: Field, wet: Mask, share: float
) -> Town:
    """Chooses whole parcels near a few centres until the share of built land is reached."""
    score = parcel_mean(town_potential(rng, grid.size, grid.step_m, kind.towns, steep), parcels)
    dry_area = cells_per_parcel(~wet, parcels)
    chosen = choose_area(rng, score, dry_area, np.ones(parcels.count, bool), share * grid.size**2)
    parks = town_parks(rng, chosen)
    halls = rng.random(parcels.count) < HALL_SHARE
    centrality = np.clip(1.5 * (score - np.quantile(score[chosen], 0.1)), 0, 3).astype(np.float32)
    at = parcels.parcel
    return Town((chosen & ~parks)[at] & ~wet, parks[at] & ~wet, halls[at], centrality[at])


def _wild(
    rng: np.random.Generator,
    grid: HiddenGrid,
    kind: Archetype,
    dem: Field,
    steep: Field,
    parcels: Parcels,
    free: Mask,
    shares: dict[str, float],
) -> NDArray[np.uint8]:
    """Scree, forest and heath where the land is free; (n, n) uint8, 0 elsewhere."""
    cover = np.zeros((grid.size, grid.size), np.uint8)
    rough = power_noise(rng, grid.size, grid.step_m, 2.6, 30.0, 700.0)
    altitude = (dem - dem.mean()) / dem.std()
    if kind.mean_slope > SCREE_SLOPE:
        cover[upper_share(rough + steep / np.float32(6.0), 0.5 * shares["bare"], free)] = BARE
    wood = _woods(rng, grid, parcels, steep, free & (cover == 0), shares["forest"])
    cover[wood] = DECIDUOUS
    needle = np.float32(0.5) * altitude + power_noise(rng, grid.size, grid.step_m, 3.0, 120.0, 1200.0)
    cover[upper_share(needle, kind.conifer * float(wood.mean()), wood)] = CONIFER
    heath = upper_share(rough + np.float32(0.3) * altitude, 0.5 * shares["shrub"], free & (cover == 0))
    cover[heath] = SHRUB
    return cover


def make_ground(rng: np.random.Generator, grid: HiddenGrid, kind: Archetype, dem: Field, seed: int) -> Ground:
    """Makes the land cover of a place.

    Args:
        rng: random source of the place.
        grid: where it lies.
        kind: archetype.
        dem: (n, n) elevation, m.
        seed: of the place, for what is hashed rather than drawn.
    """
    size, step = grid.size, grid.step_m
    shares = _jittered(kind, rng)
    waters = make_waters(
        rng, dem, step, kind.river_m * float(rng.uniform(0.7, 1.4)), shares["water"], shares["wetland"]
    )
    open_water = waters.river | waters.lake
    wet = open_water | waters.wetland
    parcels = make_parcels(rng, size, step, kind.block_m, kind.width_m, kind.length_m)
    steep = enlarge(slope_degrees(dem[::2, ::2], 2 * step), 2, size)
    town = _town(rng, grid, kind, parcels, steep, wet, shares["built"])
    use, plot = make_settlement(parcels, town.inside, town.density, town.hall, ~open_water, seed, kind.roads)
    cover = _wild(rng, grid, kind, dem, steep, parcels, ~(town.inside | town.park | wet), shares)
    cover[waters.wetland] = WETLAND
    cover[open_water] = WATER
    cover[town.inside] = BUILT
    cover[town.park] = GRASS
    parcel_cover = _fields(rng, parcels, cover, steep, shares)
    cover = np.where(cover == 0, parcel_cover[parcels.parcel], cover)
    _details(rng, grid, kind, parcels, waters.shore_m, cover, seed)
    cover[use != OPEN] = BUILT
    cover[use == LAWN] = GRASS
    cover[use == TREE] = DECIDUOUS
    return Ground(cover, use, plot, parcels, parcel_cover, town)
