"""Every fault that the audit is there for, on fabricated pairs; what it says, and what it must not stop."""

import json

import numpy as np
import pytest

from anyband.audit import gate, hypotheses
from anyband.audit.gate import audit_stores, stop_line
from anyband.audit.verdict import unusual
from anyband.products import EXTRA, PRODUCTS
from anyband.runtime import UserError
from anyband.steps import audit as step
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
from audit_ground import LEVELS, S30, Scene, ground_store

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


def audited(store):
    """The pair of a store of one, and the line that stops the run."""
    document = audit_stores([store], 960)
    (content,) = document["sites"].values()
    (pair,) = content["pairs"]
    json.dumps(document, allow_nan=False)
    return pair, stop_line(document, "x.failed.json")


def findings(store):
    """(kind, products) of all contradictions of a store's pair, and the line that stops the run."""
    pair, line = audited(store)
    return {(f["kind"], tuple(f["products"])) for f in pair["findings"] if f["verdict"] == "contradiction"}, line


def test_good_pairs_pass(good, alone):
    for store, count in ((good, 2), (alone, 1)):
        document = audit_stores([store], 960)
        assert stop_line(document, "x") is None
        assert document["dataset"]["verdicts"] == {"pass": count}
        assert document["dataset"]["offset"] == {"as read": count}


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
def test_fault_is_found_and_blamed_on_its_product(single, tmp_path, name):
    fault, kind, products = FAULTS[name]
    found, line = findings(damaged(single, tmp_path / "aspen.zarr", fault))
    assert (kind, products) in found and {other for other, _ in found} == {kind}
    assert "\n" not in line
    assert line.startswith(f"site aspen, pair 0, item{'s' if len(products) > 1 else ''} ")
    assert all(f"{product}-aspen-0" in line for product in products)
    assert "datasets.main.exclude" in line
    assert line.endswith("x.failed.json")


def test_any_two_exchanged_bands_are_found(single, monkeypatch):
    """In what is left of a pair after masks and means, for all comparisons and both sides."""
    seen = []
    real = hypotheses.exchanged_bands
    monkeypatch.setattr(hypotheses, "exchanged_bands", lambda x, y: seen.append((x, y)) or real(x, y))
    audited(single)
    assert [len(first) for first, _ in seen] == [7, 11, 7]
    for first, second in seen:
        assert real(first, second) == []
        for a in range(len(first)):
            for b in range(a):
                order = np.arange(len(first))
                order[[a, b]] = b, a
                assert (b, a) == real(first, second[order])[0] == real(first[order], second)[0]


@pytest.mark.parametrize(("product", "a", "b"), [("landsat", "blue", "coastal"), ("sentinel2", "B11", "B8A")])
def test_exchanged_bands_are_told_by_their_names(single, alone, tmp_path, product, a, b):
    found, line = findings(damaged(single, tmp_path / "aspen.zarr", exchange(product, a, b)))
    assert found == {("bands", (product,))}
    assert f"bands {b} and {a} are exchanged in {PRODUCTS[product].heading}" in line
    found, line = findings(damaged(alone, tmp_path / "birch.zarr", exchange("sentinel2", "B11", "B8A")))
    assert found == {("bands", ("landsat", "sentinel2"))}, "without HLS either side may be wrong"


@pytest.mark.parametrize(
    ("fault", "kind", "products"),
    [
        (NOT_APPLIED, "offset", ("sentinel2",)),
        (C1_AS_C2, "scale", ("landsat", "sentinel2")),
        (move_grid("landsat", -15, -15), "shift", ("landsat", "sentinel2")),
        (other_ground("landsat"), "ground", ("landsat", "sentinel2")),
    ],
)
def test_faults_are_found_without_hls(alone, tmp_path, fault, kind, products):
    assert findings(damaged(alone, tmp_path / "birch.zarr", fault))[0] == {(kind, products)}


def test_a_fault_of_all_pairs_is_not_blamed_on_one_item(tmp_path):
    store = ground_store(tmp_path / "good.zarr", [Scene()] * 3, seed=2)
    document = audit_stores([damaged(store, tmp_path / "aspen.zarr", NOT_APPLIED)], 960)
    assert "3 of 3 pairs show it, so it is not the item: choose another catalog" in stop_line(document, "x")


def test_half_a_pixel_before_the_improved_geolocation_is_a_warning_for_one_pair(tmp_path):
    store = ground_store(tmp_path / "old.zarr", [Scene(day="2020-08-04", shift_m=(0, 15))])
    pair, line = audited(store)
    assert pair["verdict"] == "warn" and line is None
    assert "before the improved geolocation" in pair["findings"][0]["cause"]
    assert "15.0 m south" in pair["findings"][0]["found"] or "14." in pair["findings"][0]["found"]
    found, _ = findings(damaged(store, tmp_path / "snapped.zarr", move_grid("hls_l30", 15, 15)))
    assert found == {("shift", ("hls_l30", "landsat"))}, "between Landsat and L30 it stops at any date"


def test_half_a_pixel_in_every_pair_is_the_grid(tmp_path):
    scenes = [Scene(day="2020-08-04", shift_m=shift) for shift in [(15, 15), (10, 15), (20, 10), (15, 20)]]
    document = audit_stores([ground_store(tmp_path / "aspen.zarr", scenes)], 960)
    line = stop_line(document, "x")
    assert line.startswith("dataset main: over 4 pairs Landsat has to move 1")
    assert "a grid that was snapped" in line
    pairs = document["sites"]["aspen"]["pairs"]
    assert [gate._systematic_shift(pairs[:n])["systematic"] for n in (3, 4)] == [False, True]


def test_half_a_pixel_of_one_recent_pair_stops(tmp_path):
    store = ground_store(tmp_path / "new.zarr", [Scene(day="2021-08-24", shift_m=(0, 15))])
    assert findings(store)[0] in ({("shift", ("landsat", "sentinel2"))}, {("shift", ("hls_l30", "landsat"))})


def test_harvest_between_the_acquisitions_is_no_contradiction(tmp_path):
    pair, _ = audited(ground_store(tmp_path / "harvest.zarr", [Scene(changed=0.3)], side=3))
    assert pair["verdict"] in ("pass", "warn")
    assert pair["offset"]["decision"] == "as read"
    compared = pair["comparisons"]["sentinel2-landsat"]
    assert compared["stable_cells"] < 0.7 * compared["cells"]
    # The trimmed figures are those of the ground that did not change.
    assert compared["bands"]["B8A"]["stable"]["rma_slope"] == pytest.approx(0.96, abs=0.06)
    assert compared["bands"]["B8A"]["stable"]["rmse"] < compared["bands"]["B8A"]["clear"]["rmse"] / 2


def test_weak_evidence_leaves_the_offset_undecided(single, tmp_path):
    pair, _ = audited(damaged(single, tmp_path / "aspen.zarr", change("sentinel2", lambda values: values + 0.05)))
    assert pair["offset"]["decision"] == "undecided"
    assert "undecided" in pair["findings"][0]["found"] or pair["verdict"] == "contradiction"


def test_water_throughout_says_so_and_still_tells_the_offset(tmp_path):
    water = np.repeat(LEVELS[5:], 6, axis=0) * np.linspace(0.9, 1.1, 6)[:, None]
    store = ground_store(tmp_path / "sea.zarr", [Scene(levels=water)])
    pair, _ = audited(store)
    assert pair["verdict"] == "warn"
    assert any(f["kind"] == "flat" for f in pair["findings"])
    assert pair["offset"]["decision"] == "as read"
    assert findings(damaged(store, tmp_path / "worse.zarr", TWICE))[0] == {("offset", ("sentinel2",))}


def test_landsat_without_variation_is_a_line(tmp_path):
    pair, line = audited(ground_store(tmp_path / "flat.zarr", [Scene(flat=True)]))
    assert line is None
    assert any("fewer than two bands vary" in f["found"] for f in pair["findings"])


def test_too_few_clear_pixels_give_no_verdict(tmp_path):
    pair, _ = audited(ground_store(tmp_path / "cloud.zarr", [Scene(cloudy=0.95)]))
    assert pair["verdict"] == "too few pixels"
    assert "bands" not in pair["comparisons"]["sentinel2-landsat"]


def test_site_without_pairs_is_a_note(single, tmp_path):
    document = audit_stores([ground_store(tmp_path / "empty.zarr", []), single], 960)
    assert document["sites"]["empty"] == {"note": "no pairs, nothing to audit", "pairs": []}
    assert document["dataset"]["sites_without_pairs"] == ["empty"]


def test_missing_chips_leave_gaps(single, tmp_path):
    def first_chip_only_in_landsat(group):
        for m in (10, 20, 60):
            group[f"sentinel2/{m}m/values"][0] = PRODUCTS["sentinel2"].encoding.nodata

    part, _ = audited(damaged(single, tmp_path / "aspen.zarr", first_chip_only_in_landsat))
    whole, _ = audited(single)
    cells = [pair["comparisons"]["sentinel2-landsat"]["cells"] for pair in (part, whole)]
    assert cells[0] < cells[1] - 200


def test_levels_count_clear_pixels_below_zero_and_saturated(single, tmp_path):
    fault = change("hls_s30", lambda v: np.where(v > 0.25, 1.6, v - 0.03))
    levels = audited(damaged(single, tmp_path / "aspen.zarr", fault))[0]["products"]["hls_s30"]
    assert set(levels) == set(S30)
    assert levels["B01"]["negative"] > 0.3
    assert levels["B8A"]["saturated"] > 0.1
    assert levels["B8A"]["pixels"] == 64 * 64


def test_a_remark_on_the_levels_of_any_product():
    """A dataset with further sensors stopped at its audit, because a remark on one of them had no name for it."""
    entry = next(entry for entry in hypotheses.WARN if entry.comparison == "levels")
    for product in EXTRA:
        found = unusual({}, {product: {"b1": {"pixels": 10.0, **{e.statistic: 1e9 for e in hypotheses.WARN}}}})
        assert any(PRODUCTS[product].heading in remark.found and entry.statistic in remark.found for remark in found)


def test_products_that_agree_on_what_no_ground_reflects_stop(single, alone, tmp_path):
    """Percent or a scale of another level in all products: nothing contradicts anything but the pixels themselves."""

    def fault(group):
        for product in ("sentinel2", "landsat"):
            change(product, lambda v: 1.3 + v / 10)(group)

    found, line = findings(damaged(alone, tmp_path / "aspen.zarr", fault))
    assert found == {("scale", ("sentinel2",)), ("scale", ("landsat",))}
    assert "Sentinel-2: median of clear pixels B02 1.3" in line and "no ground has more than 1.2" in line


def test_other_chip_side_is_an_error(single):
    with pytest.raises(UserError, match="chips of 960 m, the settings say 1920 m"):
        audit_stores([single], 1920)


def test_step_writes_the_file_on_a_pass_and_another_one_on_a_stop(single, tmp_path, monkeypatch):
    out, failed = tmp_path / "audit/main.json", tmp_path / "audit/main.failed.json"

    def run(store):
        options = ["--settings", '{"chip_m":960}', "--chips", str(store), "--out", str(out)]
        monkeypatch.setattr("sys.argv", ["audit", *options])
        step.main()

    with pytest.raises(UserError) as stopped:
        run(damaged(single, tmp_path / "aspen.zarr", TWICE))
    assert str(stopped.value) == (
        "site aspen, pair 0, item sentinel2-aspen-0: Sentinel-2 is 0.1 too low in all bands against Landsat and HLS "
        "S30 (likely the offset of -0.1 is applied although the pixels do not hold it); add the item to "
        f"datasets.main.exclude; all findings in {failed}"
    )
    assert not out.exists()
    assert json.loads(failed.read_text())["dataset"]["verdicts"] == {"contradiction": 1}
    run(single)
    assert not failed.exists()
    assert list(json.loads(out.read_text()))[0] == "dataset"
