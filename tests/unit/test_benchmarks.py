"""The benchmarks are run by hand, so a change elsewhere breaks them unseen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(p.name for p in FOLDER.glob("*.py") if "argparse" in p.read_text()))
def test_benchmark_still_finds_what_it_measures(name):
    command = [sys.executable, str(FOLDER / name), "--help"]
    environment = os.environ | {"PYTHONPATH": str(FOLDER)}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 0 and "usage" in found.stdout, found.stderr[-1000:]
