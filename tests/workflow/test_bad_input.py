"""Bad input on the real workflow: one clear line, nothing lost, nothing half-written."""

import json

import pytest


@pytest.fixture
def copy(tiny_run, tmp_path):
    """A copy of the finished run that a test may damage."""
    return tiny_run.copy(tmp_path / "run")


def fail(workflow, change=None, *arguments, **options):
    """Run with a changed configuration, expect failure, and give the messages."""
    status, printed = workflow.run("--retries", "0", *arguments, change=change, **options)
    assert status != 0
    found = {line for line in printed.splitlines() if line.startswith("anyband: ")}
    assert found, printed[-3000:]
    assert not [p for p in workflow.folder.rglob("results/**/*.partial")]
    return found


def test_dates_without_scenes_name_site_dates_and_catalogue(copy):
    change = {"datasets": {"main": {"start": "2022-06-01", "end": "2022-06-02"}}}
    found = fail(copy, change, target="results/scenes/main/aspen/label.json")
    assert any("2022-06-01" in line and "archive.anyband.test" in line for line in found), found


def test_all_scenes_cloudy_stops_before_training(copy):
    found = fail(copy, {"datasets": {"main": {"min_clear": 1.0}}})
    assert any("cloudy" in line and "min_clear" in line for line in found), found


def test_missing_label_names_the_site(copy):
    for path in copy.folder.glob("results/archive/main/aspen/items/esa-worldcover/*.json"):
        path.unlink()
    found = fail(copy, None, "--forcerun", "search", target="results/scenes/main/aspen/label.json")
    assert any("aspen" in line and "esa-worldcover" in line for line in found), found


def test_truncated_file_costs_its_pair_and_names_item_and_asset(copy):
    manifest = json.loads((copy.folder / "results/scenes/main/aspen/sentinel2.json").read_text())
    item = manifest["items"][0]
    href = item["assets"]["B03"]["href"]
    file = copy.folder / "results/archive/main/aspen/files" / href.split("/files/aspen/")[1]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    copy.succeed("--forcerun", "extract", target="results/chips/main/aspen.zarr")
    store = json.loads((copy.folder / "results/chips/main/aspen.zarr/zarr.json").read_text())["attributes"]
    lost = [entry for entry in store["dropped"] if entry["reason"] == "unusable"]
    assert lost
    assert all(item["id"] in entry["detail"] and "B03" in entry["detail"] for entry in lost)
    assert item["id"] not in {store["pairs"][str(entry["pair"])]["items"]["sentinel2"] for entry in store["chips"]}
    log = (copy.folder / "results/logs/extract/main/aspen.log").read_text()
    assert any("B03" in line and item["id"] in line for line in log.splitlines())


def test_class_that_no_place_has_is_named(copy):
    found = fail(copy, {"datasets": {"main": {"classes": {95: "mangroves"}}}})
    assert any("95" in line or "mangroves" in line for line in found), found


def test_one_seed_gives_numbers_and_no_claims(tiny_run):
    claims = json.loads((tiny_run.folder / "results/comparison/main/claims.json").read_text())
    assert claims["claims"] == []
    assert "seed" in json.dumps(claims)
    assert (tiny_run.folder / "results/comparison/main/general.csv").read_text().count("\n") > 2
