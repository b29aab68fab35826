"""Every fault that the audit is there for, on fabricated pairs; what it says, and what it must not stop."""

import json
import subprocess
import sys

import numpy as np
import pytest

from anyband.audit.gate import audit_stores, stop_line
from anyband.products import PRODUCTS
from anyband.runtime import UserError
from audit_faults import (
    C1_AS_C2,
    C2_AS_C1,
    NOT_APPLIED,
    TWICE,
    change,
    damaged,
    exchange,
    move_grid,
    other_ground,
    replace_band,
)
from audit_ground import LANDSAT, LEVELS, S30, Scene, ground_store

S2_COMMON = ("B01", "B02", "B03", "B04", "B8A", "B11", "B12")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Two pairs a few metres off each other, one of them partly cloudy."""
    folder = tmp_path_factory.mktemp("good")
    return ground_store(folder / "aspen.zarr", [Scene(shift_m=(-5, 0)), Scene(shift_m=(0, 5), cloudy=0.3)])


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One pair."""
    folder = tmp_path_factory.mktemp("single")
    return ground_store(folder / "aspen.zarr", [Scene(shift_m=(0, 5))], seed=3)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A pair without HLS products."""
    folder = tmp_path_factory.mktemp("alone")
    return ground_store(folder / "birch.zarr", [Scene(hls=False)], seed=1)


def findings(store):
    """(kind, products, text) of all contradictions, and the verdicts of the pairs."""
    document = audit_stores([store], 960)
    pairs = [pair for site in document["sites"].values() for pair in site["pairs"]]
    return [
        {(f["kind"], tuple(f["products"])) for f in pair["findings"] if f["verdict"] == "contradiction"}
        for pair in pairs
    ], stop_line(document, "x.failed.json")


def test_good_pairs_pass(good, alone):
    for store in (good, alone):
        document = audit_stores([store], 960)
        assert stop_line(document, "x") is None
        assert document["dataset"]["verdicts"] == {"pass": len(document["sites"][store.stem]["pairs"])}
        assert document["dataset"]["offset"] == {"as read": len(document["sites"][store.stem]["pairs"])}


def test_statistics_are_those_of_the_planted_relation(good):
    pair = audit_stores([good], 960)["sites"]["aspen"]["pairs"][0]
    for band in S2_COMMON[1:]:  # 60 m pixels of B01 are coarser than those of Landsat
        # Landsat was made as 0.96 * ground - 0.003 and S30 as 0.97 * ground - 0.002; the 5 m shift costs a little.
        stable = pair["comparisons"]["sentinel2-landsat"]["bands"][band]["stable"]
        assert stable["rma_slope"] == pytest.approx(0.96, abs=0.02)
        assert stable["bias"] == pytest.approx(-0.04 * stable["mean_first"] - 0.003, abs=1e-3)
        stable = pair["comparisons"]["sentinel2-hls_s30"]["bands"][band]["stable"]
        assert stable["slope"] == pytest.approx(0.97, abs=0.01)
        assert stable["intercept"] == pytest.approx(-0.002, abs=1e-3)
    shift = pair["comparisons"]["sentinel2-landsat"]["shift"]
    assert (shift["east_m"], shift["south_m"]) == pytest.approx((-5, 0), abs=1)


FAULTS = {
    "offset applied twice": (TWICE, "offset", ("sentinel2",)),
    "offset not applied": (NOT_APPLIED, "offset", ("sentinel2",)),
    "Sentinel-2 scale halved": (change("sentinel2", lambda v: v / 2), "scale", ("sentinel2",)),
    "Landsat Collection 1 read as 2": (C1_AS_C2, "scale", ("landsat",)),
    "Landsat Collection 2 read as 1": (C2_AS_C1, "scale", ("landsat",)),
    "Landsat offset forgotten": (change("landsat", lambda v: v + 0.2), "scale", ("landsat",)),
    "S30 ten times too large": (change("hls_s30", lambda v: v * 10), "scale", ("hls_s30",)),
    "L30 doubled": (change("hls_l30", lambda v: v * 2), "scale", ("hls_l30",)),
    "B08 for B8A": (replace_band("sentinel2", "B8A", "B08"), "bands", ("sentinel2",)),
    "B08 for B8A of S30": (replace_band("hls_s30", "B8A", "B08"), "bands", ("hls_s30",)),
    "B05 of S30 taken for that of L30": (replace_band("hls_s30", "B8A", "B05"), "bands", ("hls_s30",)),
    "red edge in B05 of L30": (replace_band("hls_l30", "B05", "B04"), "bands", ("hls_l30",)),
    "B08 and B8A of S30 exchanged": (exchange("hls_s30", "B08", "B8A"), "bands", ("hls_s30", "sentinel2")),
    "B08 and B8A exchanged": (exchange("sentinel2", "B08", "B8A"), "bands", ("hls_s30", "sentinel2")),
    "B05 and B8A of S30 exchanged": (exchange("hls_s30", "B05", "B8A"), "bands", ("hls_s30", "sentinel2")),
    "B05 and B06 of L30 exchanged": (exchange("hls_l30", "B05", "B06"), "bands", ("hls_l30",)),
    "Landsat snapped to the grid of Sentinel-2": (move_grid("landsat", -15, -15), "shift", ("landsat",)),
    "L30 on the grid of Landsat": (move_grid("hls_l30", 15, 15), "shift", ("hls_l30",)),
    "wrong hemisphere of Landsat": (other_ground("landsat"), "ground", ("landsat",)),
    "wrong hemisphere of Landsat and L30": (other_ground("landsat", "hls_l30"), "ground", ("landsat", "sentinel2")),
    "wrong zone of Sentinel-2": (other_ground("sentinel2"), "ground", ("sentinel2",)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_and_blamed_on_its_product(good, tmp_path, name):
    fault, kind, products = FAULTS[name]
    found, line = findings(damaged(good, tmp_path / "aspen.zarr", fault))
    assert all((kind, products) in pair for pair in found), found
    assert {other for pair in found for other, _ in pair} == {kind}
    assert line is not None
    assert "\n" not in line
    assert line.startswith(f"site aspen, pair 0, item{'s' if len(products) > 1 else ''} ")
    assert all(f"{product}-aspen-0" in line for product in products)
    assert "datasets.main.exclude" in line
    assert line.endswith("x.failed.json")


COMMON_PAIRS = [(a, b) for i, a in enumerate(LANDSAT) for b in list(LANDSAT)[:i]]


@pytest.mark.parametrize(("a", "b"), COMMON_PAIRS)
def test_any_two_exchanged_bands_of_landsat_are_found(single, tmp_path, a, b):
    found, line = findings(damaged(single, tmp_path / "aspen.zarr", exchange("landsat", a, b)))
    assert all(pair == {("bands", ("landsat",))} for pair in found), found
    assert f"bands {b} and {a} are exchanged in Landsat" in line


@pytest.mark.parametrize(("a", "b"), [(LANDSAT[a], LANDSAT[b]) for a, b in COMMON_PAIRS])
def test_any_two_exchanged_bands_of_sentinel2_are_found(single, alone, tmp_path, a, b):
    found, _ = findings(damaged(single, tmp_path / "aspen.zarr", exchange("sentinel2", a, b)))
    assert all(pair == {("bands", ("sentinel2",))} for pair in found), found
    # Without HLS either side may be wrong; two bands of the same level cannot be told in 60 m cells of one scene.
    if {a, b} != {"B01", "B02"}:
        found, _ = findings(damaged(alone, tmp_path / "birch.zarr", exchange("sentinel2", a, b)))
        assert found == [{("bands", ("landsat", "sentinel2"))}]


def test_faults_are_found_without_hls(alone, tmp_path):
    for number, (fault, kind, products) in enumerate(
        [
            (TWICE, "offset", ("sentinel2",)),
            (NOT_APPLIED, "offset", ("sentinel2",)),
            (C1_AS_C2, "scale", ("landsat", "sentinel2")),
            (move_grid("landsat", -15, -15), "shift", ("landsat", "sentinel2")),
            (other_ground("landsat"), "ground", ("landsat", "sentinel2")),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        found, _ = findings(damaged(alone, tmp_path / str(number) / "birch.zarr", fault))
        assert found == [{(kind, products)}]


def test_the_line_says_what_to_do(good, tmp_path):
    _, line = findings(damaged(good, tmp_path / "aspen.zarr", TWICE))
    assert line == (
        "site aspen, pair 0, item sentinel2-aspen-0: Sentinel-2 is 0.1 too low in all bands against Landsat and HLS "
        "S30 (likely the offset of -0.1 is applied although the pixels do not hold it); add the item to "
        "datasets.main.exclude; all findings in x.failed.json"
    )


def test_a_fault_of_all_pairs_is_not_blamed_on_one_item(tmp_path):
    store = ground_store(tmp_path / "good.zarr", [Scene()] * 3, seed=2)
    _, line = findings(damaged(store, tmp_path / "aspen.zarr", NOT_APPLIED))
    assert "3 of 3 pairs show it, so it is not the item: choose another catalog" in line


def test_half_a_pixel_before_the_improved_geolocation_is_a_warning_for_one_pair(tmp_path):
    store = ground_store(tmp_path / "old.zarr", [Scene(day="2020-08-04", shift_m=(0, 15))])
    document = audit_stores([store], 960)
    (pair,) = document["sites"]["old"]["pairs"]
    assert pair["verdict"] == "warn"
    assert "before the improved geolocation" in pair["findings"][0]["cause"]
    assert "15.0 m south" in pair["findings"][0]["found"] or "14." in pair["findings"][0]["found"]
    assert stop_line(document, "x") is None


def test_half_a_pixel_between_landsat_and_l30_stops_at_any_date(tmp_path):
    store = ground_store(tmp_path / "good.zarr", [Scene(day="2020-08-04")])
    found, _ = findings(damaged(store, tmp_path / "snapped.zarr", move_grid("landsat", -15, -15)))
    assert found == [{("shift", ("hls_l30", "landsat"))}]


def test_half_a_pixel_in_every_pair_is_the_grid(tmp_path):
    stores = []
    for number, shift in enumerate([(15, 15), (10, 15), (20, 10), (15, 20)]):
        scene = Scene(day="2020-08-04", shift_m=shift)
        stores.append(ground_store(tmp_path / f"site{number}.zarr", [scene], seed=number))
    document = audit_stores(stores, 960)
    assert document["dataset"]["shift"]["systematic"] is True
    line = stop_line(document, "x")
    assert line.startswith("dataset main: over 4 pairs Landsat has to move 1")
    assert "a grid that was snapped" in line
    assert stop_line(audit_stores(stores[:3], 960), "x") is None


def test_half_a_pixel_of_one_recent_pair_stops(tmp_path):
    store = ground_store(tmp_path / "new.zarr", [Scene(day="2021-08-24", shift_m=(0, 15))])
    found, _ = findings(store)
    assert found == [{("shift", ("landsat", "sentinel2"))}] or found == [{("shift", ("hls_l30", "landsat"))}]


def test_harvest_between_the_acquisitions_is_no_contradiction(tmp_path):
    store = ground_store(tmp_path / "harvest.zarr", [Scene(changed=0.3)], side=3)
    document = audit_stores([store], 960)
    (pair,) = document["sites"]["harvest"]["pairs"]
    assert pair["verdict"] in ("pass", "warn")
    assert pair["offset"]["decision"] == "as read"
    compared = pair["comparisons"]["sentinel2-landsat"]
    assert compared["stable_cells"] < 0.7 * compared["cells"]
    # The trimmed figures are those of the ground that did not change.
    assert compared["bands"]["B8A"]["stable"]["rma_slope"] == pytest.approx(0.96, abs=0.06)
    assert compared["bands"]["B8A"]["stable"]["rmse"] < compared["bands"]["B8A"]["clear"]["rmse"] / 2


def test_weak_evidence_leaves_the_offset_undecided(good, tmp_path):
    def half_way(values):
        return values + 0.05

    document = audit_stores([damaged(good, tmp_path / "aspen.zarr", change("sentinel2", half_way))], 960)
    pairs = document["sites"]["aspen"]["pairs"]
    assert {pair["offset"]["decision"] for pair in pairs} == {"undecided"}
    assert all("undecided" in pair["findings"][0]["found"] or pair["verdict"] == "contradiction" for pair in pairs)


def test_water_throughout_says_so_and_still_tells_the_offset(tmp_path):
    water = np.repeat(LEVELS[5:], 6, axis=0) * np.linspace(0.9, 1.1, 6)[:, None]
    store = ground_store(tmp_path / "sea.zarr", [Scene(levels=water)])
    document = audit_stores([store], 960)
    (pair,) = document["sites"]["sea"]["pairs"]
    assert pair["verdict"] == "warn"
    assert any(f["kind"] == "flat" for f in pair["findings"])
    assert pair["offset"]["decision"] == "as read"
    (tmp_path / "worse").mkdir()
    found, _ = findings(damaged(store, tmp_path / "worse/sea.zarr", TWICE))
    assert found == [{("offset", ("sentinel2",))}]


def test_landsat_without_variation_is_a_line(tmp_path):
    document = audit_stores([ground_store(tmp_path / "flat.zarr", [Scene(flat=True)])], 960)
    (pair,) = document["sites"]["flat"]["pairs"]
    assert stop_line(document, "x") is None
    assert any("fewer than two bands vary" in f["found"] for f in pair["findings"])
    json.dumps(document, allow_nan=False)


def test_too_few_clear_pixels_give_no_verdict(tmp_path):
    document = audit_stores([ground_store(tmp_path / "cloud.zarr", [Scene(cloudy=0.95)])], 960)
    (pair,) = document["sites"]["cloud"]["pairs"]
    assert pair["verdict"] == "too few pixels"
    assert "bands" not in pair["comparisons"]["sentinel2-landsat"]


def test_site_without_pairs_is_a_note(good, tmp_path):
    empty = ground_store(tmp_path / "empty.zarr", [])
    document = audit_stores([empty, good], 960)
    assert document["sites"]["empty"] == {"note": "no pairs, nothing to audit", "pairs": []}
    assert document["dataset"]["sites_without_pairs"] == ["empty"]


def test_missing_chips_leave_gaps(good, tmp_path):
    import zarr

    def first_chip_only_in_landsat(group):
        for m in (10, 20, 60):
            array = group[f"sentinel2/{m}m/values"]
            array[0] = PRODUCTS["sentinel2"].encoding.nodata

    store = damaged(good, tmp_path / "aspen.zarr", first_chip_only_in_landsat)
    whole = audit_stores([good], 960)["sites"]["aspen"]["pairs"][0]["comparisons"]["sentinel2-landsat"]
    part = audit_stores([store], 960)["sites"]["aspen"]["pairs"][0]["comparisons"]["sentinel2-landsat"]
    assert part["cells"] < whole["cells"] - 200
    assert zarr.open_group(store, mode="r").attrs["complete"]


def test_levels_count_clear_pixels_below_zero_and_saturated(good, tmp_path):
    store = damaged(good, tmp_path / "aspen.zarr", change("hls_s30", lambda v: np.where(v > 0.25, 1.6, v - 0.03)))
    levels = audit_stores([store], 960)["sites"]["aspen"]["pairs"][0]["products"]["hls_s30"]
    assert set(levels) == set(S30)
    assert levels["B01"]["negative"] > 0.3
    assert levels["B8A"]["saturated"] > 0.1
    assert levels["B8A"]["pixels"] == 64 * 64


def test_other_chip_side_is_an_error(good):
    with pytest.raises(UserError, match="chips of 960 m, the settings say 1920 m"):
        audit_stores([good], 1920)


def step(store, out):
    command = [sys.executable, "-m", "anyband.steps.audit", "--settings", '{"chip_m":960}']
    return subprocess.run([*command, "--chips", str(store), "--out", str(out)], capture_output=True, text=True)


def test_step_writes_the_file_on_a_pass_and_another_one_on_a_stop(good, tmp_path):
    out = tmp_path / "audit/main.json"
    done = step(damaged(good, tmp_path / "aspen.zarr", TWICE), out)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("anyband: site aspen, pair 0")
    failed = tmp_path / "audit/main.failed.json"
    assert failed.is_file()
    assert not out.exists()
    assert json.loads(failed.read_text())["dataset"]["verdicts"] == {"contradiction": 2}
    done = step(good, out)
    assert done.returncode == 0, done.stderr
    assert not failed.exists()
    first = out.read_bytes()
    assert list(json.loads(first))[0] == "dataset"
    step(good, out)
    assert out.read_bytes() == first
