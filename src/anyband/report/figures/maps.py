"""Panels of maps for a few chips that a rule chooses: never hand-picked."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anyband.report.palette import CLASS_COLOURS, rgb

Bytes = NDArray[np.uint8]

RANDOM_SEED = 20240501  # of the one block that is drawn at random
BRIGHTEN = 0.75  # exponent of the true-colour stretch: vegetation and water are dark
TRUE_COLOUR = {"sentinel2": ("10m", ("B04", "B03", "B02")), "landsat": ("30m", ("red", "green", "blue"))}
# codes of the difference map
BOTH_RIGHT, ONLY_FIRST, ONLY_SECOND, BOTH_WRONG, NOT_SCORED = range(5)


@dataclass(frozen=True)
class Tile:
    """One small picture: heading, explanation for screen readers, PNG as a data URI."""

    heading: str
    alt: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """The tiles of one chip and why it is shown."""

    reason: str
    block: str
    chip: str
    difference: float
    tiles: Sequence[Tile]


def choose_blocks(units: pd.DataFrame, first: str, second: str) -> list[tuple[str, str, float]]:
    """Blocks to show, by the difference `first` minus `second`: best, median, worst, and one at random.

    Args:
        units: `units.csv` of the comparison.
        first: key of the proposed method.
        second: key of the best baseline.

    Returns:
        (reason, block, difference in mIoU); blocks never repeat, so small tests give fewer rows.
    """
    table = units[units["kind"] == "block"].pivot(index="unit", columns="method", values="miou")
    difference = (table[first] - table[second]).dropna().sort_values(kind="stable", ascending=False)
    order = [str(block) for block in difference.index]
    if not order:
        return []
    chosen = {"best for": order[0]}
    chosen.setdefault("median", order[len(order) // 2])
    chosen["worst for"] = order[-1]
    rest = [block for block in order if block not in chosen.values()]
    if rest:
        chosen["drawn at random"] = rest[int(np.random.default_rng(RANDOM_SEED).integers(len(rest)))]
    unique = {block: reason for reason, block in reversed(chosen.items())}
    return [(reason, block, float(difference[block])) for block, reason in reversed(unique.items())]


def choose_chip(store: Mapping[str, Any], candidates: Sequence[str]) -> str:
    """The clearest chip of a block; ties go to the first name."""
    clear = {chip["chip"]: float(chip["clear_joint"]) for chip in store["chips"]}
    known = [chip for chip in sorted(candidates) if chip in clear]
    return max(known, key=lambda chip: clear[chip])


def read_chip(store: Path, chip: str, names: Sequence[str]) -> dict[str, Bytes]:
    """Reference, clear mask and true-colour pictures of one chip.

    Args:
        store: the site's chip store.
        chip: its name.
        names: names of all chips in the order of the arrays.

    Returns:
        `label`, `clear` (y, x) uint8; `sentinel2`, `landsat` (y, x, 3) uint8 at native resolution, both stretched by
        the 2nd and 98th percentile of the Sentinel-2 picture so that they are comparable.
    """
    import zarr

    index = list(names).index(chip)
    root: Any = zarr.open_group(store, mode="r")
    pictures = {product: _reflectance(root[f"{product}/{grid}"], index, bands)
                for product, (grid, bands) in TRUE_COLOUR.items()}  # fmt: skip
    low, high = np.nanpercentile(pictures["sentinel2"], (2, 98))
    result = {name: np.asarray(root[name][index], dtype=np.uint8) for name in ("label", "clear")}
    for product, values in pictures.items():
        stretched = np.clip((values - low) / max(high - low, 1e-6), 0, 1) ** BRIGHTEN
        result[product] = np.nan_to_num(255 * stretched).astype(np.uint8)
    return result


def _reflectance(group: Any, index: int, bands: Sequence[str]) -> NDArray[np.float32]:
    """Surface reflectance of three bands, (y, x, 3), NaN for nodata."""
    stored = list(group.attrs["bands"])
    array = group["values"]
    raw = np.stack([np.asarray(array[index, stored.index(band)]) for band in bands], axis=-1)
    values = raw.astype(np.float32) * array.attrs["scale_factor"] + array.attrs["add_offset"]
    return np.where(raw == array.attrs["_FillValue"], np.nan, values).astype(np.float32)


def difference_map(reference: Bytes, scored: NDArray[np.bool_], first: Bytes, second: Bytes) -> Bytes:
    """Where two predictions differ in being right, (y, x) codes of this module; unscored pixels apart."""
    right_first, right_second = first == reference, second == reference
    codes = np.where(right_first, np.where(right_second, BOTH_RIGHT, ONLY_FIRST),
                     np.where(right_second, ONLY_SECOND, BOTH_WRONG))  # fmt: skip
    result: Bytes = np.where(scored, codes, NOT_SCORED).astype(np.uint8)
    return result


def class_png(codes: Bytes) -> str:
    """Label codes as a data URI; codes without a colour are transparent."""
    return palette_png(codes, {code: rgb(colour) for code, colour in CLASS_COLOURS.items()})


def palette_png(codes: Bytes, colours: Mapping[int, tuple[int, int, int]]) -> str:
    """Small integer codes as a palette PNG; codes without a colour are transparent."""
    from PIL import Image

    table = bytearray(768)
    for code, (red, green, blue) in colours.items():
        table[3 * code : 3 * code + 3] = bytes((red, green, blue))
    height, width = codes.shape
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(codes).tobytes())
    image.putpalette(bytes(table))
    transparent = bytes(0 if code not in colours else 255 for code in range(256))
    return _uri(image, transparency=transparent)


def colour_png(picture: Bytes) -> str:
    """An RGB picture (y, x, 3) as a data URI."""
    from PIL import Image

    return _uri(Image.fromarray(picture))


def _uri(image: Any, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
