"""The target `unseen`: sensors that training never sees, from simulated scenes to a report of their own."""

import csv
import json
import re
import shutil

import pytest
import zarr

from anyband.config import Config
from anyband.products import EXTRA
from tiny_workflow import ROOT, Workflow, jobs

FEW = {
    "datasets": {"unseen": {"simulation": {"extra_sensors": [*EXTRA, "twoband"]}}},
    "methods": {"two-only": {"model": "sensor-only", "options": {"product": "twoband"}}},
    "experiments": {
        "unseen": {
            "methods": ["s2-only", "anyband", "broad-only", "hyper-only", "two-only", "anyband-without-landsat"],
            "conditions": ["S2", "L9", "S2+L9", "BB", "HS", "TB", "BB/as-S2", "TB/as-S2", "L9/as-S2"],
        }
    },
}
NEW_SENSOR = """
product: twoband
platforms: [twoband-1]
source: a test
instrument: {noise_nm: [600, 900], signal_to_noise: [100, 90], mtf_at_nyquist: 0.25, geolocation_sd_m: 5,
             detector_shift_sd: 0.1, detectors: [0]}
bands:
  red: {centre_nm: 660, fwhm_nm: 40, gsd_m: 30, pixel_m: 30}
  nir: {centre_nm: 860, fwhm_nm: 60, gsd_m: 30, pixel_m: 30}
"""
NEW_ROW = '    _simulated("twoband", "TB", "two bands at 30 m"),'


def with_new_sensor(folder):
    """The workflow in a copy of the repository to which one sensor was added: a file and a row."""
    copy = folder / "copy"
    for name in ("src", "workflow"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, copy / name)
    (copy / "src/anyband/sensors/data/twoband-1.yaml").write_text(NEW_SENSOR)
    table = copy / "src/anyband/products.py"
    before, rows, after = table.read_text().partition("_ROWS = (\n")
    table.write_text(f"{before}{rows}{NEW_ROW}\n{after}")
    return Workflow(folder, copy)


def test_a_new_sensor_is_one_file_and_one_row(tmp_path):
    printed = with_new_sensor(tmp_path).succeed("--dry-run", change=FEW, target="unseen")
    assert "Training two-only, seed" in printed and "twoband.json" in printed


def test_target_unseen_is_known_and_makes_extra_scenes_for_its_own_dataset_alone(tmp_path):
    printed = Workflow(tmp_path).succeed("--dry-run", target="unseen")
    assert set(re.findall(r"Training ([\w-]+), seed", printed)) == set(Config().experiments["unseen"].methods)
    assert re.findall(r"Writing (\S+)", printed) == ["results/unseen/report.html"]
    count = jobs(printed)
    assert count["search_extra"] == count["search"] == count["simulate"] > 0
    assert set(re.findall(r"results/archive/(\w+)/", printed)) == {"unseen"}


def test_no_other_target_pays_for_extra_sensors(tmp_path):
    printed = Workflow(tmp_path).succeed("--dry-run", target="all rivals chips scenes")
    assert "search_extra" not in jobs(printed) and "/unseen" not in printed


@pytest.fixture(scope="module")
def unseen(tmp_path_factory):
    """A finished run of the target on the tiny preset, with a sensor that was just added."""
    folder = tmp_path_factory.mktemp("unseen")
    workflow = with_new_sensor(folder)
    workflow.succeed(change=FEW, target="unseen")
    return workflow


def scored(workflow, method):
    """Conditions that a method has rows for."""
    with (workflow.folder / f"results/runs/unseen/{method}/seed-0/confusion.csv").open() as file:
        return {row["condition"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_who_answers_which_condition(unseen):
    everything = set(FEW["experiments"]["unseen"]["conditions"])
    assert scored(unseen, "anyband") == scored(unseen, "anyband-without-landsat") == everything
    assert scored(unseen, "s2-only") == {"S2", "S2+L9", "BB/as-S2", "TB/as-S2", "L9/as-S2"}
    assert scored(unseen, "broad-only") == {"BB"}
    assert scored(unseen, "hyper-only") == {"HS"}
    assert scored(unseen, "two-only") == {"TB"}


@pytest.mark.slow
def test_cost_says_what_each_method_was_trained_on(unseen):
    expected = {
        "anyband": ["landsat", "sentinel2"],
        "anyband-without-landsat": ["sentinel2"],
        "s2-only": ["sentinel2"],
        "broad-only": ["broadband"],
        "hyper-only": ["hyperspectral"],
        "two-only": ["twoband"],
    }
    for method, products in expected.items():
        cost = unseen.folder / f"results/runs/unseen/{method}/seed-0/cost.json"
        assert json.loads(cost.read_text())["trained_on"] == products, method


@pytest.mark.slow
def test_stores_of_the_dataset_have_the_extra_sensors_and_the_report_is_written(unseen):
    results = unseen.folder / "results"
    stores = list((results / "chips/unseen").glob("*.zarr"))
    for product in (*EXTRA, "twoband"):
        assert stores and all(zarr.open_group(store / product, mode="r").attrs["sources"] for store in stores)
    assert not (results / "chips/main").exists()
    page = (results / "unseen/report.html").read_text()
    assert all(word in page for word in ("broad-only", "BB", "two-only", "TB"))
    assert set(json.loads((results / "unseen/report_data/config.json").read_text())["experiments"]) == {"unseen"}
