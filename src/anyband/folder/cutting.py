"""From the files of a folder to a store of chips.

Chips lie on the grid of the first sensor of each image, from its upper-left corner; what is left at the right and at
the bottom is lost. A sensor that has no file for an image, or shows less of a chip clear than asked for, has missed
that chip, which other sensors may have seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.shards import Shards, checksum
from anyband.chips.store import StoreWriter, new_store
from anyband.config.schema import Files, QualityFile, SensorFiles
from anyband.folder.image import Image, open_image
from anyband.folder.labels import chip_labels
from anyband.folder.table import BLOCK, SPLIT, Row, read_rows
from anyband.ground import Array, sample_nearest
from anyband.landcover import LABEL_PIXEL_M
from anyband.products import PRODUCTS, Encoding
from anyband.raster.quality_layers import DECODERS, DTYPES
from anyband.runtime import UserError, progress
from anyband.sensors import get_sensor, platforms

ABSENT = "-"
"""Stands for a band of a file that is not read."""


@dataclass(frozen=True)
class BandFile:
    """A band of the registry in an image."""

    name: str
    image: Image
    index: int


@dataclass(frozen=True)
class Square:
    """A square of `side_m` metres with the upper-left corner (x, y) in `epsg` (0: within its image)."""

    x: float
    y: float
    side_m: int
    epsg: int

    def cut(self, image: Image, index: int) -> tuple[Array, Array, tuple[int, int], tuple[float, float]]:
        """Pixels (y, x) of a band, where there are any, row and column of the first, its offset (right, down) in m."""
        col, row = (
            int(np.floor(distance / image.pixel_m + 0.5 + 1e-9))
            for distance in (self.x - image.left, image.top - self.y)
        )
        offset = image.left + col * image.pixel_m - self.x, self.y - image.top + row * image.pixel_m
        return *image.window(index, row, col, round(self.side_m / image.pixel_m)), (row, col), offset


@dataclass(frozen=True)
class SensorImages:
    """What one sensor has of one row: bands, quality layer, platform, time."""

    product: str
    files: SensorFiles
    bands: tuple[BandFile, ...]
    mask: Image | None
    platform: str
    when: str

    def quality(self, place: Square) -> tuple[Array, Array, tuple[int, int], tuple[float, float]]:
        """Quality values (y, x), where it is clear, and the place of both as `Square.cut`."""
        first = self.bands[0]
        pixels, inside, corner, offset = place.cut(first.image, first.index)
        valid = inside & _valid(pixels, self.files, first.image, PRODUCTS[self.product].encoding)
        layer = self.files.quality
        if layer is None or self.mask is None:
            return valid.astype(np.uint8), valid, corner, offset
        values, known, corner, grid = place.cut(self.mask, layer.band)
        values = values.astype(_mask_dtype(layer))
        clear = np.isin(values, layer.clear) if layer.coding is None else DECODERS[layer.coding](values)
        on_mask = sample_nearest(
            valid[None], first.image.pixel_m, np.array([offset]), self.mask.pixel_m, np.array([grid]), len(values)
        )[0]
        return values, clear & known & on_mask, corner, grid


def _mask_dtype(layer: QualityFile) -> str:
    return DTYPES[layer.coding] if layer.coding else "uint16"


def _valid(pixels: Array, files: SensorFiles, image: Image, encoding: Encoding) -> Array:
    """Where a number of a file means something: (y, x) bool."""
    said = files.nodata if files.nodata is not None else image.nodata
    nodata = encoding.nodata if said is None else said
    return np.asarray(np.isfinite(pixels) & (pixels != nodata))


def encode(pixels: Array, inside: Array, files: SensorFiles, image: Image, encoding: Encoding) -> Array:
    """Numbers of a file in the encoding of the store; those that are in it already stay as they are."""
    valid = inside & _valid(pixels, files, image, encoding)
    scale = encoding.scale if files.scale is None else files.scale
    offset = files.offset if files.offset is not None else encoding.offset if files.scale is None else 0.0
    stored = pixels.astype(np.float64)
    if (scale, offset) != (encoding.scale, encoding.offset):
        stored = (stored * scale + offset - encoding.offset) / encoding.scale
    limits = np.iinfo(encoding.dtype)
    stored = np.clip(np.rint(np.where(valid, stored, 0)), limits.min, limits.max)
    stored[stored == encoding.nodata] += 1
    return np.where(valid, stored, encoding.nodata).astype(encoding.dtype)


@dataclass(frozen=True)
class Kept:
    """A chip of the store: its row of the table, place, and the products that saw it."""

    row: Row
    place: Square
    seen: tuple[str, ...]


class FolderReader:
    """The files of the rows of a dataset."""

    def __init__(self, files: Files) -> None:
        """Read the table.

        Raises:
            UserError: one line with file and key.
        """
        self.files, self.folder, self.rows = files, files.root, read_rows(files)
        self.sensors = lru_cache(maxsize=16)(self._sensors)

    def _sensors(self, number: int) -> tuple[SensorImages, ...]:
        """What the sensors have of a row; none that has no file."""
        row = self.rows[number]
        found = [self._sensor(row, product, spec) for product, spec in self.files.sensors.items()]
        present = tuple(sensor for sensor in found if sensor is not None)
        grids = {band.image.epsg for sensor in present for band in sensor.bands}
        if len(grids) > 1:
            raise UserError(f"{row.where}: files lie in EPSG:{' and EPSG:'.join(map(str, sorted(grids)))}: warp to one")
        return present

    def _sensor(self, row: Row, product: str, spec: SensorFiles) -> SensorImages | None:
        key = f"files.sensors.{product}"
        paths = [row.path(self.folder, f"{key}.file", spec.file, band=name) for name in spec.bands]
        if not paths[0] or (not self.files.table and not Path(paths[0].partition(".npz:")[0]).exists()):
            return None
        alone = "{band}" in spec.file
        try:
            platform = spec.platform or platforms(product)[0]
            known = get_sensor(platform, product).names
            wrong = [name for name in spec.bands if name not in known and name != ABSENT]
            if wrong:
                raise UserError(f"{key}.bands: {wrong[0]!r} is no band of {platform}; {', '.join(known)}")
            bands = tuple(
                BandFile(name, open_image(path, self.files.pixel_m), 1 if alone else number)
                for number, (name, path) in enumerate(zip(spec.bands, paths, strict=True), start=1)
                if name != ABSENT
            )
            mask = None
            if spec.quality is not None:
                template = spec.quality.file or spec.file
                path = row.path(self.folder, f"{key}.quality.file", template, band=spec.bands[0])
                mask = open_image(path, self.files.pixel_m)
            when = row.path(Path(), f"{key}.date", f"{{{spec.date}}}") if spec.date else ""
            day = datetime.fromisoformat(when).replace(tzinfo=UTC).isoformat() if when else ""
        except ValueError:
            raise UserError(f"{row.where}: {key}.date: {when!r} is no date: write it as 2022-05-31") from None
        except UserError as error:
            raise UserError(f"{row.where}: {error}" if key not in str(error) else str(error)) from None
        return SensorImages(product, spec, bands, mask, platform, day)

    def places(self, number: int, chip_m: int) -> list[tuple[int, int, Square]]:
        """Row, column and place of the chips of a row of the table.

        Raises:
            UserError: an image that is smaller than a chip.
        """
        sensors = self.sensors(number)
        if not sensors:
            return []
        image = sensors[0].bands[0].image
        down, across = (int(size * image.pixel_m / chip_m + 1e-9) for size in (image.rows, image.cols))
        if not down or not across:
            size = f"{image.cols * image.pixel_m:g} x {image.rows * image.pixel_m:g} m"
            raise UserError(f"{image.path}: is {size}, less than a chip: set chip_m to a multiple of 60 below that")
        return [
            (r, c, Square(image.left + c * chip_m, image.top - r * chip_m, chip_m, image.epsg))
            for r in range(0, down, self.files.thin)
            for c in range(0, across, self.files.thin)
        ]

    def grids(self) -> dict[str, dict[int, tuple[str, ...]]]:
        """By product: pixel (m) and names of its groups of bands, by the first row that has it.

        Raises:
            UserError: no row has files of a sensor.
        """
        found: dict[str, dict[int, tuple[str, ...]]] = {}
        for number in range(len(self.rows)):
            for sensor in self.sensors(number):
                found.setdefault(sensor.product, _groups(sensor))
            if len(found) == len(self.files.sensors):
                return found
        missing = [product for product in self.files.sensors if product not in found]
        raise UserError(f"{self.rows[0].where}: no row has a file of files.sensors.{missing[0]}")


def _groups(sensor: SensorImages) -> dict[int, tuple[str, ...]]:
    pixels = sorted({round(band.image.pixel_m) for band in sensor.bands})
    return {pixel: tuple(band.name for band in sensor.bands if round(band.image.pixel_m) == pixel) for pixel in pixels}


def cut_folder(files: Files, dataset: str, site: str, chip_m: int, least_clear: float, path: Path) -> None:
    """Cut the chips of all rows and write their store.

    Args:
        files: the configuration of the folder.
        dataset: its name.
        site: name of the store.
        chip_m: side of a chip, m.
        least_clear: least share of a chip that a sensor has to show clear.
        path: of the store.

    Raises:
        UserError: one line with file and key.
    """
    reader = FolderReader(files)
    grids = reader.grids()
    capacity = sum(len(reader.places(number, chip_m)) for number in range(len(reader.rows)))
    with new_store(path, chip_m, capacity) as store:
        index = _screen(reader, grids, chip_m, least_clear, store)
        store.close_quality()
        for product, rows in index.quality.items():
            store.place(f"{product}/qa", rows[:, 2:], rows[:, :2])
        for product, groups in grids.items():
            for pixel_m, names in groups.items():
                _write_bands(reader, index.kept, product, pixel_m, names, store)
        store.finish(
            {
                "site": site,
                "dataset": dataset,
                "epsg": index.kept[0].place.epsg if index.kept else 0,
                "source": "folder",
                "chips": index.entries,
                "pairs": index.pairs,
                "dropped": index.dropped,
                "simulated": None,
            },
            {},
        )


@dataclass
class Index:
    """Chips that are kept and dropped, what the store says of them, and (n, 4) places of quality layers by product."""

    kept: list[Kept]
    entries: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    pairs: dict[str, dict[str, Any]]
    quality: dict[str, Array]


def _screen(
    reader: FolderReader, grids: Mapping[str, Any], chip_m: int, least_clear: float, store: StoreWriter
) -> Index:
    """Read labels and quality layers of all chips; those that some sensor saw and that have a class are kept."""
    masks = _mask_grids(reader)
    for product, pixel_m in masks.items():
        layer = reader.files.sensors[product].quality
        store.add_quality(product, pixel_m, "quality" if layer else "data", _mask_dtype(layer) if layer else np.uint8)
    index, corners = Index([], [], [], {}, {}), {product: [] for product in grids}  # type: ignore[var-annotated]
    size = chip_m // LABEL_PIXEL_M
    for number, row in enumerate(progress(reader.rows, "clouds and labels")):
        sensors = {sensor.product: sensor for sensor in reader.sensors(number)}
        _check(row, sensors, grids, masks)
        if sensors:
            index.pairs[str(number)] = _pair(sensors)
        for r, c, place in reader.places(number, chip_m):
            entry = _entry(row, number, r, c, place)
            labels = _labels(reader, row, place)
            looks = {product: sensor.quality(place) for product, sensor in sensors.items()}
            seen = tuple(product for product, look in looks.items() if look[1].mean() >= least_clear)
            if not seen or not labels.any():
                index.dropped.append(entry | {"reason": "no label" if seen else "cloud or no data"})
                continue
            joint = np.ones((size, size), bool)
            arrays: dict[str, Array] = {"label": labels[None]}
            for product, pixel_m in masks.items():
                dtype = store_dtype(reader, product)
                values, clear = (np.zeros((chip_m // pixel_m,) * 2, kind) for kind in (dtype, bool))
                corner, offset = (0, 0), (0.0, 0.0)
                if product in seen:
                    values, clear, corner, offset = looks[product]
                    shift, nothing = np.array([offset]), np.zeros((1, 2))
                    joint &= sample_nearest(clear[None], pixel_m, shift, LABEL_PIXEL_M, nothing, size)[0]
                arrays[f"{product}/qa/values"] = values[None].astype(dtype)
                arrays[f"{product}/qa/clear"] = clear[None].astype(np.uint8)
                corners[product].append((*corner, *offset))
            store.append(arrays | {"clear": joint[None].astype(np.uint8)})
            said = {key: {p: index.pairs[str(number)][key][p] for p in seen} for key in ("items", "platforms")}
            index.entries.append(entry | {"clear_joint": round(float(joint.mean()), 4)} | said)
            index.kept.append(Kept(row, place, seen))
    index.quality = {product: np.array(rows, float).reshape(-1, 4) for product, rows in corners.items()}
    return index


def store_dtype(reader: FolderReader, product: str) -> str:
    """Type of the quality values of a product."""
    layer = reader.files.sensors[product].quality
    return _mask_dtype(layer) if layer else "uint8"


def _mask_grids(reader: FolderReader) -> dict[str, int]:
    """Pixel (m) of the quality layer of every product, by the first row that has it."""
    found: dict[str, int] = {}
    for number in range(len(reader.rows)):
        for sensor in reader.sensors(number):
            found.setdefault(sensor.product, _mask_pixel(sensor))
        if len(found) == len(reader.files.sensors):
            break
    return found


def _mask_pixel(sensor: SensorImages) -> int:
    return round((sensor.mask or sensor.bands[0].image).pixel_m)


def _check(row: Row, sensors: Mapping[str, SensorImages], grids: Mapping[str, Any], masks: Mapping[str, int]) -> None:
    """Refuse a row whose pixels are of another size than those of the rows before, or that lacks its block."""
    for product, sensor in sensors.items():
        if _groups(sensor) != grids[product] or _mask_pixel(sensor) != masks[product]:
            raise UserError(f"{row.where}: files of {product} have pixels of another size than in the rows before")
    located = any(band.image.epsg for sensor in sensors.values() for band in sensor.bands)
    if sensors and not row.cells.get(BLOCK) and (BLOCK in row.cells or not located):
        why = "is empty" if BLOCK in row.cells else "is missing, and the files have no coordinates"
        raise UserError(f"{row.where}: column {BLOCK!r} {why}: name the block that must stay in one split")


def _labels(reader: FolderReader, row: Row, place: Square) -> Array:
    spec = reader.files.labels
    path = row.path(reader.folder, "files.labels.file", spec.file)
    if not path:
        raise UserError(f"{row.where}: files.labels.file has no file: leave the row out")
    return chip_labels(path, spec, reader.files.pixel_m, place.epsg, (place.x, place.y), place.side_m)


def _entry(row: Row, number: int, r: int, c: int, place: Square) -> dict[str, Any]:
    where = {"chip": f"{row.name}-r{r}c{c}", "pair": number, "row": r, "col": c, "x0": place.x, "y0": place.y}
    return where | {key: value for key in (BLOCK, SPLIT) if (value := row.cells.get(key))}


def _pair(sensors: Mapping[str, SensorImages]) -> dict[str, Any]:
    return {
        "epsg": next(iter(sensors.values())).bands[0].image.epsg,
        "items": {product: sensor.bands[0].image.path for product, sensor in sensors.items()},
        "platforms": {product: sensor.platform for product, sensor in sensors.items()},
        "datetimes": {product: sensor.when for product, sensor in sensors.items() if sensor.when},
        "angles_deg": {},
    }


def _write_bands(
    reader: FolderReader, kept: Sequence[Kept], product: str, pixel_m: int, names: tuple[str, ...], store: StoreWriter
) -> None:
    """Write a group of bands of all chips, shard by shard; nodata where the product missed a chip."""
    import zarr

    group = store.add_bands(product, pixel_m, names, len(kept))
    shards = Shards.of(zarr.open_array(store.path / group / "values", mode="r"))
    places, sums = np.zeros((len(kept), 4)), np.zeros(len(kept), np.uint32)
    numbers = {row.name: number for number, row in enumerate(reader.rows)}

    def chips(start: int) -> Iterator[Array]:
        for position in range(start, min(start + shards.chips, len(kept))):
            chip = kept[position]
            encoding, size = PRODUCTS[product].encoding, store.chip_m // pixel_m
            pixels = np.full((len(names), size, size), encoding.nodata, encoding.dtype)
            if product in chip.seen:
                (sensor,) = (s for s in reader.sensors(numbers[chip.row.name]) if s.product == product)
                known = {band.name: band for band in sensor.bands}
                for channel, name in enumerate(names):
                    image, number = known[name].image, known[name].index
                    raw, inside, corner, offset = chip.place.cut(image, number)
                    pixels[channel] = encode(raw, inside, sensor.files, image, encoding)
                    places[position] = *corner, *offset
            sums[position] = checksum(pixels)
            yield pixels

    for start in progress(range(0, len(kept), shards.chips), f"bands, {product}"):
        shards.write(start, chips(start))
    store.place(group, places[:, 2:], places[:, :2], sums)
