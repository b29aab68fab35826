"""Highest memory of the steps that read all sites of a dataset, by number of sites.

    python benchmarks/memory.py RESULTS [--dataset main] [--shares 0.67,1]

RESULTS is the folder of a finished run. Audit and split read every store, and run here on the first sites of the
dataset, by the settings of config.yaml. The steps before them see one site at a time (tests/unit/chips/test_memory.py);
trainings and evaluations hold chips in at most half of the free memory (tests/unit/chips/test_bulk.py).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from anyband.config import load

ROOT = Path(__file__).parents[1]
STEPS = {
    "audit": (("chip_m",), ("--out=audit.json",)),
    "split": (("chip_m", "classes", "split"), ("--out=split.csv", "--certificate=leakage.json")),
}


def memory_mb(command: list[str], folder: str) -> float:
    """Highest memory of a step.

    Raises:
        SystemExit: the step failed, with what it printed.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            log.seek(0)
            sys.exit(log.read()[-2000:])
    return used.ru_maxrss / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--dataset", default="main")
    parser.add_argument("--shares", default="0.67,1", help="of the sites; a split needs enough of them for its blocks")
    arguments = parser.parse_args()
    stores = sorted(map(str, (arguments.results.resolve() / "chips" / arguments.dataset).glob("*.zarr")))
    settings = load(yaml.safe_load((ROOT / "config.yaml").read_text())).datasets[arguments.dataset]
    with tempfile.TemporaryDirectory() as folder:
        for step, (keys, outputs) in STEPS.items():
            words = [sys.executable, "-m", f"anyband.steps.{step}", f"--settings={settings.as_json(*keys)}", *outputs]
            for share in map(float, arguments.shares.split(",")):
                chosen = stores[: round(share * len(stores))]
                print(
                    f"{step}: {len(chosen)} sites, {memory_mb([*words, '--chips', *chosen], folder):.0f} MB", flush=True
                )


if __name__ == "__main__":
    main()
