"""Sub-pixel shift between two images of the same ground by phase correlation.

The cross spectra of several bands are added, whitened, limited to wavelengths that both products resolve, and the peak
of their correlation is found on a fine grid by a matrix-multiplied Fourier transform around the coarse peak
(Guizar-Sicairos, Thurman and Fienup 2008, Opt. Lett. 33:156, doi 10.1364/OL.33.000156).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from anyband.ground import Array

SHORTEST_PIXELS = 4.0
"""Shortest wavelength used: 120 m of Landsat, which 60 m pixels still resolve without aliasing."""
LONGEST_PIXELS = 64.0
"""Longest wavelength used; slower variation is atmosphere and illumination, and says little about position."""
FINE = 60
"""Steps of the fine grid per pixel: half a metre of Landsat."""


@dataclass(frozen=True)
class Shift:
    """How far the second image has to be moved to lie on the first, in pixels.

    Attributes:
        right: pixels to the right (east).
        down: pixels down (south).
        quality: mean cosine of what is left of the phases after the shift, weighted as in the correlation:
            1 when all wavelengths and bands agree on it, about 0 for images that have nothing in common.
    """

    right: float
    down: float
    quality: float


def find_shift(bands: Iterable[tuple[Array, Array]], mask: Array) -> Shift:
    """Shift between two images.

    Args:
        bands: the first and the second image of every band, (rows, cols) float; what is not in `mask` is ignored.
        mask: (rows, cols) bool, where both are usable.
    """
    weight = _taper(mask)
    spectrum = np.zeros(_padded(mask.shape), complex)
    for first, second in bands:
        one, two = (np.fft.fft2(_prepare(image, mask, weight), spectrum.shape) for image in (first, second))
        cross = one * two.conj()
        # Bands count alike, whatever their contrast.
        spectrum += cross / max(float(np.sqrt((np.abs(one) ** 2).sum() * (np.abs(two) ** 2).sum())), 1e-30)
    size = np.abs(spectrum)
    power = _band_pass(spectrum.shape) * np.sqrt(size)  # half-way between phase and cross correlation
    whitened = np.where(size > 0, spectrum / np.maximum(size, 1e-300), 0) * power
    coarse = np.fft.ifft2(whitened).real
    peak = np.unravel_index(int(coarse.argmax()), coarse.shape)
    start = [float(p if p <= n / 2 else p - n) for p, n in zip(peak, coarse.shape, strict=True)]
    # Two passes: a pixel around the coarse peak in tenths, then a fifth of a pixel in the finest steps.
    down, right = start
    for reach, steps in ((1.0, 10), (0.2, FINE)):
        offsets = np.arange(-round(reach * steps), round(reach * steps) + 1) / steps
        fine = _transform(whitened, down + offsets, right + offsets)
        row, col = np.unravel_index(int(fine.argmax()), fine.shape)
        best, down, right = float(fine[row, col]), down + float(offsets[row]), right + float(offsets[col])
    return Shift(right, down, best / max(float(power.sum()), 1e-30))


def _transform(spectrum: Array, rows: Array, cols: Array) -> Array:
    """Real part of the inverse transform at fractional positions, (len(rows), len(cols))."""
    down, right = (np.fft.fftfreq(n) for n in spectrum.shape)
    used = [np.abs(frequency) <= 1 / SHORTEST_PIXELS for frequency in (down, right)]  # the rest is zero
    left = np.exp(2j * np.pi * np.outer(rows, down[used[0]]))
    return np.asarray((left @ spectrum[np.ix_(*used)] @ np.exp(2j * np.pi * np.outer(right[used[1]], cols))).real)


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    from scipy.fft import next_fast_len

    rows, cols = (next_fast_len(n + n // 2) for n in shape)
    return rows, cols


def _prepare(image: Array, mask: Array, weight: Array) -> Array:
    """Gradient of the image as one complex number a pixel, tapered to nothing at the edges of what is usable."""
    from scipy.ndimage import gaussian_filter

    inside = mask.astype(float)
    share = np.maximum(gaussian_filter(inside, 2.0), 1e-6)
    around = gaussian_filter(np.where(mask, image, 0.0), 2.0) / share
    down, right = np.gradient(np.where(mask, image, around))
    return np.asarray((right + 1j * down) * weight)


def _taper(mask: Array) -> Array:
    """Hann window over the image times a soft edge (0 to 1 over 6 pixels) around everything that is not usable."""
    from scipy.ndimage import distance_transform_edt

    rows, cols = (np.hanning(n + 2)[1:-1] for n in mask.shape)
    distance = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    soft = 0.5 - 0.5 * np.cos(np.pi * np.clip((distance - 1) / 6, 0, 1))
    return np.asarray(np.outer(rows, cols) * soft)


def _band_pass(shape: tuple[int, ...]) -> Array:
    """1 within the wavelengths that are used, falling to 0 within a quarter beyond them."""
    down, right = (np.fft.fftfreq(n) for n in shape)
    frequency = np.hypot(down[:, None], right[None, :])
    high = np.clip((1 / SHORTEST_PIXELS - frequency) * SHORTEST_PIXELS * 4, 0, 1)
    low = np.clip((frequency - 1 / LONGEST_PIXELS) * LONGEST_PIXELS, 0, 1)
    return np.asarray(high * low)
