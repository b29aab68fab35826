"""How much of the machine's arithmetic training uses, and what a training step of each method costs.

    python benchmarks/training.py [--models a,b | --models all] [--steps N] [--repetitions N] [--threads N] [--profile]

First, forward and backward pass of the shared trunk at the default sizes (batch and crop of the default training)
against the rate of plain float32 matrix products in the same process with the same threads: those that the trunk
itself is made of, and one large square. Below half of the former, the operations that take the time are listed. The
same at the sizes of the preset `paper` tells waste in the code from the fixed cost of small operations.

Then, training steps as the loop takes them (forward, loss, backward, clipping, fused AdamW) on batches in memory:
crops a second of each model, the rate of its matrix products and convolutions, and its time over that of input-fusion.
Sensors at hand follow the methods' own draw. Batches are noise with a cloud: what counts is their shape. Every number
is a median over repetitions, which run all ways in turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from anyband.config import Training
from anyband.methods import MODELS
from anyband.models.core.method import Method, Options
from anyband.models.core.network import Trunk
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.storage import build
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import set_threads
from anyband.sensors.platforms import get_sensor
from anyband.training.train_run import keep_large_blocks

CLASSES = 8
SQUARE = 1024
LOW = 0.5
LARGE = Options(dim=384, depth=8, heads=8, mlp_ratio=4.0)
S30 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
SENSORS = {
    "sentinel2": (("sentinel-2a", "sentinel-2b"), (*S30, "B09"), 0.0),
    "landsat": (("landsat-8", "landsat-9"), ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22"), -15.0),
    "hls_s30": (("sentinel-2a", "sentinel-2b"), S30, 0.0),
    "hls_l30": (("landsat-8", "landsat-9"), ("B01", "B02", "B03", "B04", "B05", "B06", "B07"), 0.0),
}


def make_groups(batch: int, side_m: int) -> tuple[BandGroup, ...]:
    """One crop of every product, with platforms in turn and a cloud over a tenth of the ground."""
    groups = []
    for product, (platforms, names, shift) in SENSORS.items():
        described = [get_sensor(platform, product).groups(names) for platform in platforms]
        for pixel_m in described[0]:
            sets = tuple(one[pixel_m] for one in described)
            size = round(side_m / pixel_m) + (shift != 0)
            valid = torch.ones(batch, len(sets[0]), size, size, dtype=torch.bool)
            valid[: batch // 2, :, : size // 4, : size // 2] = False
            values = torch.rand(batch, len(sets[0]), size, size).clamp(0.01) * valid
            index, offset = torch.arange(batch) % len(sets), torch.full((batch, 2), shift)
            groups.append(BandGroup(product, values, valid, sets, index, pixel_m, offset))
    return tuple(groups)


def statistics_of(groups: tuple[BandGroup, ...]) -> Statistics:
    """Statistics of uniform noise for every band."""
    bands = [
        BandMoments(group.product, band.name, band.response.centre_nm, band.quantity, 0.5, 0.29)
        for group in groups
        for band in group.band_sets[0]
    ]
    covariance = np.diag([band.std**2 for band in bands])
    return Statistics(tuple(bands), (1,) * CLASSES, tuple(map(tuple, covariance.tolist())))


@dataclass(frozen=True)
class Timer:
    """Runs ways in turn and keeps the seconds of each."""

    repetitions: int

    def run(self, ways: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
        """Seconds of every repetition, after one that does not count."""
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for repetition in range(self.repetitions + 1):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                if repetition:
                    seconds[name].append(time.perf_counter() - started)
        return seconds


def count_flops(function: Callable[[], None]) -> int:
    """Floating-point operations of the matrix products in a call, those of attention included."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def trunk_pass(options: Options, batch: int, cells: int) -> Callable[[], None]:
    """Forward and backward pass of a trunk that has left its start."""
    trunk = Trunk(options.dim, options.depth, options.heads, options.mlp_ratio, options.cell_m)
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    tokens = torch.randn(batch, cells, cells, options.dim, requires_grad=True)
    towards = torch.randn_like(tokens)

    def run() -> None:
        trunk.zero_grad()
        tokens.grad = None
        trunk(tokens).backward(towards)

    return run


def own_products(options: Options, batch: int, cells: int) -> Callable[[], None]:
    """The matrix products of `trunk_pass` and nothing else: three for each of a linear layer, six for attention."""
    rows, dim, hidden = batch * cells**2, options.dim, int(options.dim * options.mlp_ratio)
    shapes = [(dim, 3 * dim), (dim, dim), (dim, hidden), (hidden, dim)] * options.depth
    layers = [(torch.randn(rows, i), torch.randn(i, o), torch.randn(rows, o)) for i, o in shapes]
    head = dim // options.heads
    wide = torch.randn(batch * options.heads, cells**2, head)
    square = torch.randn(batch * options.heads, cells**2, cells**2)

    def run() -> None:
        for x, weight, towards in layers:
            torch.mm(x, weight)
            torch.mm(towards, weight.T)
            torch.mm(x.T, towards)
        for _ in range(options.depth):
            for _ in range(2):  # scores and the gradient of the weights; the other four give (N, head)
                torch.bmm(wide, wide.mT)
            for _ in range(4):
                torch.bmm(square, wide)

    return run


def repeated(function: Callable[[], None], count: int) -> Callable[[], None]:
    """The function `count` times."""

    def run() -> None:
        for _ in range(count):
            function()

    return run


def report_trunk(timer: Timer, options: Options, steps: int, settings: Training, *, profile: bool) -> None:
    """Rates of the trunk and of plain products, their ratios, and a profile where the trunk is slow."""
    cells = round(settings.crop_m / options.cell_m)
    trunk, plain = trunk_pass(options, settings.batch, cells), own_products(options, settings.batch, cells)
    left, right = torch.randn(SQUARE, SQUARE), torch.randn(SQUARE, SQUARE)
    flops = {"trunk": count_flops(trunk) * steps, "its products": count_flops(plain) * steps, "square": 2 * SQUARE**3}
    seconds = timer.run(
        {
            "trunk": repeated(trunk, steps),
            "its products": repeated(plain, steps),
            "square": repeated(lambda: torch.mm(left, right), 1),
        }
    )
    print(f"trunk: {settings.batch} x {cells} x {cells} cells, {options.dim} channels, {options.depth} blocks")
    rates = {name: [flops[name] / s for s in times] for name, times in seconds.items()}
    for name, values in rates.items():
        print(f"  {name:14}{statistics.median(values) / 1e9:8.1f} GFLOP/s{flops[name] / 1e6:10.1f} MFLOP")
    for name in ("its products", "square"):
        ratio = statistics.median(a / b for a, b in zip(rates["trunk"], rates[name], strict=True))
        print(f"  trunk / {name}: {ratio:.2f}")
        profile = profile or (name == "its products" and ratio < LOW)
    if profile:
        print_profile(trunk)


def print_profile(function: Callable[[], None]) -> None:
    """The operations of twenty calls that take the most time themselves."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        repeated(function, 20)()
    table = profiler.key_averages()
    total = sum(entry.self_cpu_time_total for entry in table)
    print(f"  {'operation':44}{'calls':>8}{'us each':>9}{'share':>8}")
    for entry in sorted(table, key=lambda e: -e.self_cpu_time_total)[:15]:
        each, share = entry.self_cpu_time_total / entry.count, entry.self_cpu_time_total / total
        print(f"  {entry.key[:43]:44}{entry.count // 20:8}{each:9.1f}{share:8.1%}")


def training_steps(method: Method, groups: tuple[BandGroup, ...], settings: Training, steps: int) -> Callable[[], None]:
    """Steps as the loop takes them, with sensors drawn evenly."""
    optimizer = torch.optim.AdamW(method.parameters(), lr=settings.learning_rate, fused=True)
    size = settings.crop_m // 10
    query = QueryGrid(10.0, size, size)
    labels = torch.randint(CLASSES, (settings.batch, size, size))
    method.train()

    def run() -> None:
        for step in range(steps):
            torch.manual_seed(step)
            observation = Observation(groups).only(method.drawn((step + 0.5) / steps))
            loss = method.loss((observation, query, labels))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
            optimizer.step()

    return run


def report_models(timer: Timer, names: list[str], steps: int, settings: Training, *, profile: bool) -> None:
    """Milliseconds a step, crops a second and time over input-fusion, slowest first."""
    groups = make_groups(settings.batch, settings.crop_m)
    ways = {}
    for name in dict.fromkeys(("input-fusion", *names)):
        method = build(name, {}, statistics_of(groups), CLASSES)
        if any(parameter.requires_grad for parameter in method.parameters()):
            ways[name] = training_steps(method, groups, settings, steps)
        else:
            print(f"{name}: no gradients, so no steps")
    seconds = timer.run(ways)
    ratio = {
        name: statistics.median(a / b for a, b in zip(times, seconds["input-fusion"], strict=True))
        for name, times in seconds.items()
    }
    print(f"{'model':20}{'ms a step':>10}{'crops/s':>9}{'GFLOP/s':>9}{'x input-fusion':>16}")
    for name in sorted(ratio, key=lambda name: -ratio[name]):
        each, flops = statistics.median(seconds[name]) / steps, count_flops(ways[name]) / steps
        crops, rate = settings.batch / each, flops / each / 1e9
        print(f"{name:20}{1000 * each:10.1f}{crops:9.1f}{rate:9.1f}{ratio[name]:16.2f}")
        if profile:
            print_profile(repeated(ways[name], 1))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="anyband,feature-fusion,input-fusion", help="names, or all")
    parser.add_argument("--steps", type=int, default=12, help="steps a repetition")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="list the operations of everything measured")
    arguments = parser.parse_args()
    print(f"{set_threads(arguments.threads)} threads, {arguments.repetitions} repetitions")
    keep_large_blocks()
    torch.manual_seed(0)
    timer, settings = Timer(arguments.repetitions), Training()
    report_trunk(timer, Options(), arguments.steps, settings, profile=arguments.profile)
    report_trunk(timer, LARGE, 1, settings, profile=False)
    names = list(MODELS) if arguments.models == "all" else arguments.models.split(",")
    report_models(timer, names, arguments.steps, settings, profile=arguments.profile)


if __name__ == "__main__":
    main()
