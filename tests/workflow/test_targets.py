"""The targets beside `all`, on the data of the tiny run."""

import json
import re
import shutil

import pytest
import yaml

from tiny_workflow import Workflow, jobs

METHODS = ["anyband", "anyband-no-synthetic", "anyband-cell-means"]
FEW = {"experiments": {"ablations": {"methods": METHODS}}}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The change of the configuration that leaves two ablations."""
    path = tmp_path_factory.mktemp("change") / "few.yaml"
    path.write_text(yaml.safe_dump(FEW))
    return path


@pytest.fixture(scope="module")
def ablated(tiny_run, few, tmp_path_factory):
    """A copy of the tiny run with its ablations."""
    folder = tmp_path_factory.mktemp("ablated") / "run"
    shutil.copytree(tiny_run.folder, folder, symlinks=True)
    workflow = Workflow(folder)
    status, printed = workflow.run(configs=[few], target="ablations")
    assert status == 0, printed[-3000:]
    return workflow


def test_each_target_reports_its_own_experiments(ablated):
    results = ablated.folder / "results"
    for folder, experiment in ((results, "main"), (results / "ablations", "ablations")):
        shown = json.loads((folder / "report_data/config.json").read_text())
        assert set(shown["experiments"]) == {experiment}
    assert set(shown["methods"]) == set(METHODS)
    assert "anyband-no-synthetic" in (results / "ablations/report.html").read_text()
    assert "anyband-no-synthetic" not in (results / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "target", "trained", "expected"),
    [
        (
            {"methods": {"anyband-no-synthetic": {"options": {"synthetic": 0.25}}}},
            "ablations",
            {"anyband-no-synthetic"},
            {"train": 1, "evaluate": 1, "compare": 1, "report": 1, "ablations": 1},
        ),
        (
            {
                "methods": {"anyband-wide": {"inherits": "anyband", "options": {"features": 64}}},
                "experiments": {"ablations": {"methods": [*METHODS, "anyband-wide"]}},
            },
            "ablations",
            {"anyband-wide"},
            {"train": 1, "evaluate": 1, "compare": 1, "report": 1, "ablations": 1},
        ),
        ({"methods": {"anyband-no-synthetic": {"options": {"synthetic": 0.25}}}}, "all", set(), {}),
        ({"experiments": {"rivals": {"seeds": [7]}}}, "all", set(), {}),
    ],
    ids=["an ablation's option", "a new ablation", "all, an ablation's option", "all, another target's seeds"],
)
def test_a_change_of_one_ablation_trains_it_alone_and_leaves_the_main_comparison(
    ablated, few, tmp_path, change, target, trained, expected
):
    file = tmp_path / "change.yaml"
    file.write_text(yaml.safe_dump(change))
    status, printed = ablated.run("--dry-run", configs=[few, file], target=target)
    assert status == 0, printed
    assert set(re.findall(r"Training ([\w-]+), seed", printed)) == trained
    assert jobs(printed) == expected
