"""A chip store from arrays that are in memory as a whole, for fabricated ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from anyband.chips.shards import Shards, checksums
from anyband.chips.store import new_store
from anyband.products import PRODUCTS

Array = np.ndarray


@dataclass(frozen=True)
class BandStack:
    """Bands of one product on one grid.

    Attributes:
        values: (chip, band, y, x) integers in the product's store encoding.
        offset_m: (chip, 2) float32, (dx, dy) metres of the corner from the chip's, x right, y down.
    """

    product: str
    pixel_m: int
    bands: tuple[str, ...]
    values: Array
    offset_m: Array


@dataclass(frozen=True)
class QualityStack:
    """Quality layer of one product: `values` as delivered and `clear` uint8 (0, 1), both (chip, y, x)."""

    product: str
    pixel_m: int
    layer: str
    values: Array
    clear: Array
    offset_m: Array


@dataclass(frozen=True)
class SiteChips:
    """All chips of one site; `label` and `clear` are (chip, y, x) uint8 on the 10 m grid.

    `chips` and `dropped` hold one JSON object a chip, that of its pair in it, `chips` in the order of the arrays.
    """

    site: str
    dataset: str
    epsg: int
    chip_m: int
    chips: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    simulated: str | None
    label: Array
    clear: Array
    stacks: Sequence[BandStack]
    qualities: Sequence[QualityStack] = field(default_factory=tuple)


def write_store(path: Path, content: SiteChips) -> None:
    """Write a small store that is in memory as a whole."""
    _check(content)
    count = len(content.chips)
    with new_store(path, content.chip_m, count) as store:
        store.append({"label": content.label, "clear": content.clear})
        for quality in content.qualities:
            store.add_quality(quality.product, quality.pixel_m, quality.layer, quality.values.dtype)
            name = f"{quality.product}/qa"
            store.append({f"{name}/values": quality.values, f"{name}/clear": quality.clear})
        store.close_quality()
        for quality in content.qualities:
            store.place(f"{quality.product}/qa", quality.offset_m)
        for stack in content.stacks:
            name = store.add_bands(stack.product, stack.pixel_m, stack.bands, count)
            array: Any = zarr.open_array(store.path / name / "values", mode="r+")
            shards = Shards.of(array)
            for start in range(0, count, shards.chips):
                shards.write(start, stack.values[start : start + shards.chips])
            store.place(name, stack.offset_m, checksum=checksums(stack.values))
        listed = {"chips": content.chips, "dropped": content.dropped}
        shared = {str(entry["pair"]): _only(entry, of_pair=True) for entry in [*content.dropped, *content.chips]}
        known = {name: [_only(entry, of_pair=False) for entry in entries] for name, entries in listed.items()}
        names = ("site", "dataset", "epsg", "simulated")
        store.finish(known | {"pairs": shared} | {name: getattr(content, name) for name in names}, {})


def _only(entry: dict[str, Any], of_pair: bool) -> dict[str, Any]:
    """What the store says of a chip's pair, or of the chip alone."""
    shared = ("epsg", "items", "platforms", "datetimes", "angles_deg")
    return {k: v for k, v in entry.items() if (k in shared) == of_pair}


def _check(content: SiteChips) -> None:
    count = len(content.chips)
    arrays = {"label": content.label, "clear": content.clear}
    arrays |= {f"{s.product}/{s.pixel_m}m": s.values for s in content.stacks}
    arrays |= {f"{q.product}/qa": q.values for q in content.qualities}
    for name, array in arrays.items():
        assert len(array) == count, f"{name} holds {len(array)} chips, the list names {count}"
    for stack in content.stacks:
        assert stack.values.dtype == PRODUCTS[stack.product].encoding.dtype, (
            f"{stack.product} is not in its store encoding"
        )
