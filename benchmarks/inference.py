"""What a map costs, and a training step, for the proposed encoder and each rival front end at one size.

    python benchmarks/inference.py [--size default|paper] [--models a,b] [--batch N] [--bands 12,50,200] [--steps N]

Whole chips of 960 m from memory through the loader to class maps, and training steps as the loop takes them, on the
GPU where there is one (bfloat16, compiled trunk and decoder), else on the CPU. Printed are

* samples/s and km2/s of maps, and samples/s of training;
* the share that the counted matrix products and convolutions have of the rate of one large matrix product, measured in
  the same run on the same device in the same precision;
* the highest memory (of the GPU, or of this process on a CPU);
* the share of the time in which the loader makes the next batch and the device waits for it.

Then the time of the proposed encoder for a made sensor of 12, 50 and 200 bands at 10 m, over that of 12 bands: the
trunk's work does not depend on their number. `paper` is the size of workflow/presets/paper.yaml; satlas keeps its own
size. Every number is the median over repetitions, which run all ways in turn.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from anyband.chips.dataset import ChipDataset, load_split
from anyband.config import DEFAULT_METHODS, Config, Experiment, Training
from anyband.landcover import SCORED
from anyband.models.core.method import Method
from anyband.models.core.storage import build
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import set_threads
from anyband.sensors import Band, BandSet, SpectralResponse
from anyband.training.band_moments import measure
from anyband.training.distributed import World, compiled
from anyband.training.loop import Batch, backward, training_batch
from anyband.training.train_run import keep_large_blocks
from loader import CHIP_M, PRODUCTS, write_chips
from training import SQUARE, count_flops, statistics_of

PRESET = Path(__file__).parents[1] / "workflow/presets/paper.yaml"
BOTH = frozenset(PRODUCTS)


@dataclass
class Clock:
    """Seconds of the device's work and of waiting for the loader, for samples of one way."""

    world: World
    loading: float = 0.0
    total: float = 0.0
    samples: int = 0

    def wait(self) -> float:
        """The time when all work of the device is done."""
        if self.world.on_gpu:
            torch.cuda.synchronize(self.world.device)
        return time.perf_counter()

    def run(self, load: Callable[[int], Batch], work: Callable[[Batch], None], steps: int) -> None:
        """Load and work, one after the other, as the loop does."""
        for step in range(steps):
            started = self.wait()
            batch = load(step)
            loaded = time.perf_counter()
            work(batch)
            self.loading, self.total = self.loading + loaded - started, self.total + self.wait() - started
            self.samples += len(batch[2])


def matrix_peak(world: World) -> float:
    """Operations a second of one large matrix product in the precision of training, the best of ten."""
    size = 8 * SQUARE if world.on_gpu else SQUARE
    kind = torch.bfloat16 if world.on_gpu else torch.float32
    left, right = (torch.randn(size, size, device=world.device, dtype=kind) for _ in range(2))
    clock, best = Clock(world), float("inf")
    for _ in range(10):
        started = clock.wait()
        torch.mm(left, right)
        best = min(best, clock.wait() - started)
    return 2 * size**3 / best


def memory_gb(world: World) -> float:
    """Highest memory since the last `forget_memory`, GB."""
    if world.on_gpu:
        return torch.cuda.max_memory_allocated(world.device) / 1e9
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def forget_memory(world: World) -> None:
    """Count the highest memory anew."""
    if world.on_gpu:
        torch.cuda.reset_peak_memory_stats(world.device)
    elif (counter := Path("/proc/self/clear_refs")).exists():
        counter.write_text("5")


def mapping(method: Method, table: ChipDataset, batch: int) -> Callable[[int], Batch]:
    """Loads whole chips in order, from the start again after the last."""
    chips = [indices for indices in table.ordered_batches(batch) if len(indices) == batch]
    size = table.label.shape[-1]

    def load(step: int) -> Batch:
        indices = chips[step % len(chips)]
        observation = table.observation(indices, method.usable(BOTH))
        return observation, QueryGrid(table.chip_m / size, size, size), table.labels(indices)

    return load


def maps(method: Method, world: World) -> Callable[[Batch], None]:
    """From a batch to classes."""

    def work(batch: Batch) -> None:
        observation, query, _ = batch
        with torch.inference_mode(), world.autocast():
            method(observation.part(slice(None), world.device), query).argmax(dim=1)

    return work


def crops(method: Method, table: ChipDataset, settings: Training) -> Callable[[int], Batch]:
    """Loads the batches of training."""
    drawn = list(table.random_batches(settings.batch, settings.crop_m, 8, seed=0))
    return lambda step: training_batch(method, table, *drawn[step % len(drawn)], step)


def steps_of(method: Method, world: World) -> Callable[[Batch], None]:
    """From a batch to new weights, as the loop does it."""
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-4, fused=True)
    loss_of = world.loss_of(method)

    def work(batch: Batch) -> None:
        optimizer.zero_grad()
        backward(loss_of, batch, None, world, None)
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()

    return work


def measured(load: Callable[[int], Batch], work: Callable[[Batch], None], world: World, steps: int) -> dict[str, float]:
    """Rates, waiting and memory of some steps, after some that do not count."""
    Clock(world).run(load, work, 3 if world.on_gpu else 1)
    forget_memory(world)
    clock = Clock(world)
    clock.run(load, work, steps)
    return {"rate": clock.samples / clock.total, "stall": clock.loading / clock.total, "memory": memory_gb(world)}


def operations(method: Method, ways: dict[str, tuple], world: World) -> dict[str, int]:
    """Operations of one batch of maps and of one step; counted before anything is compiled, and with gradients."""
    observation, query, _ = ways["map"][0](0)
    load, work = ways["train"]
    batch = load(0)
    return {
        "map": count_flops(lambda: method(observation.part(slice(None), world.device), query)),
        "train": count_flops(lambda: work(batch)),
    }


def report(
    names: list[str], table: ChipDataset, options: dict, settings: Training, arguments: argparse.Namespace
) -> None:
    """A line for each method: maps, then training."""
    world = arguments.world
    peak = matrix_peak(world)
    print(f"one large matrix product: {peak / 1e12:.3f} TFLOP/s")
    print(f"{'':18}{'maps/s':>9}{'km2/s':>8}{'peak':>7}{'stall':>7}{'GB':>7}", end="")
    print(f"{'crops/s':>10}{'peak':>7}{'stall':>7}{'GB':>7}{'parameters':>12}")
    described = measure(table, PRODUCTS)
    for name in names:
        torch.manual_seed(0)
        own = {} if name.startswith("satlas") else DEFAULT_METHODS[name].options | options
        method = build(DEFAULT_METHODS[name].model, own, described, len(table.classes)).to(world.device)
        ways = {"map": (mapping(method, table, arguments.batch), maps(method, world))}
        ways["train"] = crops(method, table, settings), steps_of(method, world)
        flops = operations(method, ways, world)
        seen: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        with compiled(method, world):
            for _ in range(arguments.repetitions):
                for way, (load, work) in ways.items():
                    method.train(way == "train")
                    seen[way].append(measured(load, work, world, arguments.steps))
        each = {"map": flops["map"] / arguments.batch, "train": flops["train"] / settings.batch}
        middle = {
            way: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for way, runs in seen.items()
        }
        cells = [f"{m['rate'] * each[way] / peak:7.1%}{m['stall']:7.1%}{m['memory']:7.2f}" for way, m in middle.items()]
        rate = middle["map"]["rate"]
        size = sum(parameter.numel() for parameter in method.parameters())
        print(f"{name:18}{rate:9.1f}{rate * (table.chip_m / 1000) ** 2:8.1f}{cells[0]}", end="")
        print(f"{middle['train']['rate']:10.1f}{cells[1]}{size:12,}", flush=True)


def hyperspectral(bands: int, batch: int, size: int) -> Observation:
    """A made sensor of many bands at 10 m, evenly over 0.42 to 2.4 um."""
    step = (2400 - 420) / max(bands - 1, 1)
    made = tuple(
        Band(f"H{n}", "red", SpectralResponse.gaussian(420 + n * step, max(min(step, 40.0), 6.0)), 10.0, 10.0)
        for n in range(bands)
    )
    values = torch.rand(batch, bands, size, size)
    valid, offset = torch.ones_like(values, dtype=torch.bool), torch.zeros(batch, 2)
    sets = (BandSet("made", made),)
    return Observation(
        (BandGroup("sentinel2", values, valid, sets, torch.zeros(batch, dtype=torch.int64), 10.0, offset),)
    )


def always(batch: Batch) -> Callable[[int], Batch]:
    """Loads nothing: the same batch each time."""
    return lambda _: batch


def report_bands(name: str, options: dict, counts: list[int], arguments: argparse.Namespace) -> None:
    """Time of a map by number of bands."""
    world, size = arguments.world, CHIP_M // 10
    first = 0.0
    for count in counts:
        seen = hyperspectral(count, arguments.batch, size)
        torch.manual_seed(0)
        own = DEFAULT_METHODS[name].options | options
        method = build(DEFAULT_METHODS[name].model, own, statistics_of(seen.groups), len(SCORED)).to(world.device)
        batch = seen.part(slice(None), world.device), QueryGrid(10.0, size, size), torch.zeros(arguments.batch)
        work = maps(method.eval(), world)
        with compiled(method, world):
            runs = [measured(always(batch), work, world, arguments.steps) for _ in range(arguments.repetitions)]
        each = 1000 / statistics.median(one["rate"] for one in runs)
        first = first or each
        print(
            f"{name}, {count:4} bands: {each:8.2f} ms a chip, {each / first:5.2f} times that of {counts[0]}", flush=True
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("default", "paper"), default="default")
    parser.add_argument("--models", help="names of methods, a comma between; default: all of the target rivals")
    parser.add_argument("--batch", type=int, default=4, help="chips a map")
    parser.add_argument("--bands", default="12,50,200")
    parser.add_argument("--steps", type=int, default=6, help="batches a repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    arguments.world = World(device=device)
    print(f"{device}, {set_threads(arguments.threads)} threads, size {arguments.size}")
    keep_large_blocks()
    options, settings = {}, Training()
    if arguments.size == "paper":
        preset = yaml.safe_load(PRESET.read_text())
        options = preset["methods"]["anyband"]["options"]
        settings = Training(**preset["experiments"]["main"]["training"])
    with tempfile.TemporaryDirectory() as folder:
        write_chips(Path(folder) / "bench.zarr", max(64, arguments.batch))
        table = load_split(Path(folder), Path(folder) / "bench.csv", "train", PRODUCTS, SCORED)
        names = arguments.models.split(",") if arguments.models else Config().experiments["rivals"].methods
        report(names, table, options, settings, arguments)
    report_bands(Experiment().proposed, options, [int(count) for count in arguments.bands.split(",")], arguments)


if __name__ == "__main__":
    main()
