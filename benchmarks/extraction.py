"""Cutting chips: ours against stackstac, plain windows and the measured limit, same chips, one run.

    python benchmarks/extraction.py FOLDER [--side 3660] [--chips 200] [--layout sparse] [--repeats 5] [--http]

A scene of Sentinel-2 (12 bands, 10/20/60 m, tiles of 512 pixels) and one of Landsat (7 bands, 30 m, half a pixel off,
tiles of 256), DEFLATE with predictor 2 as at real providers, is made in FOLDER once (`--side` is that of the 10 m bands
in pixels; 10980 is a whole tile and takes 1.3 GB). Every method runs in a process of its own, the methods take turns,
and the medians are printed. The limit reads every needed internal tile once and throws it away: no chip is put
together. A store that is compressed is held against a limit that compresses the pixels of every chip once as well;
neither limit makes checksums or writes a file. Slow methods cut a part
of the chips. With `--http` the files come from a server on this machine that answers each request after 30 ms.
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from extraction_methods import CHIP_M, METHODS, Task, make_scene
from extraction_server import delayed_server

SLOW = {"stackstac, chip by chip": 12}
"""Methods that cut so many chips at most: a second or two for each of them is enough."""


def memory_mb(reset: bool = False) -> float:
    """Highest memory of this process, or the present one, from which the highest is counted anew."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def run_one(method: str, arguments: argparse.Namespace, address: str) -> None:
    """One measurement, in a process of its own; prints JSON."""
    count = min(arguments.chips, SLOW.get(method, arguments.chips))
    threads = arguments.http_threads if "://" in address else arguments.threads
    task = Task(address, arguments.side, arguments.chips, arguments.layout, threads)
    task.chips = task.chips[:count]
    from anyband.chips.shards import checksums

    chips, task.chips = task.chips, task.chips[:1]
    METHODS[method](task)  # what is imported and set up once is not measured
    task.chips = chips
    base = memory_mb(reset=True)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    output = METHODS[method](task)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    peak = memory_mb()
    digest = hashlib.md5()
    for name in sorted(output or {}):
        digest.update(output[name] if output[name].ndim == 1 else checksums(output[name]))
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {"chips": count, "wall": wall, "cpu": used, "peak_mb": peak, "base_mb": base}
    print(json.dumps(result | {"digest": digest.hexdigest() if output else None}))


def main() -> None:
    """Run all methods in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=3_660, help="pixels of a 10 m band")
    parser.add_argument("--chips", type=int, default=200)
    parser.add_argument("--layout", choices=("sparse", "dense"), default="sparse")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--http", action="store_true", help="30 ms a request instead of local files")
    parser.add_argument("--http-threads", type=int, default=16)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one, arguments, arguments.address)
        return
    scene = arguments.folder / f"scene-{arguments.side}-pixels"
    scene.mkdir(parents=True, exist_ok=True)
    make_scene(scene, arguments.side)
    if arguments.http:
        with delayed_server(scene, 0.03) as address:
            report(measure(arguments, address, scene), arguments)
    else:
        report(measure(arguments, str(scene), scene), arguments)


def measure(arguments: argparse.Namespace, address: str, scene: Path) -> dict[str, list[dict[str, Any]]]:
    """Results of every method, repeated in turns."""
    results: dict[str, list[dict[str, Any]]] = {method: [] for method in arguments.methods}
    environment = os.environ | {"BENCHMARK_FOLDER": str(arguments.folder)}
    for _ in range(arguments.repeats):
        for method in arguments.methods:
            command = [sys.executable, __file__, *sys.argv[1:], "--one", method, "--address", address]
            if "://" in address:
                urlopen(f"{address}/reset").read()
            run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            result = json.loads(run.stdout.splitlines()[-1])
            if "://" in address:
                result |= json.loads(urlopen(f"{address}/count").read())
            results[method].append(result)
    return results


def report(results: dict[str, list[dict[str, Any]]], arguments: argparse.Namespace) -> None:
    """Print the table of medians and ratios, and whether all methods cut the same pixels."""

    def median(method: str, value: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(value(result) for result in results[method])

    where = "HTTP, 30 ms a request" if arguments.http else "local files"
    threads = arguments.http_threads if arguments.http else arguments.threads
    print(
        f"{arguments.chips} {arguments.layout} chips of {CHIP_M} m x 19 bands, scene of {arguments.side} px, {where}, "
        f"{threads} threads, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, medians of {arguments.repeats}"
    )
    print(
        f"{'method':26}{'chips/s':>9}{'ms CPU/chip':>13}{'CPU/limit':>11}{'speed/limit':>12}{'peak MB':>9}"
        f"{'requests':>10}{'MB sent':>9}"
    )
    for method, runs in results.items():
        speed, cpu = median(method, lambda r: r["chips"] / r["wall"]), median(method, lambda r: r["cpu"] / r["chips"])
        limit = "limit, compressed" if method == "ours, into a store" else "limit"
        paired = [(a, b) for a, b in zip(runs, results.get(limit, []), strict=False)]
        cpu_ratio = (
            statistics.median(a["cpu"] / a["chips"] / (b["cpu"] / b["chips"]) for a, b in paired) if paired else 0
        )
        wall_ratio = (
            statistics.median(b["wall"] / b["chips"] / (a["wall"] / a["chips"]) for a, b in paired) if paired else 0
        )
        sent = "".join(
            f"{median(method, lambda r, k=k: r.get(k, 0)):>{w}.0f}" for k, w in (("requests", 10), ("mb", 9))
        )
        print(
            f"{method:26}{speed:9.1f}{1000 * cpu:13.1f}{cpu_ratio:11.2f}{wall_ratio:12.2f}"
            f"{median(method, lambda r: r['peak_mb']):9.0f}{sent if arguments.http else ''}"
        )
    print("limit: every tile decoded once; that of 'ours, into a store' also has the chips' compression (zstd 3)")
    digests = {r["digest"] for m, runs in results.items() for r in runs if r["digest"] and m not in SLOW}
    print("same pixels from all methods" if len(digests) == 1 else f"DIFFERENT PIXELS: {digests}")


if __name__ == "__main__":
    main()
