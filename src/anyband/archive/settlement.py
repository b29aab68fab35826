"""Built land: streets, houses with one roof each, halls, yards; country roads and tracks between the blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.archive.noise import Field, power_noise, scatter
from anyband.archive.parcels import Parcels
from anyband.archive.spectra import SpectralLibrary
from anyband.archive.terrain import Mask

Rows = NDArray[np.uint16]
# What lies on a cell of built land; LAWN and TREE are vegetation and follow the season.
OPEN, STREET, ROOF, HALL, PAVED, LAWN, TREE, TRACK = range(8)
STREET_M, SPACING_M, PLOT_M, HALL_PLOT_M = 8.0, (72.0, 130.0), 24.0, 80.0
ROAD_M, TRACK_M = 9.0, 5.0


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


def make_settlement(
    parcels: Parcels, town: Mask, density: Field, hall: Mask, open_land: Mask, seed: int, road_share: float
) -> NDArray[np.uint8]:
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
        (n, n) uint8, one of OPEN ... TRACK.
    """
    use, _ = _town_use(parcels, density, hall, seed)
    use[~town] = OPEN
    blocks = parcels.blocks
    low, high = np.minimum(blocks.nearest, blocks.second), np.maximum(blocks.nearest, blocks.second)
    road = (blocks.border_m < ROAD_M / 2) & (scatter(low, high, seed, 21) < road_share)
    track = (parcels.edge_m < TRACK_M / 2) & (scatter(parcels.edge, seed, 22) < np.float32(0.06)) & (use == OPEN)
    use[track & open_land] = TRACK
    use[road & open_land] = STREET
    return use


def furnish(
    rng: np.random.Generator,
    library: SpectralLibrary,
    parcels: Parcels,
    use: NDArray[np.uint8],
    density: Field,
    hall: Mask,
    seed: int,
) -> BuiltLand:
    """Chooses the materials of the sealed cells from the roofs, asphalts and concretes this place owns."""
    size = use.shape[0]
    group = library.groups
    a, b = np.zeros((size, size), np.uint16), np.zeros((size, size), np.uint16)
    fraction = np.zeros((size, size), np.float32)
    _, plot = _town_use(parcels, density, hall, seed)
    pick = scatter(plot, seed, 31)
    own = {name: rng.choice(group[name].sets, 12, replace=False) for name in ("roof_tile", "roof_shingle", "roof_metal", "asphalt", "concrete", "mineral")}  # fmt: skip
    kinds = np.concatenate([
        group["roof_tile"].row(own["roof_tile"]), group["roof_shingle"].row(own["roof_shingle"][:8]),
        group["concrete"].row(own["concrete"][:3]), group["roof_metal"].row(own["roof_metal"][:2]),
    ])  # fmt: skip
    halls = np.concatenate([
        group["roof_metal"].row(own["roof_metal"]), group["concrete"].row(own["concrete"][:5]), group["asphalt"].row(own["asphalt"][:3]),
    ])  # fmt: skip
    patch = scatter(parcels.parcel, seed, 32)
    for code, rows, chance in (
        (ROOF, kinds, pick),
        (HALL, halls, pick),
        (STREET, group["asphalt"].row(own["asphalt"]), patch),
        (PAVED, np.concatenate([group["concrete"].row(own["concrete"]), group["asphalt"].row(own["asphalt"])]), pick),
        (TRACK, group["mineral"].row(own["mineral"]), patch),
    ):
        here = use == code
        chosen = chance[here]
        a[here] = rows[(chosen * np.float32(rows.size)).astype(np.int64)]
        # the second material is the next of the list: worn roofs, patched asphalt
        b[here] = rows[((chosen * np.float32(rows.size)).astype(np.int64) + 1) % rows.size]
        fraction[here] = np.float32(0.3) * scatter(plot[here], seed, code)
    tall = (use == ROOF) | (use == HALL)
    # in the morning the shadow falls to the north-west
    shadow = np.zeros_like(tall)
    shadow[:-1, :-1] = tall[1:, 1:]
    return BuiltLand(use, a, b, fraction, shadow & ~tall & (use != OPEN))
