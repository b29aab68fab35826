"""`anyband compare-runs`: what differs between two runs is on the page, and nothing else."""

import json
import shutil

import pandas as pd
import pytest

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report.compare_runs import compare_runs
from anyband.report.provenance import collect, software
from anyband.runtime import UserError
from unit.report.fabricated import text_of


@pytest.fixture
def twice(report, tmp_path):
    """Two copies of one run's `report_data`."""
    for name in ("first", "second"):
        shutil.copytree(report[1], tmp_path / name)
    return tmp_path / "first", tmp_path / "second", tmp_path / "out.html"


def change(path, edit):
    """Edit a JSON document."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_a_run_and_itself_have_no_changes(twice):
    lines = compare_runs(*twice)
    assert len(lines) == 5 and all(line.endswith(": 0 changes") for line in lines)
    text = text_of(twice[2])
    assert text.count("Nothing changed.") == 5
    assert "Both runs were scored on the same scenes and splits." in text


def test_each_kind_of_change_stands_in_its_section(twice):
    first, second, out = twice
    general = pd.read_csv(second / "comparison/main/general.csv")
    place = general.index[general["method"] == "input-fusion"][0]
    before = float(general.loc[place, "miou"])
    general.loc[place, "miou"] = before + 0.021
    general.to_csv(second / "comparison/main/general.csv", index=False)
    change(second / "claims.json", lambda content: content["main"]["claims"].pop())
    change(second / "config.json", lambda content: content["experiments"]["main"]["training"].update(steps=77))
    change(second / "provenance.json", lambda content: content["datasets"]["main"]["item_ids"].pop())
    change(second / "provenance.json", lambda content: content.update(python="3.11.99"))
    sections = ("Results", "Claims", "Configuration", "Data", "Code and software")
    assert compare_runs(first, second, out) == [f"{name}: 1 change" for name in sections]
    text = text_of(out)
    assert f"{form.points(before)} [" in text and f"{form.points(before + 0.021)} [" in text and "+2.1" in text
    assert "experiments.main.training.steps 1250 77" in text
    assert "main: items that the other lacks 1 0" in text
    assert "3.11.99" in text
    assert "so scores of the two runs are not on the same pixels" in text


def test_other_numbers_of_threads_are_named(twice):
    """Sums depend on them, so results may differ though nothing else does."""
    for folder, seed, threads in ((twice[0], 0, 1), (twice[1], 0, 8), (twice[1], 1, 2)):
        settings = folder / f"results/runs/main/anyband/seed-{seed}/settings.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps({"threads": threads}))
    found = [collect(Config(), [], [], folder / "results")["threads"] for folder in twice[:2]]
    assert [entry["main"] for entry in found] == [[1], [2, 8]]
    for folder, threads in zip(twice, found, strict=False):
        change(folder / "provenance.json", lambda content, threads=threads: content.update(threads=threads))
    assert compare_runs(*twice)[-1] == "Code and software: 1 change"
    assert "threads.main [1] [2, 8]" in text_of(twice[2])
    rows = software(json.loads((twice[1] / "provenance.json").read_text())).rows
    assert ["Threads of a training, main", "2, 8"] in [[cell.text for cell in row] for row in rows]


def test_a_method_that_only_one_run_has_is_named(twice):
    first, second, out = twice
    general = pd.read_csv(second / "comparison/main/general.csv")
    general[general["method"] != "satlas"].to_csv(second / "comparison/main/general.csv", index=False)
    assert compare_runs(first, second, out)[0] == "Results: 1 change"
    assert "not in this run" in text_of(out)


def test_a_folder_without_a_report_is_one_clear_line(twice, tmp_path):
    with pytest.raises(UserError, match="provenance.json is missing: name a results folder with a report"):
        compare_runs(twice[0], tmp_path, twice[2])
    assert not twice[2].exists()
