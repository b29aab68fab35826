"""The targets beside `all`, on the data of the tiny run."""

import json
import re

import pytest

from anyband.config import merge
from tiny_workflow import jobs

METHODS = ["anyband", "anyband-no-synthetic"]
FEW = {"experiments": {"ablations": {"methods": METHODS}}}


@pytest.fixture(scope="module")
def ablated(tiny_run, tmp_path_factory):
    """A copy of the tiny run with its ablations."""
    workflow = tiny_run.copy(tmp_path_factory.mktemp("ablated") / "run")
    workflow.succeed(change=FEW, target="ablations")
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
        ({"methods": {"anyband-no-synthetic": {"options": {"synthetic": 0.25}}}}, "all", set(), {}),
    ],
    ids=["ablations", "all"],
)
def test_a_change_of_one_ablation_trains_it_alone_and_leaves_the_main_comparison(
    ablated, change, target, trained, expected
):
    printed = ablated.succeed("--dry-run", change=merge(FEW, change), target=target)
    assert set(re.findall(r"Training ([\w-]+), seed", printed)) == trained
    assert jobs(printed) == expected
