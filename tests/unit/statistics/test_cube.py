"""Reading confusion tables: pairing of seeds, missing inputs, contradictions."""

import numpy as np
import pandas as pd
import pytest

from anyband.evaluation.confusion import mean_iou
from anyband.runtime import UserError
from anyband.statistics.cube import build_cube, read_runs

FULL = {"S2": 0.8, "L9": 0.7, "S2+L9": 0.85}
ACCURACY = {"s2-only": {"S2": 0.8}, "input-fusion": FULL, "anyband": FULL, "pixel": FULL}


def test_cube_holds_the_counts_of_the_table(confusion_table, comparison_settings):
    table = confusion_table(ACCURACY)
    cube = build_cube(table.sample(frac=1, random_state=0), comparison_settings)
    chosen = table[(table.method == "anyband") & (table.seed == 3) & (table.condition == "L9") & (table.block == "b07")]
    expected = chosen.pivot(index="reference", columns="prediction", values="count").to_numpy()
    assert np.array_equal(cube.cells("anyband", "L9")[3, 7], expected)
    assert cube.takes("anyband", ("S2", "L9")) and not cube.takes("s2-only", ("S2", "L9"))
    assert cube.notes == ()


def test_majority_floor_is_the_best_constant_map(confusion_table, comparison_settings):
    cube = build_cube(confusion_table(ACCURACY), comparison_settings)
    scores = mean_iou(cube.cells("majority", "S2").sum(axis=1))
    totals = cube.reference().sum(axis=0)
    assert scores == pytest.approx(np.full(5, totals.max() / totals.sum() / 4))


def test_missing_seed_is_left_out_for_everyone_and_named(confusion_table, comparison_settings):
    table = confusion_table(ACCURACY)
    table = table[~((table.method == "input-fusion") & (table.seed == 2))]
    cube = build_cube(table, comparison_settings)
    assert cube.seeds == (0, 1, 3, 4)
    assert "Input fusion lacks seed 2" in cube.notes[0]


def test_missing_method_is_named_and_the_rest_compared(confusion_table, comparison_settings):
    cube = build_cube(confusion_table({k: v for k, v in ACCURACY.items() if k != "pixel"}), comparison_settings)
    assert "pixel" not in cube.methods
    assert cube.notes == ("Pixel classifier has no results.",)


def test_scores_on_different_reference_pixels_are_refused(confusion_table, comparison_settings):
    table = confusion_table(ACCURACY)
    row = table.index[(table.method == "anyband") & (table.block == "b05")][0]
    table.loc[row, "count"] += 1
    with pytest.raises(UserError, match="block b05 was scored on other reference pixels"):
        build_cube(table, comparison_settings)


def test_reference_outside_the_class_list_is_ignored(confusion_table, comparison_settings):
    table = confusion_table(ACCURACY)
    extra = table.assign(reference=0)
    with_ignored = build_cube(pd.concat([table, extra]), comparison_settings)
    assert np.array_equal(with_ignored.counts, build_cube(table, comparison_settings).counts)


def test_missing_run_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="seed-0/confusion.csv is missing"):
        read_runs([tmp_path / "seed-0"], "confusion.csv")
