"""What is known of the chips of a site while its store is filled: kept, dropped and why, and where their pixels are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anyband.catalog.items.acquisition import ANGLES, Acquisition
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.chips.read_plan import Chip, Group
from anyband.chips.screening import Screening, quality_layer
from anyband.chips.store import StoreWriter
from anyband.ground import Array, Footprint
from anyband.raster.quality_layers import FILL


@dataclass(frozen=True)
class ShardReport:
    """A shard that was written: window of every chip (row, col, dx, dy) and CRC-32C of its pixels.

    `lost` holds the position of a chip of each pair that is to be dropped, and the reason.
    """

    group: Group
    start: int
    windows: Array
    checksum: Array
    lost: tuple[tuple[int, str], ...]


class SiteIndex:
    """Chips of one site.

    Attributes:
        site: its name.
        kept: chips in the order of the arrays, and
        entries: what the store says about each of them.
        dropped: what the store says about the others.
        pairs: by number as text, what the store says about the pairs of all of them.
        lost: by number of the pair, why none of its chips can be had.
        checksums: by group of bands, CRC-32C (chip,) of the kept chips.
    """

    def __init__(self, site: str) -> None:
        """Nothing is known yet."""
        self.site = site
        self.kept: list[Chip] = []
        self.entries: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []
        self.pairs: dict[str, dict[str, Any]] = {}
        self.lost: dict[int, str] = {}
        self._windows: dict[str, Array] = {}  # by group, a row for each kept chip: row, column, dx, dy
        self.checksums: dict[str, Array] = {}

    def add(self, pair: ScenePair, footprints: Sequence[Footprint], screening: Screening) -> None:
        """Take some chips of a pair, which have been screened."""
        self.pairs[str(pair.number)] = _pair(pair)
        for footprint, share, reason in zip(footprints, screening.clear, screening.reasons, strict=True):
            entry = self._entry(pair, footprint) | {"clear_joint": round(float(share), 4)}
            if reason is None:
                self.kept.append(Chip(pair, footprint))
                self.entries.append(entry)
            else:
                self.dropped.append(entry | {"reason": reason})
        for product, quality in screening.quality.items() if len(screening.label) else ():
            name = f"{product}/qa"
            more = np.concatenate([quality.window, quality.offset_m], axis=1)
            self._windows[name] = np.concatenate([self._windows.get(name, np.zeros((0, 4))), more])

    def begin_bands(self, groups: Sequence[Group]) -> None:
        """Expect the bands of the chips that are kept."""
        for group in groups:
            self._windows[group.name] = np.zeros((len(self.kept), 4))
            self.checksums[group.name] = np.zeros(len(self.kept), np.uint32)

    def add_shard(self, report: ShardReport) -> None:
        """Take what is known of a shard of bands."""
        place = slice(report.start, report.start + len(report.windows))
        self._windows[report.group.name][place] = report.windows
        self.checksums[report.group.name][place] = report.checksum
        for position, reason in report.lost:
            self.lost.setdefault(self.kept[position].pair.number, reason)

    def forget_lost(self, store: StoreWriter) -> None:
        """Take the chips of lost pairs out again, here and in the store."""
        left = [i for i, chip in enumerate(self.kept) if chip.pair.number not in self.lost]
        if len(left) < len(self.kept):
            store.keep(left)
            self.kept, self.entries = [self.kept[i] for i in left], [self.entries[i] for i in left]
            self._windows = {name: rows[left] for name, rows in self._windows.items()}
            self.checksums = {name: rows[left] for name, rows in self.checksums.items()}

    def give_up(self, pair: ScenePair, footprints: Sequence[Footprint]) -> None:
        """List all chips of a lost pair as dropped, whatever else was found out about them."""
        self.dropped = [entry for entry in self.dropped if entry["pair"] != pair.number]
        self.pairs[str(pair.number)] = _pair(pair)
        why = {"reason": "unusable", "detail": self.lost[pair.number]}
        self.dropped += [self._entry(pair, footprint) | why for footprint in footprints]

    def place(self, store: StoreWriter) -> None:
        """Write where the pixels of the kept chips are."""
        for name, rows in self._windows.items():
            store.place(name, rows[:, 2:], rows[:, :2], self.checksums.get(name))

    def sources(self) -> dict[str, list[dict[str, Any]]]:
        """By product: where the pixels of each pair are from, and what turns them into reflectance."""
        pairs = {chip.pair.number: chip.pair for chip in self.kept}
        products = next(iter(pairs.values())).optical if pairs else ()
        return {product: [_source(pair, product) for pair in pairs.values()] for product in products}

    def _entry(self, pair: ScenePair, footprint: Footprint) -> dict[str, Any]:
        """What the store says about a chip; what its pair shares is said once, for there may be very many chips."""
        return {
            "chip": f"{self.site}-{pair.number}-r{footprint.row}c{footprint.col}",
            "pair": pair.number,
            "row": footprint.row,
            "col": footprint.col,
            "x0": footprint.x0,
            "y0": footprint.y0,
        }


def _pair(pair: ScenePair) -> dict[str, Any]:
    return {
        "epsg": pair.epsg,
        "items": {p: a.item_id for p, a in pair.optical.items()}
        | {"label": " ".join(label.item_id for label in pair.labels)},
        "platforms": {product: a.platform for product, a in pair.optical.items()},
        "datetimes": {product: a.datetime.isoformat() for product, a in pair.optical.items()},
        "angles_deg": {product: {name: getattr(a, name) for name in ANGLES} for product, a in pair.optical.items()},
    }


def _source(pair: ScenePair, product: str) -> dict[str, Any]:
    acquisition: Acquisition = pair.optical[product]
    layer = quality_layer(acquisition)
    names = ("asset", "href", "scale", "offset", "nodata", "store_shift")
    bands = {band: {name: getattr(asset, name) for name in names} for band, asset in acquisition.bands.items()}
    for band, asset in acquisition.bands.items():
        bands[band]["nodata"] = int(asset.nodata or 0)  # pixels are integers, whatever form an item gives it
        if asset.count != 1:
            bands[band] |= {"index": asset.index, "count": asset.count}
    return {
        "pair": pair.number,
        "item": acquisition.item_id,
        "collection": acquisition.collection,
        "epsg": acquisition.epsg,
        "bands": bands,
        "quality": {"asset": layer.asset, "href": layer.href, "fill": FILL[layer.decoder]},
    }
