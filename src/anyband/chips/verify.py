"""Reading a sample of a store's pixels from their sources again, by another reader than the one that cut them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.shards import checksums
from anyband.chips.store import band_groups, chip_entries, open_site
from anyband.ground import Array, northing_shift
from anyband.products import shift_stored
from anyband.raster.asset import RasterAsset, UnusableItemError
from anyband.raster.header import read_header
from anyband.raster.warp import MapWindow, read_warped
from anyband.runtime import UserError, progress


@dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes:
        chips: number that were looked at.
        layers: bands and quality layers of them that were read again.
        problems: one line for each that differs or cannot be read; empty when all is well.
    """

    chips: int
    layers: int
    problems: tuple[str, ...]


def verify_store(path: Path, sample: int, seed: int = 0) -> Verification:
    """Compare a sample of chips with their sources, pixel by pixel, and with their checksums.

    Args:
        path: the store of a site.
        sample: number of chips, all if there are fewer.
        seed: chooses them.

    Raises:
        UserError: no store there, one of another version, access is refused, or the provider stays out of reach.
    """
    store = open_site(path)
    if store.attrs.get("source") == "folder":
        raise UserError(f"{path} is made of files of your own: there is no provider to ask again")
    entries = chip_entries(store)
    chosen = np.random.default_rng(seed).permutation(len(entries))[:sample]
    problems: list[str] = []
    layers = 0
    for chip in progress(sorted(chosen.tolist()), f"verifying {store.attrs['site']}", len(chosen)):
        for product in entries[chip]["platforms"]:
            for name, again in _layers(store, chip, entries[chip], product):
                layers += 1
                if again:
                    problems.append(f"chip {entries[chip]['chip']}, {product} {name}: {again}")
    return Verification(len(chosen), layers, tuple(problems))


def _layers(store: Any, chip: int, entry: dict[str, Any], product: str) -> Iterator[tuple[str, str | None]]:
    """Name of every layer of one chip and product, and what is wrong with it."""
    source = next((s for s in store[product].attrs.get("sources", ()) if s["pair"] == entry["pair"]), None)
    if source is None:
        yield "sources", "the store does not say where its pixels are from"
        return
    for pixel_m, bands in band_groups(store, product):
        group = store[f"{product}/{pixel_m}m"]
        values = group["values"][chip]
        if checksums(values[None])[0] != group["checksum"][chip]:
            yield f"{pixel_m}m", "the stored pixels do not have their checksum"
        for band, name in enumerate(bands):
            described = source["bands"][name]
            file = _file(source, described, values.dtype, pixel_m, int(described["nodata"]))
            yield name, _difference(group, chip, entry, file, values[band], int(described["store_shift"]))
    group = store[f"{product}/qa"]
    values = group["values"][chip]
    file = _file(source, source["quality"], values.dtype, int(group.attrs["pixel_m"]), int(source["quality"]["fill"]))
    yield source["quality"]["asset"], _difference(group, chip, entry, file, values, 0)


def _file(source: dict[str, Any], described: dict[str, Any], dtype: Any, pixel_m: int, nodata: int) -> RasterAsset:
    return RasterAsset(
        source["item"],
        described["asset"],
        described["href"],
        source["epsg"],
        pixel_m,
        dtype=np.dtype(dtype).name,
        nodata=nodata,
        index=described.get("index", 1),
        count=described.get("count", 1),
    )


def _difference(
    group: Any, chip: int, entry: dict[str, Any], file: RasterAsset, stored: Array, shift: int
) -> str | None:
    """What differs between one layer of a chip and its source, None for nothing."""
    offset: Sequence[float] = group["offset_m"][chip].tolist()
    left = entry["x0"] + offset[0]
    epsg = entry["epsg"] if file.epsg is None else file.epsg
    top = entry["y0"] + northing_shift(entry["epsg"], epsg) - offset[1]
    size = stored.shape[-1]
    try:
        grid = read_header(file).transform
        again = read_warped([file], MapWindow(epsg, left, top, file.pixel_m, size, size))
    except UnusableItemError as error:
        return f"cannot be read again ({error})"
    place = round((grid[5] - top) / file.pixel_m), round((left - grid[2]) / file.pixel_m)
    if place != tuple(group["window"][chip].tolist()):
        return f"starts at pixel {place} of the source, the store says {tuple(group['window'][chip].tolist())}"
    differing = int((shift_stored(again, shift, file.nodata) != stored).sum())
    return f"{differing} of {stored.size} pixels differ from {file.name}" if differing else None
