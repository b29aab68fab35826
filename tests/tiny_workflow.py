"""The workflow as a test runs it: in a folder of its own, on the tiny preset."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests/workflow/tiny.yaml"


@dataclass(frozen=True)
class Workflow:
    """The workflow in a folder of its own."""

    folder: Path
    root: Path = ROOT

    def arguments(self, *arguments, configs=(), target="all"):
        """Snakemake's arguments; several targets stand in one string."""
        files = [str(self.root / "config.yaml"), str(TINY), *map(str, configs)]
        base = ["--cores", "8", *target.split(), "--snakefile", str(self.root / "Snakefile")]
        return [*base, "--directory", str(self.folder), "--configfile", *files, *arguments]

    def run(self, *arguments, configs=(), change=None, target="all"):
        """Run it to the end, with a `change` of the configuration; gives (exit status, everything printed)."""
        if change is not None:
            file = Path(tempfile.mkdtemp()) / "change.yaml"
            file.write_text(yaml.safe_dump(change))
            configs = [*configs, file]
        done = snakemake(self.arguments(*arguments, configs=configs, target=target), self.folder)
        return done.returncode, done.stdout + done.stderr

    def succeed(self, *arguments, **options):
        """What a run that ends well prints."""
        status, printed = self.run(*arguments, **options)
        assert status == 0, printed[-3000:]
        return printed

    def copy(self, folder):
        """A copy of its results in another folder, which a test may change."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workflow(folder, self.root)


def snakemake(arguments, folder=ROOT, **variables):
    """Run Snakemake to the end, with further variables in its environment."""
    with tempfile.TemporaryDirectory() as printed:
        out, err = Path(printed, "out"), Path(printed, "err")
        request = [[str(word) for word in arguments], str(folder), environment() | variables, str(out), str(err)]
        server = _server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(request[0], status, out.read_text(), err.read_text())


@cache
def _server():
    """This file as a program; it ends with this process."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, __file__], env=environment(), **pipes)


def _serve():
    """Run Snakemake in a copy of this process for each request: its imports and its plugins cost more than a plan."""
    from snakemake import cli

    cli.get_argument_parser()
    for name in ("pandas", "pydantic", "scipy.fft", "shapely"):  # what the rules load; ours may lie in another root
        importlib.import_module(name)
    del sys.path[0]
    for line in sys.stdin:
        arguments, folder, variables, *printed = json.loads(line)
        if os.fork() == 0:
            for number, name in enumerate([os.devnull, *printed]):
                os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(variables)
            sys.argv[1:] = arguments
            sys.exit(cli.main(arguments))
        print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)


def environment():
    """The environment without what an enclosing Snakemake or make may have set."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE", "ANYBAND_CORES", "MAKE"))
    }


def jobs(printed):
    """Number of jobs by rule in Snakemake's table."""
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", printed, re.M) if name != "total"}


if __name__ == "__main__":
    _serve()
