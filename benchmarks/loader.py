"""Crops a second from our loader, against what training consumes and against reading item by item through zarr.

    python benchmarks/loader.py [--chips N] [--steps N] [--repetitions N] [--threads N]

A chip store with patches and noise for pixels is made in a temporary folder. One repetition runs every way once, on the
same crops: training steps of the default model (settings of the default experiment), our loader with the split in
memory, our loader with the split mapped from files, and a torch DataLoader over `xarray.open_zarr` without dask, in
this process and with two workers that are already running. Printed are medians of all repetitions, and medians of the
ratios within each: to what the model would consume if loading were free, and to the items. The pixels of all ways are
compared first. Bytes are those of the tensors delivered; memory is the peak that a way adds to this process while it
loads or reads (without the workers').
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from anyband.chips import chip_selection
from anyband.chips.dataset import ChipDataset, Crop, load_split
from anyband.config import DEFAULT_METHODS, Experiment, Training
from anyband.landcover import LABEL_PIXEL_M, SCORED
from anyband.models.core.storage import build
from anyband.observation import Observation
from anyband.products import PRODUCTS as ALL_PRODUCTS
from anyband.runtime import set_threads
from anyband.training.band_moments import measure
from anyband.training.loop import training_batch

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from whole_store import BandStack, QualityStack, SiteChips, write_store  # noqa: E402

CHIP_M = 960
PRODUCTS = ("sentinel2", "landsat")
BANDS = {
    "sentinel2": {
        10: ("B02", "B03", "B04", "B08"),
        20: ("B05", "B06", "B07", "B8A", "B11", "B12"),
        60: ("B01", "B09"),
    },
    "landsat": {30: ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")},
}
PLAIN = {"consolidated": False, "mask_and_scale": False, "chunks": None}
PLATFORMS = {"sentinel2": "sentinel-2a", "landsat": "landsat-9"}


def write_chips(path: Path, count: int) -> None:
    """A store of `count` chips: patches of 240 m with noise, which compress about as far as scenes do."""
    random = np.random.default_rng(0)
    size = CHIP_M // LABEL_PIXEL_M
    codes = np.array(sorted(SCORED), np.uint8)
    label = codes[random.integers(len(codes), size=(count, 4, 4))].repeat(size // 4, 1).repeat(size // 4, 2)
    stacks, qualities = [], []
    for product, grids in BANDS.items():
        offset = np.full((count, 2), 15.0 if product == "landsat" else 0.0, np.float32)
        for pixel_m, names in grids.items():
            pixels = CHIP_M // pixel_m
            values = random.normal(4_000, 300, (count, len(names), pixels, pixels))
            values += 40.0 * label[:, None, :: pixel_m // LABEL_PIXEL_M, :: pixel_m // LABEL_PIXEL_M]
            stacks.append(
                BandStack(product, pixel_m, names, values.astype(ALL_PRODUCTS[product].encoding.dtype), offset)
            )
        pixel_m = 20 if product == "sentinel2" else 30
        clear = (random.random((count, CHIP_M // pixel_m, CHIP_M // pixel_m)) < 0.95).astype(np.uint8)
        qualities.append(QualityStack(product, pixel_m, "clear", clear, clear, offset))
    side = int(np.ceil(np.sqrt(count)))
    entries = [
        {
            "chip": f"bench-0-r{index // side}c{index % side}",
            "pair": 0,
            "row": index // side,
            "col": index % side,
            "x0": 600_000.0 + CHIP_M * (index % side),
            "y0": 5_200_020.0 - CHIP_M * (index // side),
            "epsg": 32632,
            "clear_joint": 1.0,
            "items": {product: f"{product}-0" for product in (*PRODUCTS, "label")},
            "platforms": PLATFORMS,
        }
        for index in range(count)
    ]
    clear = np.ones_like(label)
    write_store(
        path,
        SiteChips(path.stem, "bench", 32632, CHIP_M, entries, [], None, label, clear, stacks, qualities),
    )
    lines = [f"{path.stem},{entry['chip']},32632:0:0,train" for entry in entries]
    path.with_suffix(".csv").write_text("\n".join(["site,chip,block,split", *lines]) + "\n")


class Items(Dataset):
    """The usual way: one item is one crop of one chip, read lazily through xarray and zarr."""

    def __init__(self, store: Path, crops: list[tuple[int, int, int]], crop_m: int) -> None:
        """Crops are (chip, row in m, column in m)."""
        import xarray

        self.crops, self.crop_m = crops, crop_m
        self.groups = {
            (product, pixel_m): xarray.open_zarr(store, group=f"{product}/{pixel_m}m", **PLAIN)["values"]
            for product, grids in BANDS.items()
            for pixel_m in grids
        }
        self.clear = {product: xarray.open_zarr(store, group=f"{product}/qa", **PLAIN)["clear"] for product in BANDS}
        self.label = xarray.open_zarr(store, **PLAIN)["label"]

    def __len__(self) -> int:
        """Number of crops."""
        return len(self.crops)

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        """Reflectance of every band group, then its validity before quality, then quality layers and label codes."""
        chip, row_m, col_m = self.crops[index]

        def cut(array, pixel_m):
            rows, cols = (slice(start // pixel_m, (start + self.crop_m) // pixel_m) for start in (row_m, col_m))
            return array.isel(chip=chip, y=rows, x=cols).values

        values, valid = [], []
        for (product, pixel_m), array in self.groups.items():
            stored, encoding = cut(array, pixel_m), ALL_PRODUCTS[product].encoding
            valid.append(torch.from_numpy(stored != encoding.nodata))
            reflectance = stored.astype(np.float32) * np.float32(encoding.scale) + np.float32(encoding.offset)
            values.append(torch.from_numpy(reflectance.clip(0, 1.6)))
        quality = [torch.from_numpy(cut(self.clear[p], 20 if p == "sentinel2" else 30)) for p in BANDS]
        return [*values, *valid, *quality, torch.from_numpy(cut(self.label, LABEL_PIXEL_M))]


def tensors(observation: Observation, labels: torch.Tensor) -> list[torch.Tensor]:
    """Pixels of a batch."""
    return [tensor for group in observation.groups for tensor in (group.values, group.valid)] + [labels]


def deliver(table: ChipDataset, steps: list[tuple[np.ndarray, Crop]]) -> int:
    """All batches of our loader; returns their bytes."""
    return sum(
        tensor.nbytes
        for indices, crop in steps
        for tensor in tensors(table.observation(indices, PRODUCTS, crop), table.labels(indices, crop))
    )


def items_loader(items: Items, batch: int, workers: int) -> DataLoader:
    """The reference's batches; workers, if any, run on between repetitions."""
    if not workers:
        return DataLoader(items, batch)
    return DataLoader(items, batch, num_workers=workers, persistent_workers=True, multiprocessing_context="spawn")


def read_all(loader: DataLoader) -> int:
    """All batches of the reference; returns their bytes."""
    return sum(tensor.nbytes for batch in loader for tensor in batch)


def trainer(table: ChipDataset, settings: Training) -> Callable[[list[tuple[np.ndarray, Crop]]], int]:
    """Training steps of the default proposed model, as the loop takes them, loading included."""
    torch.manual_seed(0)
    name = Experiment().proposed
    method = build(DEFAULT_METHODS[name].model, {}, measure(table, PRODUCTS), len(table.classes)).train()
    optimizer = torch.optim.AdamW(method.parameters(), lr=settings.learning_rate, fused=True)

    def run(steps: list[tuple[np.ndarray, Crop]]) -> int:
        for number, (indices, crop) in enumerate(steps):
            loss = method.loss(training_batch(method, table, indices, crop, number))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
            optimizer.step()
        return 0

    return run


def compare(table: ChipDataset, items: Items, steps: list[tuple[np.ndarray, Crop]]) -> None:
    """Stop unless both ways deliver the same reflectance wherever our loader calls it valid."""
    first = 0
    for indices, crop in steps:
        groups = {(g.product, int(g.pixel_m)): g for g in table.observation(indices, PRODUCTS, crop).groups}
        for sample in range(len(indices)):
            found = dict(zip(items.groups, items[first + sample], strict=False))
            for key, group in groups.items():
                valid = group.valid[sample]
                if not torch.equal(group.values[sample][valid], found[key][valid]):
                    sys.exit(f"benchmark: {key} differs between the loader and zarr")
        first += len(indices)


@contextmanager
def everything_mapped():
    """No memory for pixels: the split is mapped from files."""
    share, chip_selection.MEMORY_SHARE = chip_selection.MEMORY_SHARE, 0.0
    try:
        yield
    finally:
        chip_selection.MEMORY_SHARE = share


def resident_mb(field: str) -> float:
    """`VmRSS` or `VmHWM` of this process, MB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)


def added_memory_mb(function: Callable[[], object]) -> float:
    """Peak of resident memory that a call adds, MB."""
    if Path("/proc/self/clear_refs").is_file():
        Path("/proc/self/clear_refs").write_text("5")
    before = resident_mb("VmRSS")
    function()
    return resident_mb("VmHWM") - before


def main() -> None:
    """Make the chips, run all ways in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=512)
    parser.add_argument("--steps", type=int, default=40, help="training steps a repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    threads = set_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "bench.zarr"
        write_chips(store, arguments.chips)
        run(store, arguments.steps, arguments.repetitions, threads)


def run(store: Path, count: int, repetitions: int, threads: int) -> None:
    """All ways, `repetitions` times in turn."""
    settings = Training()
    source = store.parent, store.with_suffix(".csv"), "train", PRODUCTS, SCORED
    held: list[ChipDataset] = []
    started = time.perf_counter()
    memory = {"ours, in memory": added_memory_mb(lambda: held.append(load_split(*source)))}
    loading = time.perf_counter() - started
    with everything_mapped():
        memory["ours, mapped"] = added_memory_mb(lambda: held.append(load_split(*source)))
        started = time.perf_counter()
        load_split(*source)
        mapping = time.perf_counter() - started
    in_memory, mapped = held
    steps = list(in_memory.random_batches(settings.batch, settings.crop_m, count, seed=0))
    crops = [
        (int(chip), int(row), int(col))
        for indices, crop in steps
        for chip, row, col in zip(indices, crop.row_m, crop.col_m, strict=True)
    ]
    items = Items(store, crops, settings.crop_m)
    compare(in_memory, items, steps[:5])
    train = trainer(in_memory, settings)
    alone, helped = (items_loader(items, settings.batch, workers) for workers in (0, 2))
    ways: dict[str, Callable[[], int]] = {
        "training steps": lambda: train(steps),
        "ours, in memory": lambda: deliver(in_memory, steps),
        "ours, mapped": lambda: deliver(mapped, steps),
        "xarray items": lambda: read_all(alone),
        "xarray items, 2 workers": lambda: read_all(helped),
    }
    memory["xarray items"] = added_memory_mb(ways["xarray items"])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    size = dict.fromkeys(ways, 0)
    train(steps[:3])
    read_all(helped)
    for _ in range(repetitions):
        for name, way in ways.items():
            started = time.perf_counter()
            size[name] = way()
            seconds[name].append(time.perf_counter() - started)
    print(f"{len(in_memory)} chips, {len(crops)} crops of {settings.crop_m} m, batch {settings.batch}, ", end="")
    print(
        f"{threads} threads, {repetitions} repetitions; split read in {loading:.2f} s, mapped again in {mapping:.3f} s"
    )
    report(seconds, size, memory, len(crops))


def report(seconds: dict[str, list[float]], size: dict[str, int], memory: dict[str, float], crops: int) -> None:
    """Medians of each way, and of the ratios within repetitions."""
    print(f"{'':24}{'crops/s':>10}{'MB/s':>9}{'peak MB':>9}{'x training':>12}{'x items':>9}")
    for name, times in seconds.items():
        middle = statistics.median(times)
        # What the model would take if loading were free: the share of loading is taken off its steps.
        model = [t - o for t, o in zip(seconds["training steps"], seconds["ours, in memory"], strict=True)]
        consumed = statistics.median(m / t for m, t in zip(model, times, strict=True))
        items = statistics.median(i / t for i, t in zip(seconds["xarray items"], times, strict=True))
        rate = f"{size[name] / middle / 1e6:9.0f}" if size[name] else f"{'':9}"
        peak = f"{memory[name]:9.0f}" if name in memory else f"{'':9}"
        print(f"{name:24}{crops / middle:10.0f}{rate}{peak}{consumed:12.1f}{items:9.1f}")


if __name__ == "__main__":
    main()
