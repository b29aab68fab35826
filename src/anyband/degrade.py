"""Bands at a coarser ground sampling distance, through the point spread that the new distance implies.

An imager of sampling distance g is taken to have a Gaussian point spread (optics, detector and resampling together)
with the same modulation transfer M at its own Nyquist frequency 1 / (2 g), whatever g is:

    M = exp(-2 pi^2 sigma^2 f^2) at f = 1 / (2 g)   =>   sigma(g) = g sqrt(-2 ln M) / pi

the relation of Michel and Inglada (2025, doi 10.1016/j.rse.2025.115159). Gaussians add their variances, so pixels of
distance g become those of distance G by one more Gaussian of variance sigma(G)^2 - sigma(g)^2, read at the centres of
the new pixels: within 2 % of a scene's contrast of what the coarse sensor would see itself for twice the distance or
more, within 10 % for one and a half (a test renders both). Averaging lowers the noise, as in a real coarse sensor.
"""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from anyband.observation import BandGroup
from anyband.sensors import Band, BandSet

MTF_AT_NYQUIST = 0.3
"""The upper end of what Sentinel-2's 10 m bands must have (0.15 to 0.30); sigma is 0.494 sampling distances."""

LEAST_VALID = 0.5
"""Weight of valid pixels below which a coarse pixel is not valid."""


def point_spread_m(gsd_m: float) -> float:
    """Standard deviation in metres of the point spread of a band with this sampling distance."""
    return gsd_m * math.sqrt(-2 * math.log(MTF_AT_NYQUIST)) / math.pi


@lru_cache(maxsize=256)
def blur_weights(count: int, pixel_m: float, gsd_m: float, target_m: float) -> Tensor:
    """Weights (points, count) along one axis that read `count` pixels as pixels of `target_m`; rows sum to 1.

    Both grids start at the same edge. Outside the row of pixels nothing is known, so the weights inside share the sum.
    """
    sigma = math.sqrt(point_spread_m(target_m) ** 2 - point_spread_m(gsd_m) ** 2)
    points = math.ceil(count * pixel_m / target_m - 1e-6)
    centre = (np.arange(points) + 0.5) * target_m
    distance = (np.arange(count) + 0.5) * pixel_m - np.minimum(centre, count * pixel_m)[:, None]
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return torch.from_numpy((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def coarsen(groups: tuple[BandGroup, ...], target_m: float, stated: str) -> tuple[BandGroup, ...]:
    """One acquisition with every band that is finer than `target_m` brought to it: point spread, pixels, description.

    Args:
        groups: of one acquisition.
        target_m: new sampling distance and pixel spacing, m. Coarser bands stay as they are.
        stated: "" states the new sampling distance, "wrong" the old one. The pixel spacing is always the true one.
    """
    result = []
    for group in groups:
        channels = list(enumerate(group.band_sets[0]))
        finer = {c for c, band in channels if band.gsd_m < target_m and group.pixel_m < target_m}
        if len(finer) < len(channels):
            result.append(group.select_bands(tuple(c for c, _ in channels if c not in finer)))
        for gsd_m in sorted({channels[c][1].gsd_m for c in finer}):
            chosen = group.select_bands(tuple(c for c, band in channels if c in finer and band.gsd_m == gsd_m))
            result.append(_coarse(chosen, gsd_m, target_m, stated))
    return join_grids(tuple(result))


def _coarse(group: BandGroup, gsd_m: float, target_m: float, stated: str) -> BandGroup:
    """All bands of a group, which share `gsd_m`, at `target_m`."""
    rows, columns = (
        blur_weights(n, group.pixel_m, gsd_m, target_m).to(group.values.device) for n in group.values.shape[2:]
    )
    seen = group.valid.float()
    weight = rows @ seen @ columns.T
    values = (rows @ (group.values * seen) @ columns.T) / weight.clamp_min(1e-6)
    valid = weight >= LEAST_VALID

    def describe(band: Band) -> Band:
        return replace(band, gsd_m=band.gsd_m if stated == "wrong" else target_m, pixel_m=target_m)

    sets = tuple(BandSet(s.platform, tuple(describe(band) for band in s)) for s in group.band_sets)
    return replace(group, values=values * valid, valid=valid, band_sets=sets, pixel_m=target_m)


def join_grids(groups: tuple[BandGroup, ...]) -> tuple[BandGroup, ...]:
    """Groups of one acquisition that share a pixel grid become one; finest first, bands in the order they came."""
    joined: list[BandGroup] = []
    for group in groups:
        for place, other in enumerate(joined):
            if _same_grid(group, other):
                pairs = zip(other.band_sets, group.band_sets, strict=True)
                joined[place] = replace(
                    other,
                    values=torch.cat((other.values, group.values), dim=1),
                    valid=torch.cat((other.valid, group.valid), dim=1),
                    band_sets=tuple(BandSet(a.platform, a.bands + b.bands) for a, b in pairs),
                )
                break
        else:
            joined.append(group)
    return tuple(sorted(joined, key=lambda group: group.pixel_m))


def _same_grid(a: BandGroup, b: BandGroup) -> bool:
    return (
        a.product == b.product
        and a.pixel_m == b.pixel_m
        and a.values.shape[2:] == b.values.shape[2:]
        and torch.equal(a.offset_m, b.offset_m)
        and torch.equal(a.band_set_index, b.band_set_index)
        and [s.platform for s in a.band_sets] == [s.platform for s in b.band_sets]
    )
