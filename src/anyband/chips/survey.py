"""What the split has to know about the chips of a dataset: where, which classes, which scenes, which pixels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.blocks import Positions
from anyband.chips.bulk import band_groups, open_site, read_array
from anyband.chips.encoding import LABEL_NODATA, LABEL_PIXEL_M, Array
from anyband.runtime import UserError


@dataclass(frozen=True)
class Survey:
    """All N chips of a dataset, sites in the order they were given.

    Attributes:
        site, chip: (N,) str.
        positions: where they lie.
        counts: (N, K) scored pixels (labelled and jointly clear) of every class.
        items: per chip, the source item of every product; the label's is left out, for all sites may share its map.
        digests: per chip, one SHA-1 of the finest pixels of every product.
        mosaics: label raster (y, x) of every site on its 10 m grid, 0 where no chip was kept.
    """

    site: Array
    chip: Array
    positions: Positions
    counts: Array
    items: list[frozenset[str]]
    digests: list[frozenset[str]]
    mosaics: list[Array]

    def __len__(self) -> int:
        """Number of chips."""
        return len(self.chip)


def survey_stores(stores: Sequence[Path], codes: Sequence[int], chip_m: int) -> Survey:
    """Read what is needed of the chip stores `stores`; classes are `codes`.

    Raises:
        UserError: a missing or unfinished store, stores of another chip side, a chip that occurs twice,
            or no chip at all.
    """
    sites, entries, counts, digests, mosaics = [], [], [], [], []
    for path in stores:
        group = open_site(path)
        if int(group.attrs["chip_m"]) != chip_m:
            raise UserError(
                f"{path} holds chips of {group.attrs['chip_m']} m, the settings say {chip_m} m: extract again"
            )
        chips = list(group.attrs["chips"])
        if not chips:
            continue
        label = read_array(group, "label")
        sites += [str(group.attrs["site"])] * len(chips)
        entries += chips
        counts.append(_count(np.where(read_array(group, "clear") == 1, label, LABEL_NODATA), codes))
        digests += _digests(group, len(chips))
        mosaics.append(_mosaic(label, chips, chip_m))
    if not entries:
        raise UserError("no chip in any store (all scenes cloudy?): widen the dates, lower min_clear or chip_min_clear")
    names = [str(entry["chip"]) for entry in entries]
    if len(set(names)) < len(names):
        raise UserError(f"chip {next(n for n in names if names.count(n) > 1)} occurs twice: name every store once")
    half = chip_m / 2
    return Survey(
        site=np.array(sites),
        chip=np.array(names),
        positions=Positions(
            x=np.array([entry["x0"] + half for entry in entries]),
            y=np.array([entry["y0"] - half for entry in entries]),
            epsg=np.array([entry["epsg"] for entry in entries]),
            side_m=float(chip_m),
        ),
        counts=np.concatenate(counts),
        items=[frozenset(item for product, item in entry["items"].items() if product != "label") for entry in entries],
        digests=digests,
        mosaics=mosaics,
    )


def _count(label: Array, codes: Sequence[int]) -> Array:
    """(N, K) pixels of every class in label rasters (N, y, x)."""
    flat = label.reshape(len(label), -1)
    return np.stack([(flat == code).sum(axis=1) for code in codes], axis=1)


def _digests(group: Any, count: int) -> list[frozenset[str]]:
    """Hashes of the finest pixels of every product, chip by chip."""
    found: list[set[str]] = [set() for _ in range(count)]
    for product in sorted(name for name, _ in group.groups()):
        pixel_m = band_groups(group, product)[0][0]
        values = np.ascontiguousarray(read_array(group, f"{product}/{pixel_m}m/values"))
        for index in range(count):
            found[index].add(hashlib.sha1(values[index].data, usedforsecurity=False).hexdigest())
    return [frozenset(hashes) for hashes in found]


def _mosaic(label: Array, chips: Sequence[dict[str, Any]], chip_m: int) -> Array:
    """Labels of one site put together from its chips; dates overlap and agree."""
    size = chip_m // LABEL_PIXEL_M
    rows, cols = (1 + max(int(chip[key]) for chip in chips) for key in ("row", "col"))
    mosaic = np.full((rows * size, cols * size), LABEL_NODATA, np.uint8)
    for pixels, chip in zip(label, chips, strict=True):
        top, left = int(chip["row"]) * size, int(chip["col"]) * size
        mosaic[top : top + size, left : left + size] = pixels
    return mosaic
