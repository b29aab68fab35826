"""What the split has to know about the chips of a dataset: where, which classes, which scenes, which pixels."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.catalog.pairs.selection import Drop
from anyband.catalog.pairs.site_pairs import DROP_COLUMNS
from anyband.catalog.pairs.why_none import advise, causes, list_reasons
from anyband.chips.store import band_groups, chip_entries, open_site, read_array, read_parts
from anyband.ground import Array
from anyband.landcover import LABEL_PIXEL_M, NO_LABEL
from anyband.products import OPTICAL, PRODUCTS
from anyband.runtime import UserError, read_csv
from anyband.splits.spatial import Positions


@dataclass(frozen=True)
class Windows:
    """Source pixels of one band group: `item` (N,) ids, "" where a chip has none, and `corner` (N, 2) of the window.

    Corners are the left edge and the top of what was read, in metres of the chip's UTM zone, northings counted from
    the equator. A window is as large as a chip.
    """

    item: Array
    corner: Array


@dataclass(frozen=True)
class Survey:
    """All N chips of a dataset, sites in the order they were given.

    Attributes:
        site, chip: (N,) str.
        positions: where they lie.
        counts: (N, K) scored pixels (labelled and jointly clear) of every class.
        windows: source pixels by band group, "landsat/30m"; not those of the label, for all sites may share its map.
        digests: per chip, one SHA-1 of the finest pixels of every product.
        mosaics: label raster (y, x) of every site on its 10 m grid, 0 where no chip was kept; of every image in files
            of one's own.
        block: (N,) names of blocks that come with the chips; None where the ground decides.
        given: (N,) the split that a chip's row of the table names, "" for none.
        located: whether the chips have coordinates; if not, `positions` are those within each image.
    """

    site: Array
    chip: Array
    positions: Positions
    counts: Array
    windows: dict[str, Windows]
    digests: list[set[str]]
    mosaics: list[Array]
    block: Array | None = None
    given: Array | None = None
    located: bool = True

    def __len__(self) -> int:
        """Number of chips."""
        return len(self.chip)


def survey_stores(stores: Sequence[Path], codes: Sequence[int], chip_m: int) -> Survey:
    """Read what is needed of the chip stores `stores`; classes are `codes`.

    Raises:
        UserError: a missing or unfinished store, stores of another chip side, a chip that occurs twice,
            or no chip at all.
    """
    entries: list[dict[str, Any]] = []
    counts, mosaics, digests = [], [], []
    offsets: dict[str, dict[str, Array]] = {}  # (n, 2) of each store, by band group
    for path in stores:
        group = open_site(path)
        if int(group.attrs["chip_m"]) != chip_m:
            found = f"{path} holds chips of {group.attrs['chip_m']} m, the settings say {chip_m} m"
            raise UserError(f"{found}: extract again")
        if chips := chip_entries(group):
            label, name = read_array(group, "label"), str(group.attrs["site"])
            entries += [entry | {"site": name} for entry in chips]
            counts.append(_count(np.where(read_array(group, "clear") == 1, label, NO_LABEL), codes))
            own = group.attrs.get("source") == "folder"
            images = [entry["pair"] if own else 0 for entry in chips]
            for image in dict.fromkeys(images):
                chosen = [n for n, number in enumerate(images) if number == image]
                mosaics.append(_mosaic(label[chosen], [chips[n] for n in chosen], chip_m))
            digests += _digests(group, len(chips))
            for product in _products(group):
                for pixel_m, _ in band_groups(group, product):
                    layer = f"{product}/{pixel_m}m"
                    offsets.setdefault(layer, {})[name] = read_array(group, f"{layer}/offset_m")
    if not entries:
        raise UserError(_why_empty(stores))
    names, count = np.unique([str(entry["chip"]) for entry in entries], return_counts=True)
    if count.max() > 1:
        raise UserError(f"chip {names[count.argmax()]} occurs twice: name every store once")
    half, x0, y0, epsg = chip_m / 2, *(np.array([entry[key] for entry in entries]) for key in ("x0", "y0", "epsg"))
    positions = Positions(x0 + half, y0 - half, epsg, float(chip_m))
    site = np.array([entry["site"] for entry in entries])
    return Survey(
        site=site,
        chip=np.array([str(entry["chip"]) for entry in entries]),
        positions=positions,
        counts=np.concatenate(counts),
        windows=dict(_windows(entries, site, positions, offsets)),
        digests=digests,
        mosaics=mosaics,
        block=np.array([entry["block"] for entry in entries]) if all("block" in entry for entry in entries) else None,
        given=np.array([entry.get("split", "") for entry in entries]),
        located=bool(epsg.all()),
    )


def _why_empty(stores: Sequence[Path]) -> str:
    """One line on stores without chips: what pairing left out where a site has no pairs, what cutting did elsewhere."""
    counts: Counter[str] = Counter()
    every: list[Drop] = []
    for path in stores:
        found = [Drop("", "", entry["reason"], entry.get("detail", "")) for entry in open_site(path).attrs["dropped"]]
        table = path.parents[2] / "pairs" / path.parent.name / f"{path.stem}.dropped.csv"
        if not found and table.is_file():
            rows = read_csv(table).fillna("").loc[:, list(DROP_COLUMNS)]
            found = [Drop(*map(str, row)) for row in rows.itertuples(index=False)]
        counts += causes(found)
        every += found
    return f"no chip in any store ({list_reasons(counts) or 'no pairs of scenes'}): {advise(counts, every)}"


def _products(group: Any) -> Iterator[str]:
    return (product for product in OPTICAL if product in group)


def _windows(
    entries: Sequence[dict[str, Any]], site: Array, positions: Positions, offsets: dict[str, dict[str, Array]]
) -> Iterator[tuple[str, Windows]]:
    """Source pixels by band group; nothing and the chip's own corner where a store lacks the group."""
    half = positions.side_m / 2
    for layer, by_site in offsets.items():
        corner = np.stack([positions.x - half, positions.northing + half], axis=1)
        for name, shift in by_site.items():
            corner[site == name] += shift * (1, -1)
        items = [str(entry["items"].get(layer.split("/")[0], "")) for entry in entries]
        yield layer, Windows(np.array(items), corner)


def _count(label: Array, codes: Sequence[int]) -> Array:
    """(N, K) pixels of every class in label rasters (N, y, x)."""
    flat = label.reshape(len(label), -1)
    return np.stack([(flat == code).sum(axis=1) for code in codes], axis=1)


def _digests(group: Any, count: int) -> list[set[str]]:
    """Hashes of the finest pixels of every product, chip by chip; chips without a single valid pixel have none."""
    found: list[set[str]] = [set() for _ in range(count)]
    for product in _products(group):
        pixel_m = band_groups(group, product)[0][0]
        for chips, values in read_parts(group, f"{product}/{pixel_m}m/values"):
            for chip, pixels in zip(chips, np.ascontiguousarray(values), strict=True):
                if (pixels != PRODUCTS[product].encoding.nodata).any():
                    found[chip].add(hashlib.sha1(pixels.data, usedforsecurity=False).hexdigest())
    return found


def _mosaic(label: Array, chips: Sequence[dict[str, Any]], chip_m: int) -> Array:
    """Labels of one site put together from its chips; dates overlap and agree."""
    size = chip_m // LABEL_PIXEL_M
    rows, cols = (1 + max(int(chip[key]) for chip in chips) for key in ("row", "col"))
    mosaic = np.full((rows * size, cols * size), NO_LABEL, np.uint8)
    for pixels, chip in zip(label, chips, strict=True):
        top, left = int(chip["row"]) * size, int(chip["col"]) * size
        mosaic[top : top + size, left : left + size] = pixels
    return mosaic
