"""A second worker process of dask.distributed against one alone: the same chips into a store, in turns.

    python benchmarks/extraction_workers.py FOLDER [--side 3660] [--chips 300] [--layout dense] [--repeats 5]

The scene is that of `extraction.py`, made in FOLDER once. The clusters of one and of two processes, one thread each,
run before the clock starts; each repetition cuts all chips on one, then on the other, and as many threads of this
process as the larger cluster has, for comparison. Printed are medians, and the median of the ratios within repetitions.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from extraction_methods import Task, make_scene, ours_with_store

VARIABLE = "ANYBAND_SCHEDULER"


@contextmanager
def cluster(processes: int) -> Iterator[str]:
    """Address of a scheduler with so many workers of one thread."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=None) as running:
        yield running.scheduler_address


def seconds(task: Task, scheduler: str) -> tuple[float, str]:
    """Wall time of one extraction, and what its chips' checksums are."""
    os.environ[VARIABLE] = scheduler
    start = time.perf_counter()
    found = ours_with_store(task)
    return time.perf_counter() - start, str({name: int(np.bitwise_xor.reduce(sums)) for name, sums in found.items()})


def main() -> None:
    """Run both clusters in turns and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=3_660, help="pixels of a 10 m band")
    parser.add_argument("--chips", type=int, default=300)
    parser.add_argument("--layout", choices=("sparse", "dense"), default="dense")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    scene = arguments.folder / f"scene-{arguments.side}-pixels"
    scene.mkdir(parents=True, exist_ok=True)
    make_scene(scene, arguments.side)
    os.environ["BENCHMARK_FOLDER"] = str(arguments.folder)
    task = Task(str(scene), arguments.side, arguments.chips, arguments.layout, threads=2)
    with ExitStack() as stack:
        ways = {f"{count} process(es)": stack.enter_context(cluster(count)) for count in (1, 2)}
        ways["2 threads"] = "threads"
        for scheduler in ways.values():
            seconds(task, scheduler)  # what workers import and set up once is not measured
        runs = [{way: seconds(task, scheduler) for way, scheduler in ways.items()} for _ in range(arguments.repeats)]
    print(f"{arguments.chips} {arguments.layout} chips into a store, load {os.getloadavg()[0]:.1f}, {len(runs)} times")
    for way in ways:
        middle = statistics.median(run[way][0] for run in runs)
        print(f"{way:16}{middle:8.2f} s{arguments.chips / middle:9.1f} chips/s")
    first, second, _ = ways
    print(f"a second process: {statistics.median(run[first][0] / run[second][0] for run in runs):.2f}x")
    print("same pixels" if len({pixels for run in runs for _, pixels in run.values()}) == 1 else "DIFFERENT PIXELS")


if __name__ == "__main__":
    main()
