"""Quality layers to clear masks, with one meaning of clear for all products.

Clear: a valid observation of the surface. Cloud, cloud shadow, cirrus, and what lies beside them by the provider's own
dilation, are not clear; water and snow are.
"""

import re
from collections.abc import Callable, Mapping, Sequence
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


# What the names of classes and bit fields (STAC classification extension) say of the ground; the first that fits.
_FREE = re.compile(
    r"cloud_?free|cloudless|free_of|(?:^|_)(?:no|not|non|without)_(?!data|clear|valid|observ|usable|good)"
)
_BLOCKED = re.compile(
    r"cloud|shadow|cirrus|haze|hazy|smoke|no_?data|fill|saturat|defect|invalid|missing|dilat|adjacent|dark|contamin|"
    r"bad|unclear|unusable|unobserv|unknown|undefined|masked|outside|not_(?:clear|valid|observ|usable|good)"
)
_CLEAR = re.compile(
    r"clear|valid|land|water|ocean|lake|snow|ice|vegetat|bare|soil|ground|unclassified|urban|built|good|usable"
)
_DEGREE = re.compile(r"confidence|probability|level|quality")
BITS = 16
"""Longest word of a quality layer with bit fields."""


def is_clear_class(fields: Mapping[str, Any]) -> bool | None:
    """Whether a class shows the surface, by its name or else its description; None where neither tells."""
    for text in (fields.get("name"), fields.get("description"), fields.get("title")):
        words = re.sub(r"[^a-z0-9]+", "_", str(text or "").lower())
        for pattern, clear in ((_FREE, True), (_BLOCKED, False), (_CLEAR, True)):
            if pattern.search(words):
                return clear
    return None


def clear_values(classes: Sequence[Mapping[str, Any]], bitfields: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """The values of a quality layer that mean clear ground, by the classes or the bit fields that an item lists.

    Raises:
        ValueError: naming the class that says neither, or that no bit field speaks of clouds.
    """
    if not bitfields:
        judged = {int(entry["value"]): is_clear_class(entry) for entry in classes}
        if any(abs(value) >> 32 for value in judged):
            raise ValueError("a class is no number of 32 bits")
        unknown = [value for value, clear in judged.items() if clear is None]
        if unknown or not any(judged.values()):
            raise ValueError(
                f"class {unknown[0]} is neither clear nor cloudy by its name" if unknown else "no clear class"
            )
        return tuple(value for value, clear in judged.items() if clear)
    words = np.arange(1 << BITS)
    blocking, clear = np.zeros(words.shape, bool), np.ones(words.shape, bool)
    named = False
    for field in bitfields:
        name, offset, length = str(field.get("name") or ""), int(field["offset"]), int(field["length"])
        if _DEGREE.search(name.lower()) or not 0 <= offset < offset + length <= BITS:
            continue
        values, meaning = words >> offset & ((1 << length) - 1), is_clear_class(field)
        if meaning is False:
            said = {int(entry["value"]): is_clear_class(entry) for entry in field.get("classes") or ()}
            bad = [value for value in range(1 << length) if said.get(value) is False or (value and not said.get(value))]
            blocking |= np.isin(values, bad)
            named = True
        elif meaning and "clear" in name.lower():
            clear &= values != 0
    if not named and clear.all():
        raise ValueError("none of its bit fields tells clouds")
    return tuple(np.flatnonzero(~blocking if named else clear).tolist())
