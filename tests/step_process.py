"""Steps as processes of their own that start at once: forked from a clean one that has imported everything."""

import importlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from anyband.runtime import step_main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pytest",
        "anyband.steps.search",
        "anyband.steps.pair",
        "anyband.steps.extract",
        "stackstac",
        "zarr",
        "distributed",
    ]
)


def _run(name: str, arguments: list[str], environment: Mapping[str, str], printed: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    file = printed.open("wb")
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.argv = [name, *arguments]
    step_main(importlib.import_module(f"anyband.steps.{name}").main)


def run_step(
    name: str, arguments: list[str], environment: Mapping[str, str], timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run `python -m anyband.steps.{name}` with an environment; what it prints is all in `stderr`."""
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "printed"
        process = FORKS.Process(target=_run, args=(name, arguments, environment, printed))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(name, timeout_s)
        return subprocess.CompletedProcess([name, *arguments], process.exitcode, "", printed.read_text())
