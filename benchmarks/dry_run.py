"""How long Snakemake takes to plan ten thousand jobs.

    python benchmarks/dry_run.py [--jobs 10000]

A catalogue's sites on a grid, so many that searching, pairing and extracting them and one training and its evaluation
make the number of jobs; the workflow is dry-run in an empty folder. Printed are the jobs planned, wall time, CPU time
and the highest memory. Nothing is asked of the catalogue.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STEPS = 3  # search, pair, extract


def write_inputs(folder: Path, jobs: int) -> Path:
    """A table of sites and the configuration that uses it; returns the latter."""
    count = jobs // STEPS
    across = int(count**0.5) + 1
    rows = [f"s{n},{5 + 0.1 * (n % across):.1f},{40 + 0.1 * (n // across):.1f}" for n in range(count)]
    (folder / "sites.csv").write_text("\n".join(["site,longitude,latitude", *rows]) + "\n")
    main = {"methods": ["anyband"], "seeds": [0]}
    dataset = {"catalog": "planetary-computer", "sites": str(folder / "sites.csv")}
    path = folder / "many.yaml"
    path.write_text(yaml.safe_dump({"datasets": {"main": dataset}, "experiments": {"main": main}}))
    return path


def main() -> None:
    """Plan and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        config = write_inputs(Path(name), arguments.jobs)
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--dry-run",
            "--quiet",
            "rules",
            "--cores",
            "8",
            "--directory",
            name,
        ]
        command += [
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--configfile",
            str(ROOT / "config.yaml"),
            str(config),
            "--",
            "all",
        ]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = re.findall(r"^total +(\d+)$", done.stdout + done.stderr, re.M)
    if done.returncode or not total:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    print(f"{total[0]} jobs: {wall:.1f} s, {used.ru_utime + used.ru_stime:.1f} s CPU, {used.ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
