"""Both steps: what they write, what they import, how they fail."""

import os
import subprocess
import sys

import pytest

from anyband.config import ComparisonSettings
from anyband.runtime import step_main
from anyband.statistics.comparison import write_comparison
from anyband.steps import compare, report
from unit.report.fabricated import fabricate_config

COMPARED = """
import sys, anyband.steps.compare
anyband.steps.compare.main()
print({"torch", "matplotlib", "zarr", "jinja2", "scipy.stats"} & set(sys.modules))
"""


@pytest.fixture
def small():
    """Settings of a comparison of two methods."""
    config = fabricate_config(seeds=(0, 1), methods=["input-fusion", "anyband"])
    dataset = config.datasets["main"]
    return ComparisonSettings(name="main", experiment=config.experiments["main"], classes=dataset.classes)


def run(monkeypatch, step, *arguments):
    """Exit of a step in this process: what it would print as its last line."""
    monkeypatch.setattr(sys, "argv", [step.__name__, *arguments])
    with pytest.raises(SystemExit) as stopped:
        step_main(step.main)
    assert "\n" not in stopped.value.code
    return stopped.value.code


def test_a_process_writes_what_the_report_reads_and_needs_neither_torch_nor_matplotlib(root, results, small, tmp_path):
    write_comparison(small, results / "runs/main", tmp_path / "here")
    options = (f"--settings={small.as_json()}", f"--runs={results / 'runs/main'}", f"--out={tmp_path / 'there'}")
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, "-c", COMPARED, *options], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "set()", done.stderr
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == names
    for name in names:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name


def test_with_the_pairs_there_is_a_third_endpoint(results, small, tmp_path, monkeypatch):
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs/oak.csv").write_text("clear_joint,clear_sentinel2,clear_landsat\n0.6,0.8,0.8\n")
    (tmp_path / "splits.csv").write_text("site,split\noak,train\n")
    options = [f"--settings={small.as_json()}", f"--runs={results / 'runs/main'}", f"--out={tmp_path / 'there'}"]
    more = [f"--pairs={tmp_path / 'pairs'}", f"--split={tmp_path / 'splits.csv'}"]
    monkeypatch.setattr(sys, "argv", ["compare", *options, *more])
    compare.main()
    lines = (tmp_path / "there/cloud_weighted.csv").read_text().splitlines()
    assert len(lines) > 2 and ",0.2,0.2,0.6," in lines[1]


def test_compare_without_runs_is_one_line_and_leaves_nothing(small, tmp_path, monkeypatch):
    options = (f"--settings={small.as_json()}", f"--runs={tmp_path}", f"--out={tmp_path / 'comparison'}")
    assert "no confusion.csv of any method or seed" in run(monkeypatch, compare, *options)
    assert list(tmp_path.iterdir()) == []


def test_report_without_splits_is_one_line(config, tmp_path, monkeypatch):
    out, data = tmp_path / "report.html", tmp_path / "data"
    options = (f"--settings={config.as_json()}", f"--results={tmp_path}", f"--out={out}", f"--data={data}")
    assert "splits/main.csv is missing" in run(monkeypatch, report, *options)
