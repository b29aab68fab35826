"""The workflow as a test runs it: in a folder of its own, on the tiny preset."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests/workflow/tiny.yaml"


@dataclass(frozen=True)
class Workflow:
    """The workflow in a folder of its own."""

    folder: Path
    root: Path = ROOT

    def command(self, *arguments, configs=(), target="all"):
        files = [str(self.root / "config.yaml"), str(TINY), *map(str, configs)]
        base = [sys.executable, "-m", "snakemake", "--cores", "8", target, "--snakefile", str(self.root / "Snakefile")]
        return [*base, "--directory", str(self.folder), "--configfile", *files, *arguments]

    def run(self, *arguments, configs=(), target="all"):
        """Run it to the end and give (exit status, everything printed)."""
        done = subprocess.run(
            self.command(*arguments, configs=configs, target=target),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr


def environment():
    """The environment without what an enclosing Snakemake or make may have set."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE", "ANYBAND_CORES", "MAKE"))
    }


def jobs(printed):
    """Number of jobs by rule in Snakemake's table."""
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", printed, re.M) if name != "total"}
