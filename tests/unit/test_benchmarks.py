"""The benchmarks are run by hand, so a change elsewhere breaks them unseen."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("name", sorted(p.name for p in FOLDER.glob("*.py") if "argparse" in p.read_text()))
def test_benchmark_still_finds_what_it_measures(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(FOLDER / name), run_name="__main__")
    assert not stopped.value.code and "usage" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("training.py", ("--models", "anyband")),
        ("inference.py", ("--models", "anyband", "--batch", "1", "--bands", "12")),
    ],
)
def test_benchmark_of_models_measures_the_proposed_encoder(name, arguments):
    """At its smallest: what the registry or the loop changed would be found here, not on a rented GPU."""
    command = [sys.executable, str(FOLDER / name), "--steps=1", "--repetitions=1", "--threads=1", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-1000:]
    rates = [line.split()[1:4] for line in found.stdout.splitlines() if line.startswith("anyband ")]
    assert len(rates) == 1 and all(float(rate) > 0 for rate in rates[0][:2]), found.stdout
