"""Masks of clouds with natural shapes, fixed per chip and product."""

import zlib
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.observation import BandGroup

SEED = 5
STEP_M = 10.0
SIZE = 256  # the field repeats after SIZE * STEP_M metres, which is wider than two chips
SLOPE = -8 / 3
"""Of the power density in two dimensions: the -5/3 of a line through stratocumulus (Davis et al. 1996, J. Atmos. Sci.
53:1538). Ragged blobs from the size of the chip down."""
SMOOTH_M = 30.0  # details below are left out: masks of products are dilated


@lru_cache(maxsize=1024)
def cloud_field(name: str, product: str) -> NDArray[np.float32]:
    """Random field (SIZE, SIZE) of cloud optical depth, larger where cloudier, of a chip in a product's acquisition."""
    random = np.random.default_rng([SEED, zlib.crc32(name.encode()), zlib.crc32(product.encode())])
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]) / STEP_M  # cycles per metre
    frequency[0, 0] = np.inf
    amplitude = frequency ** (SLOPE / 2) * np.exp(-2 * (np.pi * SMOOTH_M * frequency.clip(max=1.0)) ** 2)
    amplitude[0, 0] = 0.0
    noise = np.fft.rfft2(random.standard_normal((SIZE, SIZE)))
    return np.asarray(np.fft.irfft2(noise * amplitude, (SIZE, SIZE)), np.float32)


def cover(groups: tuple[BandGroup, ...], percent: float, names: tuple[str, ...]) -> tuple[BandGroup, ...]:
    """One acquisition with `percent` of every chip's ground under clouds.

    All grids see the same clouds. A pixel that a cloud touches is not valid. More percent cover what fewer did.

    Args:
        groups: of one acquisition.
        percent: share of the ground, 0 to 100.
        names: (B,) of the chips: the same name always has the same clouds.
    """
    side_m = max(n * group.pixel_m for group in groups for n in group.values.shape[2:])
    inside = round(side_m / STEP_M)
    whole = np.arange(inside) % SIZE
    clouds = []
    for name in names:
        field = cloud_field(name, groups[0].product)
        clouds.append(field > np.quantile(field[np.ix_(whole, whole)], 1 - percent / 100))
    sky = torch.from_numpy(np.stack(clouds))
    return tuple(_hide(group, sky) for group in groups)


def _hide(group: BandGroup, sky: Tensor) -> BandGroup:
    """The group without the pixels that clouds `sky` (B, SIZE, SIZE) touch."""
    covered = []
    for clouds, (dx, dy) in zip(sky, group.offset_m.tolist(), strict=True):
        rows = _touches(group.values.shape[2], group.pixel_m, dy)
        columns = _touches(group.values.shape[3], group.pixel_m, dx)
        covered.append((rows @ clouds.float() @ columns.T) > 0)
    valid = group.valid & ~torch.stack(covered).to(group.valid.device)[:, None]
    return replace(group, values=group.values * valid, valid=valid)


@lru_cache(maxsize=256)
def _touches(count: int, pixel_m: float, offset_m: float) -> Tensor:
    """(count, SIZE): 1 where a pixel lies on a step of the field, which repeats."""
    table = torch.zeros(count, SIZE)
    for pixel in range(count):
        start, stop = offset_m + pixel * pixel_m, offset_m + (pixel + 1) * pixel_m
        steps = np.arange(np.floor(start / STEP_M + 1e-6), np.ceil(stop / STEP_M - 1e-6)).astype(int)
        table[pixel, steps % SIZE] = 1.0
    return table
