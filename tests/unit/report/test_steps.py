"""Both steps as processes: what they write, what they import, how they fail."""

import os
import subprocess
import sys

import pytest

from anyband.config import ComparisonSettings


def run(root, module, *arguments):
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-m", f"anyband.steps.{module}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.fixture
def comparison_json(config):
    experiment = config.experiments["main"]
    return ComparisonSettings(name="main", experiment=experiment, classes=config.datasets["main"].classes).as_json()


def test_compare_writes_what_the_report_reads(root, results, comparison_json, tmp_path):
    out = tmp_path / "comparison"
    done = run(root, "compare", f"--settings={comparison_json}", f"--runs={results / 'runs/main'}", f"--out={out}")
    assert done.returncode == 0, done.stderr
    expected = sorted(path.name for path in (results / "comparison/main").iterdir())
    assert sorted(path.name for path in out.iterdir()) == expected
    for name in expected:
        assert (out / name).read_bytes() == (results / "comparison/main" / name).read_bytes(), name


def test_compare_without_runs_is_one_line_and_leaves_nothing(root, comparison_json, tmp_path):
    out = tmp_path / "comparison"
    done = run(root, "compare", f"--settings={comparison_json}", f"--runs={tmp_path}", f"--out={out}")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "no confusion.csv of any method or seed" in done.stderr
    assert not out.exists() and list(tmp_path.iterdir()) == []


def test_report_without_splits_is_one_line(root, config, tmp_path):
    done = run(root, "report", f"--settings={config.as_json()}", f"--results={tmp_path}",
               f"--out={tmp_path / 'report.html'}", f"--data={tmp_path / 'data'}")  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "splits/main.csv is missing" in done.stderr


def test_comparing_needs_neither_torch_nor_matplotlib(root):
    code = "import sys, anyband.steps.compare; print({'torch', 'matplotlib', 'zarr', 'jinja2'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "set()"
