"""The scene and the methods of `extraction.py`."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

CORNER = (600_000.0, 5_200_020.0)
EPSG = 32632
CHIP_M = 1_920
S2_BANDS = {
    "B02": 10, "B03": 10, "B04": 10, "B08": 10, "B05": 20, "B06": 20, "B07": 20, "B8A": 20, "B11": 20, "B12": 20,
    "B01": 60, "B09": 60,
}  # fmt: skip
LANDSAT_BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")


def grid(name: str) -> tuple[float, float, float, int]:
    """Pixel (m), left, top and tile of a band."""
    if name in LANDSAT_BANDS:
        return 30.0, CORNER[0] + 15, CORNER[1] - 15, 256
    return float(S2_BANDS[name]), *CORNER, 512


def make_scene(folder: Path, side: int) -> None:
    """Write all files: smooth ground with noise, which DEFLATE packs by about 1.5, as it does real bands."""
    import rasterio
    from rasterio.transform import from_origin

    for number, name in enumerate([*S2_BANDS, *LANDSAT_BANDS]):
        path = folder / f"{name}.tif"
        pixel, left, top, tile = grid(name)
        size = int(side * 10 // pixel) - (name in LANDSAT_BANDS)
        if path.exists():
            continue
        random = np.random.default_rng(number)
        y, x = np.mgrid[:size, :size].astype(np.float32) * pixel / 1_000
        ground = (
            2_500
            + 900 * np.sin(x * 1.3 + number) * np.cos(y * 0.7)
            + 300 * random.standard_normal((size, size), np.float32)
        )
        profile = {"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "uint16", "nodata": 0}
        layout = {"tiled": True, "blockxsize": tile, "blockysize": tile, "compress": "deflate", "predictor": 2}
        place = {"crs": f"EPSG:{EPSG}", "transform": from_origin(left, top, pixel, pixel)}
        temporary = path.with_suffix(".part")
        with rasterio.open(temporary, "w", **profile, **layout, **place, num_threads=2) as file:
            file.write(ground.astype(np.uint16), 1)
        temporary.replace(path)


class Task:
    """The chips and where their files are; `address` is a folder or the address of a server."""

    def __init__(self, address: str, side: int, count: int, layout: str, threads: int) -> None:
        """Choose `count` chips in a scene of `side` pixels; `layout` is sparse or dense."""
        from anyband.ground import Footprint

        per_side = side * 10 // CHIP_M - 1
        if count > per_side**2:
            raise SystemExit(f"a scene of {side} pixels has {per_side**2} chips, not {count}: choose a larger --side")
        cells = (
            np.arange(count)
            if layout == "dense"
            else np.sort(np.random.default_rng(7).permutation(per_side**2)[:count])
        )
        if layout == "dense":
            width = int(np.ceil(np.sqrt(count)))
            cells = (cells // width) * per_side + cells % width
        places = [divmod(int(cell), per_side) for cell in cells]
        corners = [(CORNER[0] + CHIP_M * col, CORNER[1] - CHIP_M * row) for row, col in places]
        self.chips = [Footprint(EPSG, x, y, CHIP_M, *place) for (x, y), place in zip(corners, places, strict=True)]
        self.address, self.side, self.threads = address, side, threads
        self.http = "://" in address

    def href(self, name: str) -> str:
        """Address of a band."""
        return f"{self.address}/{name}.tif"

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Bands by group of the store."""
        by_pixel = {f"sentinel2/{m}m": tuple(n for n, p in S2_BANDS.items() if p == m) for m in (10, 20, 60)}
        return by_pixel | {"landsat/30m": LANDSAT_BANDS}

    def output(self, count: int) -> dict[str, np.ndarray]:
        """Arrays (chip, band, y, x) for so many chips."""
        sizes = {name: CHIP_M // int(grid(bands[0])[0]) for name, bands in self.groups().items()}
        return {n: np.zeros((count, len(b), sizes[n], sizes[n]), np.uint16) for n, b in self.groups().items()}

    def window(self, name: str, chip: Any) -> tuple[int, int, int]:
        """Row, column and size of a chip in a band's raster."""
        pixel, left, top, _ = grid(name)
        from anyband.ground import chip_window

        found = chip_window(chip, EPSG, (pixel, 0.0, left, 0.0, -pixel, top))
        return found.row, found.col, found.size

    def each(self, function: Callable[[str, str, int], None]) -> None:
        """Call `function(group, band, position)` for all bands on the threads, the large files first."""
        work = [(g, b, i) for g, bands in self.groups().items() for i, b in enumerate(bands)]
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(lambda arguments: function(*arguments), work))

    def acquisitions(self) -> dict[str, Any]:
        """The two scenes as the catalogue would describe them."""
        from anyband.catalog.items.acquisition import Acquisition
        from anyband.raster.asset import BandAsset

        def band(name: str, scale: float, offset: float) -> Any:
            pixel, left, top, _ = grid(name)
            size = int(self.side * 10 // pixel) - (name in LANDSAT_BANDS)
            place = (pixel, 0.0, left, 0.0, -pixel, top)
            known: Any = {"dtype": "uint16", "nodata": 0, "band": name, "scale": scale, "offset": offset}
            return BandAsset("scene", name, self.href(name), EPSG, pixel, place, (size, size), **known)

        when = datetime(2022, 5, 3, tzinfo=UTC)
        scenes = {"sentinel2": (tuple(S2_BANDS), 1e-4, -0.1), "landsat": (LANDSAT_BANDS, 2.75e-5, -0.2)}
        return {
            product: Acquisition(product, "p", "c", product, when, {}, EPSG, {n: band(n, *code) for n in names}, None)
            for product, (names, *code) in scenes.items()
        }


def options() -> dict[str, Any]:
    """GDAL's, the same for all methods."""
    from anyband.raster.access import gdal_env

    return gdal_env()


def limit(task: Task) -> None:
    """Decode every needed tile once, runs of neighbours together, and throw the pixels away."""
    _limit(task, compressed=False)


def limit_with_store(task: Task) -> None:
    """Also compress the pixels of every chip once, as they are in the store; nothing is put together or written."""
    _limit(task, compressed=True)


def _limit(task: Task, compressed: bool) -> None:
    import rasterio
    from numcodecs import Blosc
    from rasterio.windows import Window

    codec = Blosc("zstd", 3, Blosc.BITSHUFFLE)

    def tiles(name: str) -> dict[int, list[tuple[int, int]]]:
        """Runs (first tile, end) by tile row."""
        tile = grid(name)[3]
        needed: dict[int, set[int]] = {}
        for chip in task.chips:
            row, col, size = task.window(name, chip)
            for y in range(row // tile, (row + size - 1) // tile + 1):
                needed.setdefault(y, set()).update(range(col // tile, (col + size - 1) // tile + 1))
        runs: dict[int, list[tuple[int, int]]] = {}
        for y, columns in needed.items():
            for x in sorted(columns):
                if runs.get(y) and runs[y][-1][1] == x:
                    runs[y][-1] = (runs[y][-1][0], x + 1)
                else:
                    runs.setdefault(y, []).append((x, x + 1))
        return runs

    def decode(name: str, rows: list[tuple[int, list[tuple[int, int]]]]) -> None:
        tile = grid(name)[3]
        with rasterio.open(task.href(name)) as source:
            for y, runs in rows:
                for first, end in runs:
                    right, bottom = min(end * tile, source.width), min((y + 1) * tile, source.height)
                    top, left = y * tile, first * tile
                    block = source.read(1, window=Window(left, top, right - left, bottom - top))
                    for row, col, size in windows[name] if compressed else ():
                        rows = slice(max(row - top, 0), max(row + size - top, 0))
                        cut = block[rows, max(col - left, 0) : max(col + size - left, 0)]
                        if cut.size:
                            codec.encode(np.ascontiguousarray(cut))

    work = []
    windows = {name: [task.window(name, chip) for chip in task.chips] for b in task.groups().values() for name in b}
    for bands in task.groups().values():
        for name in bands:
            rows = sorted(tiles(name).items())
            work += [(name, rows[i : i + 4]) for i in range(0, len(rows), 4)]
    with rasterio.Env(**options()), ThreadPoolExecutor(task.threads) as pool:
        list(pool.map(lambda arguments: decode(*arguments), work))


def _ours(task: Task, folder: Path, stored: bool) -> dict[str, np.ndarray]:
    """Our plan, into chips in memory or into a store; gives the checksums, which are made on the way."""
    import tempfile

    from anyband.catalog.pairs.scene_pair import ScenePair
    from anyband.chips import extraction
    from anyband.chips.read_plan import Chip
    from anyband.chips.site_index import SiteIndex
    from anyband.chips.store import StoreWriter
    from anyband.chips.workers import dask_workers

    pair, index = ScenePair(0, task.acquisitions(), ()), SiteIndex("benchmark")
    index.kept = [Chip(pair, chip) for chip in task.chips]
    with tempfile.TemporaryDirectory(dir=folder) as place, dask_workers(task.threads) as workers:
        if not stored:
            extraction.Shards.write = lambda _shards, _start, chips: sum(0 for _ in chips)
        extraction.read_bands(index, StoreWriter(Path(place), CHIP_M, len(task.chips)), workers)
    assert not index.lost
    return {name: index.checksums[name] for name in task.groups()}


def ours(task: Task) -> dict[str, np.ndarray]:
    """Into memory, as the other methods."""
    return _ours(task, Path(os.environ["BENCHMARK_FOLDER"]), stored=False)


def ours_with_store(task: Task) -> dict[str, np.ndarray]:
    """With everything: compressed, written to the disk."""
    return _ours(task, Path(os.environ["BENCHMARK_FOLDER"]), stored=True)


def windows(task: Task) -> dict[str, np.ndarray]:
    """Plain windows, chip after chip, one thread a file."""
    import rasterio
    from rasterio.windows import Window

    output = task.output(len(task.chips))

    def cut(group: str, name: str, band: int) -> None:
        with rasterio.open(task.href(name)) as source:
            for i, chip in enumerate(task.chips):
                row, col, size = task.window(name, chip)
                output[group][i, band] = source.read(1, window=Window(col, row, size, size))

    with rasterio.Env(**options()):
        task.each(cut)
    return output


def items_of(task: Task, group: str, names: tuple[str, ...]) -> dict[str, Any]:
    """One raw item with the bands of a group as assets."""
    from anyband.chips.read_plan import storable_band
    from anyband.raster.warp import plain_item

    scene = task.acquisitions()[group.split("/")[0]]
    items = {name: plain_item(storable_band(scene, name), task.href(name)) for name in names}
    first = items[names[0]]
    return first | {"assets": {name: item["assets"]["band"] for name, item in items.items()}}


def stack(item: dict[str, Any], names: tuple[str, ...], bounds: Any, chunk: int) -> Any:
    """A stackstac cube with every argument given."""
    import stackstac

    return stackstac.stack(
        [item], assets=list(names), epsg=EPSG, bounds=bounds, resolution=grid(names[0])[0], snap_bounds=False,
        dtype=np.dtype("uint16"), fill_value=np.uint16(0), rescale=False, xy_coords=False, properties=False,
        band_coords=False, errors_as_nodata=(), chunksize=chunk,
        gdal_env=stackstac.DEFAULT_GDAL_ENV.updated(always=options()),
    )  # fmt: skip


def bounds_of(task: Task, name: str, chip: Any) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of a chip's pixels in a band."""
    pixel, left, top, _ = grid(name)
    row, col, size = task.window(name, chip)
    x, y = left + col * pixel, top - row * pixel
    return x, y - size * pixel, x + size * pixel, y


def stackstac_chips(task: Task) -> dict[str, np.ndarray]:
    """A stack for every chip and grid."""
    output = task.output(len(task.chips))
    for group, names in task.groups().items():
        item = items_of(task, group, names)
        for i, chip in enumerate(task.chips):
            cube = stack(item, names, bounds_of(task, names[0], chip), 4_096)
            output[group][i] = cube[0].data.compute(scheduler="threads", num_workers=task.threads)
    return output


def stackstac_scene(task: Task) -> dict[str, np.ndarray]:
    """The tuned layout: one stack a scene and grid, chunks of whole tiles, all chips of it computed together."""
    import dask

    output = task.output(len(task.chips))
    for group, names in task.groups().items():
        pixel, left, top, tile = grid(names[0])
        size = int(task.side * 10 // pixel) - (names[0] in LANDSAT_BANDS)
        bounds = (left, top - size * pixel, left + size * pixel, top)
        cube = stack(items_of(task, group, names), names, bounds, max(2_048 // tile, 1) * tile)[0].data
        places = [task.window(names[0], chip) for chip in task.chips]
        cuts = [cube[:, row : row + s, col : col + s] for row, col, s in places]
        output[group][:] = dask.compute(*cuts, scheduler="threads", num_workers=task.threads)
    return output


METHODS: dict[str, Callable[[Task], dict[str, np.ndarray] | None]] = {
    "limit": limit,
    "limit, compressed": limit_with_store,
    "ours": ours,
    "ours, into a store": ours_with_store,
    "plain windows": windows,
    "stackstac, scene": stackstac_scene,
    "stackstac, chip by chip": stackstac_chips,
}
