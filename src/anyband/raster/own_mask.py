"""What a file itself says is invalid: its mask, its alpha band, and its own nodata value, whatever its item says."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from anyband.ground import Array

NODATA_DIGITS = 1e-5
"""Relative difference of two floats that are one nodata value, written with fewer digits somewhere."""
Invalid = Callable[[Array, Any], Array]
"""From the numbers of a window (y, x) of a band, and the window, where they are invalid (y, x) bool."""


def is_nodata(stored: Array, nodata: float) -> Array:
    """Where stored numbers of any shape are a nodata value; floats may have lost digits, NaN is none."""
    if stored.dtype.kind != "f":
        return np.asarray(stored == nodata)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.isclose(stored, nodata, rtol=NODATA_DIGITS, atol=0.0)


def own_mask(source: Any, index: int, known: float | None, used: Collection[int]) -> Invalid | None:
    """What finds the pixels that an open file calls invalid, beyond those of a nodata value that is known already.

    Args:
        source: open rasterio dataset.
        index: number of the band, from 1.
        known: nodata value that the reader looks for anyway.
        used: numbers of all bands that are read as data: a band of reflectance may be marked as alpha by mistake.

    Returns:
        None where the file says nothing more, as most do, so that nothing has to be read.
    """
    from rasterio.enums import ColorInterp, MaskFlags

    flags, own = source.mask_flag_enums[index - 1], source.nodatavals[index - 1]
    masked = MaskFlags.all_valid not in flags and MaskFlags.alpha not in flags and MaskFlags.nodata not in flags
    colours = source.colorinterp
    alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else 0
    alpha = 0 if alpha in used else alpha
    other = own is not None and not (own == known or (own != own and known != known))
    if not (masked or alpha or other):
        return None

    def find(values: Array, window: Any) -> Array:
        invalid = is_nodata(values, own) if other else np.zeros(values.shape, bool)
        if masked:
            invalid |= source.read_masks(index, window=window) == 0
        if alpha:
            invalid |= source.read(alpha, window=window) == 0
        return invalid

    return find
