"""The target `unseen`: sensors that training never sees, from simulated scenes to a report of their own."""

import csv
import json
import re

import pytest
import yaml
import zarr

from anyband.config import Config
from anyband.products import EXTRA
from tiny_workflow import ROOT, Workflow, jobs

FEW = {
    "experiments": {
        "unseen": {
            "methods": ["s2-only", "anyband", "broad-only", "hyper-only", "anyband-without-landsat"],
            "conditions": ["S2", "L9", "S2+L9", "BB", "HS", "BB/as-S2", "L9/as-S2"],
        }
    }
}


def test_target_unseen_is_known_and_makes_extra_scenes_for_its_own_dataset_alone(tmp_path):
    status, printed = Workflow(tmp_path).run("--dry-run", target="unseen")
    assert status == 0, printed
    assert set(re.findall(r"Training ([\w-]+), seed", printed)) == set(Config().experiments["unseen"].methods)
    assert re.findall(r"Writing (\S+)", printed) == ["results/unseen/report.html"]
    count = jobs(printed)
    assert count["search_extra"] == count["search"] == count["simulate"] > 0
    assert set(re.findall(r"results/archive/(\w+)/", printed)) == {"unseen"}


@pytest.mark.parametrize("target", ["all", "rivals", "chips", "scenes"])
def test_no_other_target_pays_for_extra_sensors(tmp_path, target):
    status, printed = Workflow(tmp_path).run("--dry-run", target=target)
    assert status == 0, printed
    assert "search_extra" not in jobs(printed) and "/unseen" not in printed


def test_smoke_preset_runs_the_target_too(tmp_path):
    smoke = ROOT / "workflow/presets/smoke.yaml"
    status, printed = Workflow(tmp_path).run("--dry-run", configs=[smoke], target="unseen")
    assert status == 0, printed
    assert jobs(printed)["train"] == 2 * len(Config().experiments["unseen"].methods)


@pytest.fixture(scope="module")
def unseen(tmp_path_factory):
    """A finished run of the target on the tiny preset."""
    folder = tmp_path_factory.mktemp("unseen")
    (folder / "few.yaml").write_text(yaml.safe_dump(FEW))
    workflow = Workflow(folder)
    status, printed = workflow.run(configs=[folder / "few.yaml"], target="unseen")
    assert status == 0, printed[-3000:]
    return workflow


def scored(workflow, method):
    """Conditions that a method has rows for."""
    with (workflow.folder / f"results/runs/unseen/{method}/seed-0/confusion.csv").open() as file:
        return {row["condition"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_who_answers_which_condition(unseen):
    everything = set(FEW["experiments"]["unseen"]["conditions"])
    assert scored(unseen, "anyband") == scored(unseen, "anyband-without-landsat") == everything
    assert scored(unseen, "s2-only") == {"S2", "S2+L9", "BB/as-S2", "L9/as-S2"}
    assert scored(unseen, "broad-only") == {"BB"}
    assert scored(unseen, "hyper-only") == {"HS"}


@pytest.mark.slow
def test_cost_says_what_each_method_was_trained_on(unseen):
    expected = {
        "anyband": ["landsat", "sentinel2"],
        "anyband-without-landsat": ["sentinel2"],
        "s2-only": ["sentinel2"],
        "broad-only": ["broadband"],
        "hyper-only": ["hyperspectral"],
    }
    for method, products in expected.items():
        cost = unseen.folder / f"results/runs/unseen/{method}/seed-0/cost.json"
        assert json.loads(cost.read_text())["trained_on"] == products, method


@pytest.mark.slow
def test_stores_of_the_dataset_have_the_extra_sensors_and_the_report_is_written(unseen):
    results = unseen.folder / "results"
    stores = list((results / "chips/unseen").glob("*.zarr"))
    for product in EXTRA:
        assert stores and all(zarr.open_group(store / product, mode="r").attrs["sources"] for store in stores)
    assert not (results / "chips/main").exists()
    page = (results / "unseen/report.html").read_text()
    assert "broad-only" in page and "BB" in page
    assert set(json.loads((results / "unseen/report_data/config.json").read_text())["experiments"]) == {"unseen"}
