"""Items whose files have been opened: their bands in groups of one grid, read in strips of ground."""

import math
import re
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from affine import Affine
from odc.geo.geobox import GeoBox
from torch import Tensor

from anyband.apply.item import Layer, OpticalItem
from anyband.apply.tiling import CLOSE, Cut, Lattice, Read, column_at, row_at
from anyband.ground import Array, northing_shift
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.products import BRIGHTEST_MEDIAN, Encoding
from anyband.raster.asset import RasterAsset
from anyband.raster.header import Header, read_metric_header
from anyband.raster.quality_layers import DECODERS
from anyband.raster.windows import RowFile
from anyband.runtime import UserError
from anyband.sensors import Band, BandSet

LISTED = 16
"""Bands, and what is not used, that are named one by one."""
MANY_BANDS = 32
"""Bands of an item from which on a number in a band's name is its place in the file, and not a channel's name."""
NEVER_REFLECTANCE = 3.0
"""What half of no few pixels of a band ever is, under clouds too."""
FEW_PIXELS = 100
"""Fewer tell nothing: they may be the edges of clouds, or glint."""
READERS = 8
"""Files that are opened or read at once, which is what makes reading over a network quick."""


@dataclass(frozen=True)
class GridBands:
    """Bands of one grid in the order of their files, and how the numbers of each are stored."""

    bands: BandSet
    grid: GeoBox
    files: tuple[RowFile, ...]
    encodings: tuple[Encoding, ...]


@dataclass(frozen=True)
class Strip:
    """Rows of a group over its whole width: values and valid (C, rows, columns), and the northing of the first row."""

    group: GridBands
    values: Array
    valid: Array
    top: float

    def cut(self, lefts: Sequence[float], top: float, product: str, facts: tuple[float, ...]) -> BandGroup:
        """The squares, as high as the strip, from the pixels that contain the corners (`lefts`, `top`)."""
        grid, size = self.group.grid, self.values.shape[1]
        values = np.zeros((len(lefts), len(self.group.bands), size, size), np.float32)
        valid = np.zeros(values.shape, bool)
        offsets = np.zeros((len(lefts), 2), np.float32)
        for n, left in enumerate(lefts):
            first = column_at(grid, left)
            start, stop = max(first, 0), min(first + size, grid.width)
            if start < stop:
                target = slice(start - first, stop - first)
                values[n, :, :, target] = self.values[:, :, start:stop]
                valid[n, :, :, target] = self.valid[:, :, start:stop]
            offsets[n] = grid.affine.c + first * grid.affine.a - left, top - self.top
        return BandGroup(
            product=product,
            values=torch.from_numpy(values),
            valid=torch.from_numpy(valid),
            band_sets=(self.group.bands,),
            band_set_index=torch.zeros(len(lefts), dtype=torch.int64),
            pixel_m=grid.affine.a,
            offset_m=torch.from_numpy(offsets),
            scene=torch.tensor([facts]),
        )


@dataclass(frozen=True)
class ClearMask:
    """A clear mask (y, x) bool and where it lies."""

    mask: Array
    grid: GeoBox

    def at(self, grid: GeoBox) -> Array:
        """The mask at the pixel centres of another grid.

        Up to one pixel beyond its edge the outermost value holds; further off nothing is clear.
        """
        if not self.mask.size:
            return np.zeros(grid.shape, bool)
        mine, theirs = self.grid.affine, grid.affine
        y = mine.f - theirs.f + (np.arange(grid.height) + 0.5) * theirs.a
        x = theirs.c - mine.c + (np.arange(grid.width) + 0.5) * theirs.a
        index = [np.floor(v / mine.a + CLOSE).astype(int) for v in (y, x)]
        sizes = self.mask.shape
        inside = [(i >= -1) & (i <= count) for i, count in zip(index, sizes, strict=True)]
        rows, columns = (np.clip(i, 0, count - 1) for i, count in zip(index, sizes, strict=True))
        found: Array = self.mask[rows[:, None], columns] & np.logical_and.outer(*inside)
        return found


class ReflectanceWatch:
    """Counts clear pixels that are too bright to be reflectance, whatever the item says of them."""

    def __init__(self, item: OpticalItem) -> None:
        """Nothing was seen yet."""
        self.layers = {layer.band: layer for layer in item.layers}
        self.counts: dict[str, Array] = {}

    def see(self, band: str, encoding: Encoding, stored: Array, valid: Array) -> None:
        """Count pixels of a band.

        Raises:
            UserError: most of them are far above any reflectance.
        """
        if not encoding.scale > 0:
            raise self.layers[band].unusable(f"raster:scale of band {band} is {encoding.scale:g}")
        seen = stored[valid]
        limits = [(limit - encoding.offset) / encoding.scale for limit in (BRIGHTEST_MEDIAN, NEVER_REFLECTANCE)]
        found = np.array([seen.size, *(np.count_nonzero(seen > limit) for limit in limits)])
        self.counts[band] = self.counts.get(band, np.zeros(3, int)) + found
        if found[0] >= FEW_PIXELS and 2 * found[2] > found[0]:
            raise self._error(band, f"half of its pixels are above {np.median(encoding.physical(seen)):.4g}")

    def check(self) -> None:
        """Raise UserError if most of the pixels of a band are above what reflectance can be."""
        for band, (count, above, _) in self.counts.items():
            if count >= FEW_PIXELS and 2 * above > count:
                raise self._error(band, f"{above / count:.0%} of its pixels are above {BRIGHTEST_MEDIAN:g}")

    def _error(self, band: str, seen: str) -> UserError:
        layer = self.layers[band]
        pairs = (("scale", layer.scale), ("offset", layer.offset))
        said = ", ".join(f"{name} {value:g}" for name, value in pairs if value is not None) or "no scale and offset"
        return layer.unusable(f"band {band} is no surface reflectance: {seen} (the item says {said})")


class OpenItem:
    """An item with its headers read, in the CRS `epsg`."""

    def __init__(self, item: OpticalItem, product: str, epsg: int | None, pool: ThreadPoolExecutor) -> None:
        """Open all files.

        Args:
            item: what to open.
            product: what models are to know it as.
            epsg: CRS of the map; that of the item for None.
            pool: threads that read.

        Raises:
            UserError: a file is not readable, not what its item says, or in another CRS than `epsg`.
        """
        self.item, self.product, self.pool = item, product, pool
        own, headers = _headers(item, pool)
        self.epsg = own if epsg is None else epsg
        try:
            shift = 0.0 if own == self.epsg else northing_shift(own, self.epsg)
        except UserError:
            raise UserError(
                f"item {item.id} is in EPSG:{own}, the first one in EPSG:{self.epsg}: name items of one CRS"
            ) from None
        crs = f"EPSG:{self.epsg}"
        grids = {
            href: GeoBox(header.shape, Affine.translation(0, shift) * Affine(*header.transform), crs)
            for href, header in headers.items()
        }
        self.groups = _groups(item, headers, grids)
        self.watch = ReflectanceWatch(item)
        self.quality = None
        if item.quality is not None:
            href = item.quality.href
            self.quality = grids[href], RowFile(item.quality, headers[href])

    @property
    def grid(self) -> GeoBox:
        """The finest grid."""
        return self.groups[0].grid

    @property
    def addresses(self) -> list[str]:
        """Files of the bands and of the quality layer."""
        return [layer.href for layer in self.item.layers] + ([self.item.quality.href] if self.item.quality else [])

    def strips(self, top: float, lattice: Lattice) -> list[Strip]:
        """The pixels under the tiles whose upper edge is the northing `top`, as reflectance and validity."""
        clear = self._clear(top, lattice.tile_m)
        return [self._strip(group, lattice.pixels(group.grid), top, clear) for group in self.groups]

    def _strip(self, group: GridBands, size: int, top: float, clear: ClearMask | None) -> Strip:
        grid = group.grid
        first = row_at(grid, top)
        start, stop = max(first, 0), min(first + size, grid.height)
        values = np.zeros((len(group.bands), size, grid.width), np.float32)
        valid = np.zeros(values.shape, bool)
        if start < stop:
            stored = chain.from_iterable(self.pool.map(lambda file: file.rows(start, stop), group.files))
            part, seen = slice(start - first, stop - first), None if clear is None else clear.at(grid[start:stop])
            for band, (pixels, encoding) in enumerate(zip(stored, group.encodings, strict=True)):
                own = ~np.ma.getmaskarray(pixels)
                values[band, part], valid[band, part] = encoding.reflectance(
                    pixels.data, own if seen is None else own & seen
                )
                self.watch.see(group.bands.bands[band].name, encoding, pixels.data, valid[band, part])
        return Strip(group, values, valid, grid.affine.f - first * grid.affine.a)

    def _clear(self, top: float, side_m: float) -> ClearMask | None:
        """Clear mask of the ground that any group may need for a strip."""
        if self.quality is None or self.item.quality is None:
            return None
        grid, file = self.quality
        margin = max(group.grid.affine.a for group in self.groups) + grid.affine.a
        start, stop = max(row_at(grid, top + margin), 0), min(row_at(grid, top - side_m - margin) + 1, grid.height)
        if start >= stop:
            return ClearMask(np.zeros((0, 0), bool), grid)
        stored, values = file.rows(start, stop)[0], self.item.clear_values
        clear = np.isin(stored.data, values) if values else DECODERS[self.item.quality.decoder](stored.data)
        return ClearMask(clear & ~np.ma.getmaskarray(stored), grid[start:stop])

    def crop(self, left: float, right: float) -> None:
        """Read only what tiles between two eastings may need, so that memory follows the map and not the scene."""
        coarse = max(group.grid.affine.a for group in self.groups)
        groups = []
        for group in self.groups:
            first, end = _columns(group.grid, left - coarse, right + coarse)
            for file in group.files:
                file.crop(first, end)
            groups.append(replace(group, grid=group.grid[:, first:end]))
        self.groups = groups
        if self.quality is not None:
            grid, file = self.quality
            margin = 2 * coarse + grid.affine.a
            first, end = _columns(grid, left - margin, right + margin)
            file.crop(first, end)
            self.quality = grid[:, first:end], file


def _columns(grid: GeoBox, left: float, right: float) -> tuple[int, int]:
    """First and end of the columns between two eastings, one at least."""
    first = min(max(column_at(grid, left), 0), grid.width - 1)
    return first, max(min(column_at(grid, right) + 1, grid.width), first + 1)


def what_is_used(item: OpticalItem) -> str:
    """One line on the bands of an item that are used, and on what is not, and why not."""
    names = [layer.band for layer in item.layers]
    used = ", ".join(names) if len(names) <= LISTED else f"{len(names)} from {names[0]} to {names[-1]}"
    clouds = f"clouds by {item.quality.asset}" if item.quality else "no mask of clouds"
    entries = [f"{name} ({reason})" for name, reason in item.unused.items()]
    more = [f"and {len(entries) - LISTED} more"] if len(entries) > LISTED else []
    left = ", ".join([*entries[:LISTED], *more])
    return f"item {item.id}: bands used: {used}; {clouds}" + (f"; not used: {left}" if left else "")


def open_items(items: Iterable[OpticalItem]) -> list[OpenItem]:
    """Read the headers of all files of items; all come in the CRS of the first one.

    A second acquisition of a product gets a name of its own ("sentinel2 2"), or models would take both for one.

    Raises:
        UserError: naming item and asset: unreadable, not described, or in another CRS than the first one.
    """
    pool, opened, count = ThreadPoolExecutor(READERS), list[OpenItem](), dict[str, int]()
    for item in items:
        number = count[item.product] = count.get(item.product, 0) + 1
        product = item.product if number == 1 else f"{item.product} {number}"
        opened.append(OpenItem(item, product, opened[0].epsg if opened else None, pool))
        sys.stderr.write(f"anyband: {what_is_used(item)}\n")
    return opened


def reader(items: Sequence[OpenItem], lattice: Lattice) -> Read:
    """What `tiling.map_rows` reads tiles with."""

    def read(top: float) -> Cut:
        strips = [(item, strip) for item in items for strip in item.strips(top, lattice)]

        def cut(lefts: Sequence[float]) -> Observation:
            return Observation(tuple(strip.cut(lefts, top, one.product, one.item.facts) for one, strip in strips))

        return cut

    return read


def seen_by_any(observation: Observation, query: QueryGrid) -> Tensor:
    """Where at least one acquisition saw the ground at a query pixel's centre, on its finest grid, (B, H, W) bool."""
    found = [_seen(observation.of(product)[0], query) for product in sorted(observation.products)]
    return torch.stack(found).any(dim=0)


def _seen(group: BandGroup, query: QueryGrid) -> Tensor:
    valid = group.valid.any(dim=1)
    dx, dy = group.offset_m.double().unbind(1)
    rows, columns = (
        (((torch.arange(count) + 0.5) * query.pixel_m - offset[:, None]) / group.pixel_m + CLOSE).floor().long()
        for count, offset in ((query.height, dy), (query.width, dx))
    )
    height, width = valid.shape[1:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    samples = torch.arange(len(valid))[:, None, None]
    return valid[samples, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]] & inside


def _headers(item: OpticalItem, pool: ThreadPoolExecutor) -> tuple[int, dict[str, Header]]:
    """CRS of an item, and headers by address.

    Raises:
        UserError: unreadable, or of different CRS.
    """
    announced: list[RasterAsset] = [*item.layers, *([item.quality] if item.quality else [])]
    files = {x.href: replace(x, epsg=item.epsg, pixel_m=0.0, dtype=None, count=None) for x in announced}
    headers = dict(zip(files, pool.map(read_metric_header, files.values()), strict=True))
    first = announced[0]
    own = item.epsg if item.epsg is not None else headers[first.href].epsg
    if own is None:
        raise first.unusable("its CRS has no EPSG code, and the item has neither proj:epsg nor proj:code")
    for href, header in headers.items():
        if item.epsg is None and header.epsg != own:
            raise UserError(f"{files[href].name} is in EPSG:{header.epsg}, asset {first.asset} in EPSG:{own}")
    return own, headers


def _groups(item: OpticalItem, headers: dict[str, Header], grids: dict[str, GeoBox]) -> list[GridBands]:
    """Bands that share a grid together, the finest grid first."""
    members: dict[GeoBox, dict[str, list[Layer]]] = {}
    for layer in item.layers:
        members.setdefault(grids[layer.href], {}).setdefault(layer.href, []).append(layer)
    groups = []
    for grid, files in sorted(members.items(), key=lambda entry: entry[0].affine.a):
        files = {href: _placed(own, headers[href]) for href, own in files.items()}
        layers = list(chain.from_iterable(files.values()))
        pixel_m = grid.affine.a
        bands = tuple(Band(x.band, x.concept, x.response, x.gsd_m or pixel_m, pixel_m) for x in layers)
        encodings = tuple(_encoding(x, headers[x.href]) for x in layers)
        readers = tuple(RowFile(own[0], headers[href], own) for href, own in files.items())
        groups.append(GridBands(BandSet(item.platform, bands), grid, readers, encodings))
    return groups


def _placed(layers: Sequence[Layer], header: Header) -> list[Layer]:
    """The bands of one file with their numbers in it, which an item that leaves some of them out does not tell.

    The names of all described bands are looked for among those of the file; else the bands are in its order, if there
    are as many. Of very many bands, as of an imaging spectrometer, the numbers in their names tell.

    Raises:
        UserError: nothing tells which band is which.
    """
    placed = []
    for layer in layers:
        names, count = layer.names, len(header.dtypes)
        numbers = [int(found[0]) for name in names if (found := re.findall(r"\d+$", name))]
        base = 0 if 0 in numbers else 1
        if not names or len(names) > count:
            index = layer.index
        elif len(set(names)) == len(names) and all(header.names.count(name) == 1 for name in names):
            index = header.names.index(names[layer.index - 1]) + 1
        elif len(names) in (count, header.data_bands):
            index = layer.index
        elif (
            len(names) >= MANY_BANDS
            and len(set(numbers)) == len(names)
            and len(names) < max(numbers) + 1 - base <= count
        ):
            index = numbers[layer.index - 1] + 1 - base
        else:
            raise layer.unusable(
                f"its file has {count} bands, the item describes {len(names)} of them: which ones, neither names nor "
                "numbers tell"
            )
        placed.append(replace(layer, index=index))
    return placed


def _encoding(layer: Layer, header: Header) -> Encoding:
    """How the numbers of a band are stored; what the item does not say is the file's.

    Raises:
        UserError: the band is not in the file, or integers have no scale anywhere.
    """
    if layer.index > len(header.dtypes):
        raise layer.unusable(f"it has {len(header.dtypes)} bands, the item describes more")
    dtype, own = header.dtypes[layer.index - 1], (header.scales[layer.index - 1], header.offsets[layer.index - 1])
    if layer.dtype is not None and np.dtype(layer.dtype).kind != np.dtype(dtype).kind:
        raise layer.unusable(f"its pixels are {dtype}, the product has {layer.dtype}")
    scale, offset = _scale_and_offset(layer, own)
    if scale == 1 and np.dtype(dtype).kind != "f":
        raise layer.unusable("raster:scale is missing, and its pixels are integers")
    return Encoding(dtype, scale, offset, np.nan if layer.nodata is None else layer.nodata)


def _scale_and_offset(layer: Layer, own: tuple[float, float]) -> tuple[float, float]:
    """Both of the item, or both of the file (`own`): one of each would be wrong by a whole offset.

    Raises:
        UserError: the item says one of the two, and the file contradicts it.
    """
    if layer.scale is not None and layer.offset is not None:
        return layer.scale, layer.offset
    said = (layer.scale, own[0]), (layer.offset, own[1])
    agree = all(value is None or math.isclose(value, file, rel_tol=1e-5) for value, file in said)
    if agree or (layer.scale is None and layer.offset is None):
        return own
    if own == (1.0, 0.0):
        return 1.0 if layer.scale is None else layer.scale, layer.offset or 0.0
    mine = ", ".join(f"{n} {v:g}" for n, v in (("scale", layer.scale), ("offset", layer.offset)) if v is not None)
    raise layer.unusable(f"the item says {mine} alone, its file scale {own[0]:g} and offset {own[1]:g}")
