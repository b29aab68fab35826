"""How long Snakemake takes to plan ten thousand jobs.

    python benchmarks/dry_run.py [--jobs 10000] [--of sites|trainings]

Either a catalogue's sites on a grid, so many that searching, pairing and extracting them and one training and its
evaluation make the number of jobs; or ten sites and so many seeds that trainings and their evaluations do. The workflow
is dry-run in an empty folder. Printed are the jobs planned, wall time, CPU time, the highest memory and the load of the
machine before. Nothing is asked of the catalogue.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SITE_STEPS = 3  # search, pair, extract
RUN_STEPS = 2  # train, evaluate
FEW = 10  # sites of many trainings


def write_inputs(folder: Path, jobs: int, of: str) -> Path:
    """A table of sites and the configuration that uses it; returns the latter."""
    sites, seeds = (jobs // SITE_STEPS, 1) if of == "sites" else (FEW, jobs // RUN_STEPS)
    across = int(sites**0.5) + 1
    rows = [f"s{n},{5 + 0.1 * (n % across):.1f},{40 + 0.1 * (n // across):.1f}" for n in range(sites)]
    (folder / "sites.csv").write_text("\n".join(["site,longitude,latitude", *rows]) + "\n")
    main = {"methods": ["anyband"], "seeds": list(range(seeds))}
    dataset = {"catalog": "planetary-computer", "sites": str(folder / "sites.csv")}
    path = folder / "many.yaml"
    config = {"datasets": {"main": dataset}, "experiments": {"main": main}, "tuning": {"seed": seeds}}  # none of main's
    path.write_text(yaml.safe_dump(config))
    return path


def command(folder: str, config: Path) -> list[str]:
    """Snakemake's dry run."""
    files = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(ROOT / "config.yaml"), str(config)]
    options = ["--dry-run", "--quiet", "rules", "--cores", "8", "--directory", folder]
    return [sys.executable, "-m", "snakemake", *options, *files, "--", "all"]


def main() -> None:
    """Plan and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--of", choices=("sites", "trainings"), default="sites", help="what there is much of")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        words = command(name, write_inputs(Path(name), arguments.jobs, arguments.of))
        started = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = re.findall(r"^total +(\d+)$", done.stdout + done.stderr, re.M)
    if done.returncode or not total:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    cpu = used.ru_utime + used.ru_stime
    print(f"{total[0]} jobs: {wall:.1f} s, {cpu:.1f} s CPU, {used.ru_maxrss / 1e6:.2f} GB, load before {load:.1f}")


if __name__ == "__main__":
    main()
