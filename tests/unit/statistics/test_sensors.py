"""Gap closed, fusion, transfer and decomposition: planted truths come out, and null twins yield no claim."""

import numpy as np
import pandas as pd
import pytest

from anyband.config import ComparisonSettings, Experiment
from anyband.evaluation.confusion import BY_CLASS, OVERALL
from anyband.products import BY_SHORT_NAME, OPTICAL
from anyband.statistics import comparison, run_tables
from anyband.statistics.claims import sensor_claims
from anyband.statistics.cube import build_cube
from anyband.statistics.protocol import label
from anyband.statistics.score_tables import robustness
from anyband.statistics.sensor_gains import (
    ONE_METHOD,
    OWN_MODELS,
    decomposition,
    fusion,
    gap_closed,
    reader,
    specialist,
    transfer,
)
from unit.statistics.conftest import CLASSES, fabricate_table

TRAINED = {
    "s2-only": frozenset({"sentinel2"}),
    "l9-only": frozenset({"landsat"}),
    "anyband": frozenset({"sentinel2", "landsat"}),
    "anyband-without-landsat": frozenset({"sentinel2"}) | {"hls_s30"},
}


def cube_of(accuracy, **options):
    """Cube of methods with given shares of right pixels by condition, and its settings."""
    conditions = list(dict.fromkeys(condition for entry in accuracy.values() for condition in entry))
    experiment = Experiment.model_construct(
        **Experiment().model_dump() | {"methods": list(accuracy), "conditions": conditions}
    )
    settings = ComparisonSettings.model_construct(name="main", experiment=experiment, variants=[], classes=CLASSES)
    return build_cube(fabricate_table(accuracy, **options), settings), settings


def unseen(naive=0.5, best=0.9, zero=0.8):
    """Landsat as an unseen sensor: naive mapping, specialist and a method that never saw it."""
    return {
        "s2-only": {"S2": 0.85, "L9/as-S2": naive},
        "l9-only": {"L9": best},
        "anyband": {"S2": 0.85, "L9": 0.9, "S2+L9": 0.9},
        "anyband-without-landsat": {"S2": 0.85, "L9": zero},
    }


def test_only_runs_that_say_so_count_as_trained():
    costs = {("a", 0): {"trained_on": ["landsat"]}, ("b", 0): {}}
    assert run_tables.trained_on(costs) == {"a": {"landsat"}}


def test_share_of_the_gap_is_the_ratio_of_the_paired_differences():
    cube, _ = cube_of(unseen())
    row = gap_closed(cube, TRAINED, 0.01).iloc[0]
    assert (row["source"], row["target"], row["method"]) == ("S2", "L9", "anyband-without-landsat")
    assert row["closed"] == pytest.approx((row["zero_shot"] - row["naive"]) / (row["specialist"] - row["naive"]))
    assert row["gap"] == pytest.approx(row["specialist"] - row["naive"])
    assert row["gap_resolved"] and row["closed_lower"] < row["closed"] < row["closed_upper"]


def test_a_method_that_saw_the_target_is_not_zero_shot_and_no_specialist_means_no_row():
    cube, _ = cube_of(unseen())
    assert "anyband" not in set(gap_closed(cube, TRAINED, 0.01)["method"])
    assert specialist(cube, TRAINED, "L9") == "l9-only"
    assert gap_closed(cube, {m: p for m, p in TRAINED.items() if m != "l9-only"}, 0.01).empty
    assert gap_closed(cube, {}, 0.01).empty


def test_interval_of_the_share_covers_a_planted_share():
    """Ratios are where naive intervals fail: nominal 95 % must cover at least 90 % of 30 planted experiments."""
    hits = []
    for seed in range(30):
        table, _ = cube_of(unseen(naive=0.5, best=0.9, zero=0.8), rng_seed=seed, block_sd=0.02)
        row = gap_closed(table, TRAINED, 0.01).iloc[0]
        big, _ = TRUTH
        hits.append(row["closed_lower"] <= big <= row["closed_upper"])
    assert np.mean(hits) >= 0.9


def _truth():
    """The share that many blocks and seeds agree on."""
    table, _ = cube_of(unseen(), blocks=60, seeds=tuple(range(5)), block_sd=0.0, seed_sd=0.0)
    row = gap_closed(table, TRAINED, 0.01).iloc[0]
    return float(row["closed"]), row


TRUTH = _truth()


def kinds(accuracy, trained=TRAINED, **options):
    """Kinds of sensor claims of a planted experiment."""
    cube, settings = cube_of(accuracy, **options)
    margin = settings.experiment.equivalence_margin
    claims = sensor_claims(fusion(cube.undisturbed(), margin), gap_closed(cube, trained, margin), len(cube.seeds))
    return [(claim.kind, claim.first) for claim in claims]


def test_planted_twins_yield_the_planted_claims():
    found = kinds(unseen() | {"anyband": {"S2": 0.8, "L9": 0.75, "S2+L9": 0.96}})
    assert found == [("second sensor helps", "anyband"), ("unseen sensor", "anyband-without-landsat")]


def test_null_twins_yield_no_claim():
    """The second sensor adds nothing and the method is no better than naive mapping; one slip in twenty is allowed."""
    null = unseen(naive=0.7, best=0.8, zero=0.7) | {"anyband": {"S2": 0.85, "L9": 0.8, "S2+L9": 0.85}}
    found = [claim for seed in range(20) for claim in kinds(null, rng_seed=seed)]
    assert len(found) <= 1


def test_no_claim_where_there_is_no_gap():
    """A share of nothing is no evidence, however large the ratio."""
    assert kinds(unseen(naive=0.80, best=0.80, zero=0.95)) == []


def test_a_weak_method_on_one_sensor_is_no_evidence_for_fusion():
    """A method that never learnt to do with one sensor gains from the second; the specialist says that it need not."""
    weak = {"s2-only": {"S2": 0.9}, "anyband": {"S2": 0.6, "L9": 0.5, "S2+L9": 0.85}}
    cube, _ = cube_of(weak)
    row = fusion(cube, 0.01).iloc[0]
    assert row["rival"] == "s2-only" and row["difference"] < 0 and row["p"] == 1
    assert kinds(weak) == []


def test_transfer_marks_what_was_mapped_and_compares_with_the_specialist():
    cube, _ = cube_of(unseen())
    table = transfer(cube, TRAINED).set_index(["method", "condition"])
    naive = table.loc[("s2-only", "L9")]
    assert naive["mapped"] and not naive["seen"] and naive["reference"] == "l9-only" and naive["change_upper"] < 0
    assert not table.loc[("anyband", "L9"), "mapped"] and table.loc[("anyband", "L9"), "seen"]
    assert ("l9-only", "S2") not in table.index  # nobody evaluated S2/as-L9


def test_changes_of_a_path_add_up_and_missing_steps_are_merged():
    ends = {"S2": 0.9, "L9": 0.7}
    accuracy = {
        "anyband": ends | {"S2/gsd-30": 0.8, "S2/gsd-30/drop-red-edge": 0.78},
        "input-fusion": ends | {"S2/gsd-30": 0.8},
        "feature-fusion": ends,
        "pixel": ends | {"S2/gsd-30": 0.8},
    }
    cube, _ = cube_of(accuracy)
    table = decomposition(cube, {})
    assert "feature-fusion" not in set(table["method"])  # nothing between its two ends
    assert "pixel" not in set(table["method"])  # what a floor misses is its own
    own = table[table["method"] == "anyband"]
    assert own["condition"].tolist() == ["S2", "S2/gsd-30", "S2/gsd-30/drop-red-edge", "L9", "L9"]
    assert own["change"].iloc[1:-1].sum() == pytest.approx(own["change"].iloc[-1])
    merged = table[table["method"] == "input-fusion"]
    assert merged["factor"].tolist()[2].startswith("bands: no red edge; instrument")


def test_comparison_of_an_experiment_without_unseen_sensors_has_empty_tables(tmp_path, comparison_settings):
    """Older runs do not say what they were trained on: the tables are there, without rows."""
    full = {"S2": 0.8, "L9": 0.7, "S2+L9": 0.85}
    table = fabricate_table({"input-fusion": full, "anyband": full})
    for (method, seed), rows in table.groupby(["method", "seed"]):
        folder = tmp_path / f"runs/{method}/seed-{seed}"
        folder.mkdir(parents=True)
        rows.to_csv(folder / "confusion.csv", index=False)
        columns = ["method", "seed", "condition", "block", "scaled", "temperature", "class", "bin", *OVERALL, *BY_CLASS]
        for name in ("calibration", "class_calibration"):
            pd.DataFrame(columns=columns).to_csv(folder / f"{name}.csv", index=False)
        pd.DataFrame(columns=["band", "rmse"]).to_csv(folder / "image_scores.csv", index=False)
    comparison.write_comparison(comparison_settings, tmp_path / "runs", tmp_path / "out")
    for name in ("robustness", "gap_closed", "transfer", "learning", "calibration", "class_calibration", "reliability"):
        assert pd.read_csv(tmp_path / f"out/{name}.csv").empty
    assert len(pd.read_csv(tmp_path / "out/block_differences.csv")) == 12


def test_each_product_read_by_its_own_model_makes_a_path_without_unknown_inputs():
    accuracy = {"s2-only": {"S2": 0.9}, "s30-only": {"S30": 0.8}, "l30-only": {"L30": 0.75}, "l9-only": {"L9": 0.7}}
    trained = {name: frozenset({BY_SHORT_NAME[next(iter(entry))].key}) for name, entry in accuracy.items()}
    cube, _ = cube_of(accuracy)
    table = decomposition(cube, trained)
    assert table["condition"].tolist() == ["S2", "S30", "L30", "L9", "L9"] and set(table["path"]) == {OWN_MODELS}
    assert table["reader"].tolist() == [label(name) for name in (*accuracy, "l9-only")]
    assert table["change"].iloc[1:-1].sum() == pytest.approx(table["change"].iloc[-1])
    without = {name: products for name, products in trained.items() if not name.startswith(("s30", "l30"))}
    assert decomposition(cube, without).empty


def test_without_a_specialist_the_method_with_fewest_products_reads_and_never_a_floor():
    both = {"S30": 0.8, "L30": 0.75}
    accuracy = {"pixel": both, "anyband": {"S2": 0.8, "L9": 0.7} | both, "hls-unified": both}
    trained = {"pixel": frozenset({"hls_s30"}), "anyband": frozenset(OPTICAL),
               "hls-unified": frozenset({"hls_s30", "hls_l30"})}  # fmt: skip
    cube, _ = cube_of(accuracy)
    assert [reader(cube, trained, name) for name in ("S2", "S30", "L30", "L9")] == [
        "anyband", "hls-unified", "hls-unified", "anyband",
    ]  # fmt: skip
    assert set(decomposition(cube, trained)["path"]) == {OWN_MODELS, ONE_METHOD}
    assert set(decomposition(cube, {"anyband": trained["anyband"]})["path"]) == {ONE_METHOD}


def test_nearest_bands_of_another_sensor_are_no_perturbation():
    cube, _ = cube_of({"anyband": {"S2": 0.8, "S2/as-L9": 0.5, "S2/drop-swir": 0.7}})
    assert set(robustness(cube)["condition"]) == {"S2/drop-swir"}
