"""Built land: streets, houses with one roof each, halls, yards; country roads and tracks between the blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.land.parcels import Parcels
from anyband.simulation.land.spectra import SpectralLibrary
from anyband.simulation.land.terrain import Mask
from anyband.simulation.noise import Field, power_noise, scatter

Rows = NDArray[np.uint16]
# What lies on a cell of built land; LAWN and TREE are vegetation and follow the season.
OPEN, STREET, ROOF, HALL, PAVED, LAWN, TREE, TRACK = range(8)
STREET_M, SPACING_M, PLOT_M, HALL_PLOT_M = 8.0, (72.0, 130.0), 24.0, 80.0
ROAD_M, TRACK_M = 9.0, 5.0
PARK_SHARE, TRACK_SHARE = 0.08, 0.06


@dataclass(frozen=True, eq=False)
class BuiltLand:
    """Built land and roads.

    Attributes:
        use: (n, n) uint8, one of OPEN ... TRACK.
        material_a: (n, n) uint16 row of the library where `use` is a sealed or bare surface, else 0.
        material_b: (n, n) uint16, the second material.
        fraction_b: (n, n) float32.
        shadow: (n, n) bool cells in the shadow of a building.
    """

    use: NDArray[np.uint8]
    material_a: Rows
    material_b: Rows
    fraction_b: Field
    shadow: Mask


def town_potential(rng: np.random.Generator, size: int, step_m: float, towns: int, steepness: Field) -> Field:
    """How strongly a place invites building: near a few centres, off the slopes; (n, n) float32."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(step_m)
    field = np.float32(0.35) * power_noise(rng, size, step_m, 3.0, 150.0, 1200.0) - steepness / np.float32(12.0)
    spread = np.float32(1500.0 / np.sqrt(towns))
    for _ in range(towns):
        across, down = rng.uniform(0.08, 0.92, 2) * size * step_m
        weight, radius = np.float32(rng.uniform(1.0, 2.2)), spread * np.float32(rng.uniform(0.35, 0.8))
        square_x, square_y = (axis - np.float32(across)) ** 2, (axis - np.float32(down)) ** 2
        field += weight * np.exp(-square_x / radius**2)[None, :] * np.exp(-square_y / radius**2)[:, None]
    return field


def _town_use(parcels: Parcels, density: Field, hall: Mask, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Use of every cell if it were in a town, and the number of its plot, which chooses the roof."""
    u, v = parcels.across_m, parcels.along_m
    to_street = np.minimum(u % np.float32(SPACING_M[0]), v % np.float32(SPACING_M[1]))
    plot_side = np.where(hall, np.float32(HALL_PLOT_M), np.float32(PLOT_M))
    plot_u, plot_v = np.floor(u / plot_side), np.floor(v / plot_side)
    plot = (plot_u.astype(np.int32) * np.int32(7919) + plot_v.astype(np.int32)) * np.int32(2) + hall
    inner_u = np.abs(u / plot_side - plot_u - np.float32(0.5))
    inner_v = np.abs(v / plot_side - plot_v - np.float32(0.5))
    cover = np.clip(np.float32(0.42) + np.float32(0.13) * density, 0.34, 0.85)
    cover = np.where(hall, np.float32(0.72), cover)
    half_u = cover * (np.float32(0.38) + np.float32(0.32) * scatter(plot, seed, 11))
    half_v = cover * (np.float32(0.38) + np.float32(0.32) * scatter(plot, seed, 12))
    house = (inner_u < half_u) & (inner_v < half_v) & (scatter(plot, seed, 13) < np.float32(0.9))
    chance = scatter(np.floor(u / 6).astype(np.int32), np.floor(v / 6).astype(np.int32), seed, 14)
    paved = np.where(hall, np.float32(0.8), np.clip(np.float32(0.14) + np.float32(0.12) * density, 0.1, 0.6))
    use = np.where(chance < paved, PAVED, np.where(chance > np.float32(0.74), TREE, LAWN)).astype(np.uint8)
    use[house] = ROOF
    use[house & hall] = HALL
    use[to_street < STREET_M] = STREET
    return use, plot


def town_parks(rng: np.random.Generator, town_parcel: Mask) -> Mask:
    """Town parcels (count,) that are parks: nothing is built there."""
    return town_parcel & (rng.random(town_parcel.size) < PARK_SHARE)


def make_settlement(
    parcels: Parcels, town: Mask, density: Field, hall: Mask, open_land: Mask, seed: int, road_share: float
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Use of every cell: towns by their street grid, roads on block borders, tracks on some parcel borders.

    Args:
        parcels: blocks and parcels.
        town: (n, n) bool built land.
        density: (n, n) float32, 0 outskirts to 3 centre.
        hall: (n, n) bool commercial land.
        open_land: (n, n) bool where roads may run (no water).
        seed: of the place.
        road_share: share of block borders that carry a road.

    Returns:
        use (n, n) uint8, one of OPEN ... TRACK, and plot (n, n) int32, whose number chooses a building's roof.
    """
    use, plot = _town_use(parcels, density, hall, seed)
    use[~town] = OPEN
    blocks = parcels.blocks
    low, high = np.minimum(blocks.nearest, blocks.second), np.maximum(blocks.nearest, blocks.second)
    road = (blocks.border_m < ROAD_M / 2) & (scatter(low, high, seed, 21) < road_share)
    track = (parcels.edge_m < TRACK_M / 2) & (scatter(parcels.edge, seed, 22) < TRACK_SHARE) & (use == OPEN)
    use[track & open_land] = TRACK
    use[road & open_land] = STREET
    return use, plot


def _stock(rng: np.random.Generator, library: SpectralLibrary) -> dict[int, NDArray[np.int64]]:
    """The surfaces that a place owns: use -> rows of the library, chosen from with equal chance."""

    def some(name: str, count: int) -> NDArray[np.int64]:
        group = library.groups[name]
        return group.row(rng.choice(group.sets, count, replace=False))

    tiles, concrete, asphalt, metal = (some(name, 12) for name in ("roof_tile", "concrete", "asphalt", "roof_metal"))
    return {
        ROOF: np.concatenate([tiles, some("roof_shingle", 6), concrete[:3], metal[:2]]),
        HALL: np.concatenate([metal, concrete[:5], asphalt[:3]]),
        STREET: asphalt,
        PAVED: np.concatenate([concrete, asphalt]),
        TRACK: some("mineral", 12),
    }


def furnish(
    rng: np.random.Generator,
    library: SpectralLibrary,
    parcels: Parcels,
    use: NDArray[np.uint8],
    plot: NDArray[np.int32],
    seed: int,
) -> BuiltLand:
    """Chooses the materials of the sealed cells from the roofs, asphalts and concretes this place owns."""
    a, b = np.zeros(use.shape, np.uint16), np.zeros(use.shape, np.uint16)
    fraction = np.zeros(use.shape, np.float32)
    for code, rows in _stock(rng, library).items():
        here = use == code
        # a building or yard has one surface a plot, a road or track one a stretch along a parcel
        owner = parcels.parcel[here] if code in (STREET, TRACK) else plot[here]
        number = (scatter(owner, seed, 31) * np.float32(rows.size)).astype(np.int64)
        a[here] = rows[number]
        # the second material is the next of the list: worn roofs, patched asphalt
        b[here] = rows[(number + 1) % rows.size]
        fraction[here] = np.float32(0.3) * scatter(owner, seed, code)
    tall = (use == ROOF) | (use == HALL)
    # in the morning the shadow falls to the north-west
    shadow = np.zeros_like(tall)
    shadow[:-1, :-1] = tall[1:, 1:]
    return BuiltLand(use, a, b, fraction, shadow & ~tall & (use != OPEN))
