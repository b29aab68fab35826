"""Chance: independent random streams, and random fields on a square grid (power-law noise, Worley cells)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Field = NDArray[np.float32]
Labels = NDArray[np.int32]
# The field is made on a larger square and cropped, because Fourier noise repeats at its edges.
EXTENT_FACTOR = 1.2
SAMPLES_PER_WAVE = 4


def enlarge(coarse: Field, factor: int, size: int) -> Field:
    """Linear interpolation of cell-centred samples to a grid `factor` times finer.

    Args:
        coarse: (m, m) with factor * m >= size.
        factor: whole number of fine cells per coarse cell and axis.
        size: side of the result.

    Returns:
        (size, size) float32; the upper-left corners coincide.
    """
    if factor == 1:
        return coarse[:size, :size]
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
    low = np.clip(np.floor(at).astype(np.int64), 0, coarse.shape[0] - 2)
    share = (at - low).astype(np.float32)
    rows = coarse[low] + share[:, None] * (coarse[low + 1] - coarse[low])
    first = rows[:, low]
    fine: Field = first + share[None, :] * (rows[:, low + 1] - first)
    return fine


def power_noise(
    rng: np.random.Generator, size: int, step_m: float, slope: float, shortest_m: float, longest_m: float
) -> Field:
    """Gaussian noise whose power falls as 1 / frequency**slope between two wavelengths.

    Args:
        rng: source of the phases and amplitudes.
        size: side of the field in cells.
        step_m: cell size, m.
        slope: exponent of the radial power spectrum (2 rough, 4 like terrain).
        shortest_m: shortest wavelength, m.
        longest_m: longest wavelength, m.

    Returns:
        (size, size) float32, zero mean and unit variance.
    """
    factor = 1
    while factor < 16 and shortest_m >= 2 * factor * SAMPLES_PER_WAVE * step_m:
        factor *= 2
    side = scipy.fft.next_fast_len(int(np.ceil(EXTENT_FACTOR * size / factor)) + 2, real=True)
    column = scipy.fft.fftfreq(side, step_m * factor).astype(np.float32)[:, None]
    row = scipy.fft.rfftfreq(side, step_m * factor).astype(np.float32)[None, :]
    square = column**2 + row**2
    inside = (square >= 1.0 / longest_m**2) & (square <= 1.0 / shortest_m**2)
    amplitude = np.where(inside, np.maximum(square, 1e-12) ** np.float32(-slope / 4.0), np.float32(0.0))
    parts = rng.standard_normal((2, side, side // 2 + 1), dtype=np.float32)
    field = scipy.fft.irfft2(amplitude * (parts[0] + 1j * parts[1]), s=(side, side))
    field = enlarge(field.astype(np.float32, copy=False), factor, size)
    normal: Field = (field - field.mean()) / field.std()
    return normal


@dataclass(frozen=True, eq=False)
class Cells:
    """Worley cells: the nearest and second nearest of jittered seed points.

    Attributes:
        nearest: (n, n) int32 number of the cell, 0 to count - 1.
        second: (n, n) int32 number of the cell across the nearest border.
        border_m: (n, n) float32 distance to that border, m.
        count: number of cells, also those outside the window.
    """

    nearest: Labels
    second: Labels
    border_m: Field
    count: int


def worley(rng: np.random.Generator, x: Field, y: Field, cell_m: float, extent_m: float) -> Cells:
    """Worley cells at the positions (x, y), which may be warped.

    Args:
        rng: source of the jitter.
        x: (n, n) float32 positions, m, roughly 0 to extent_m.
        y: as x.
        cell_m: mean side of a cell, m.
        extent_m: side of the window, m.
    """
    across = int(np.ceil(extent_m / cell_m)) + 6
    grid = np.arange(across, dtype=np.float32)
    jitter = rng.uniform(0.12, 0.88, (2, across, across)).astype(np.float32)
    seed_x = ((grid[None, :] + jitter[0] - 3) * np.float32(cell_m)).ravel()
    seed_y = ((grid[:, None] + jitter[1] - 3) * np.float32(cell_m)).ravel()
    column = np.clip(np.floor(x / np.float32(cell_m)).astype(np.int32) + 3, 1, across - 2)
    row = np.clip(np.floor(y / np.float32(cell_m)).astype(np.int32) + 3, 1, across - 2)
    home = row * np.int32(across) + column
    first = np.full(x.shape, np.inf, np.float32)
    other = first.copy()
    nearest, second = np.zeros_like(home), np.zeros_like(home)
    for shift in (down * across + right for down in (-1, 0, 1) for right in (-1, 0, 1)):
        index = home + np.int32(shift)
        square = (x - seed_x[index]) ** 2 + (y - seed_y[index]) ** 2
        closer = square < first
        # what is closer than the nearest pushes that one to second place
        loser_square, loser = np.where(closer, first, square), np.where(closer, nearest, index)
        np.copyto(first, square, where=closer)
        np.copyto(nearest, index, where=closer)
        runner = loser_square < other
        np.copyto(other, loser_square, where=runner)
        np.copyto(second, loser, where=runner)
    apart = np.hypot(seed_x[nearest] - seed_x[second], seed_y[nearest] - seed_y[second])
    return Cells(nearest, second, (other - first) / (2 * np.maximum(apart, np.float32(1.0))), across * across)


def scatter(*numbers: NDArray[np.int64] | NDArray[np.int32] | int) -> Field:
    """A reproducible number in [0, 1) for every combination of whole numbers (integer hash, no table).

    Args:
        numbers: arrays or scalars that broadcast against each other.

    Returns:
        float32 of the broadcast shape.
    """
    state: NDArray[np.uint32] = np.asarray(0x9E3779B9, np.uint32)
    with np.errstate(over="ignore"):
        for number in numbers:
            value = np.asarray(number).astype(np.uint32)
            state = (state ^ value) * np.uint32(0x85EBCA6B)
            state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
            state = state ^ (state >> np.uint32(16))
    return np.asarray((state >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24))


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """Random generator that depends on `seed` and on every one of `keys`, and on nothing else.

    Surfaces use (place, "surface"), scenes (place, sensor, date): two sensors then see the same ground through skies,
    noises and registration errors that have nothing in common.
    """
    text = "/".join(str(key) for key in (seed, *keys))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little"))
