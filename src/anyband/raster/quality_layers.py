"""Quality layers to clear masks, with one meaning of clear for all products.

Clear: a valid observation of the surface. Cloud, cloud shadow, cirrus, and what lies beside them by the provider's own
dilation, are not clear; water and snow are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Flags = NDArray[np.unsignedinteger[Any]]

# Sentinel-2 scene classification (ESA, Sentinel-2 Level-2A Algorithm Theoretical Basis Document):
# 0 no data, 1 saturated or defective, 2 dark area or topographic shadow, 3 cloud shadow, 4 vegetation,
# 5 not vegetated, 6 water, 7 unclassified, 8 and 9 cloud of medium and high probability, 10 thin cirrus, 11 snow.
# Class 2 mixes terrain shadow with missed cloud shadow and is left out; class 7 is mostly clear ground and kept.
SCL_CLEAR = (4, 5, 6, 7, 11)

# Landsat Collection 2 QA_PIXEL (USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide):
# bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow, 6 clear, 7 water, 8 to 15 confidences.
QA_PIXEL_BLOCKED = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4

# HLS v2.0 Fmask (HLS v2.0 Product User Guide): bit 0 cirrus (reserved), 1 cloud, 2 adjacent to cloud or shadow,
# 3 cloud shadow, 4 snow or ice, 5 water, 6 and 7 aerosol level; 255 is fill. Bits are not exclusive.
FMASK_BLOCKED = 1 << 1 | 1 << 2 | 1 << 3
FMASK_FILL = 255

# The mask of a described product (`catalog.items.described`), whose item says what its values mean.
MASK_CLEAR = 1


def scl_clear(values: Flags) -> Mask:
    """Clear mask of Sentinel-2 SCL classes, any shape, uint8."""
    return np.isin(values, SCL_CLEAR)


def qa_pixel_clear(values: Flags) -> Mask:
    """Clear mask of Landsat QA_PIXEL bits, any shape, uint16."""
    clear: Mask = np.equal(values & QA_PIXEL_BLOCKED, 0)
    return clear


def fmask_clear(values: Flags) -> Mask:
    """Clear mask of HLS Fmask bits, any shape, uint8."""
    clear: Mask = np.equal(values & FMASK_BLOCKED, 0) & np.not_equal(values, FMASK_FILL)
    return clear


def mask_clear(values: Flags) -> Mask:
    """Clear mask of a mask whose only clear value is `MASK_CLEAR`, any shape, uint8."""
    clear: Mask = np.equal(values, MASK_CLEAR)
    return clear


DECODERS: dict[str, Callable[[Flags], Mask]] = {
    "scl": scl_clear,
    "qa_pixel": qa_pixel_clear,
    "fmask": fmask_clear,
    "mask": mask_clear,
}

FILL = {"scl": 0, "qa_pixel": 1, "fmask": 255, "mask": 0}
"""Value of each layer where there is no data; not clear by its decoder."""

DTYPES = {"scl": "uint8", "qa_pixel": "uint16", "fmask": "uint8", "mask": "uint8"}
"""Type of each layer's values."""


def has_no_data(values: Flags, decoder: str) -> Mask:
    """Where a layer of `decoder` has no data, any shape; in `qa_pixel` fill is a bit, not a value."""
    return np.not_equal(values & 1, 0) if decoder == "qa_pixel" else np.equal(values, FILL[decoder])
