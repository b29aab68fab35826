"""The workflow as a test runs it: in a folder of its own, on the tiny preset."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

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

    def run(self, *arguments, configs=(), change=None, target="all"):
        """Run it to the end, with a `change` of the configuration; gives (exit status, everything printed)."""
        if change is not None:
            file = Path(tempfile.mkdtemp()) / "change.yaml"
            file.write_text(yaml.safe_dump(change))
            configs = [*configs, file]
        return output(self.command(*arguments, configs=configs, target=target), self.folder)

    def succeed(self, *arguments, **options):
        """What a run that ends well prints."""
        status, printed = self.run(*arguments, **options)
        assert status == 0, printed[-3000:]
        return printed

    def copy(self, folder):
        """A copy of its results in another folder, which a test may change."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workflow(folder, self.root)


def output(command, folder):
    """Run a command in a folder: (exit status, everything printed)."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def environment():
    """The environment without what an enclosing Snakemake or make may have set."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE", "ANYBAND_CORES", "MAKE"))
    }


def jobs(printed):
    """Number of jobs by rule in Snakemake's table."""
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", printed, re.M) if name != "total"}
