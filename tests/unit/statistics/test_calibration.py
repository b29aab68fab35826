"""Calibration errors, likelihoods and Brier scores from the sums of runs."""

import numpy as np
import pandas as pd
import pytest

from anyband.evaluation.confusion import BY_CLASS, OVERALL
from anyband.statistics.calibration_scores import binned_error, calibration, class_calibration, reliability
from anyband.statistics.cube import build_cube
from unit.statistics.conftest import fabricate_table


def test_error_of_probabilities_that_come_true_is_0():
    share = (np.arange(15) + 0.5) / 15
    exact = np.stack([np.full(15, 600.0), 600 * share, 600 * share], axis=-1)[None]
    assert binned_error(exact) == pytest.approx(0)
    assert binned_error(exact + [0, 30, 0]) == pytest.approx(0.05)
    random = np.random.default_rng(0)
    drawn = np.stack([np.full(15, 1e5), 1e5 * share, random.binomial(100_000, share)], axis=-1)[None]
    assert binned_error(drawn) < 0.003


def test_errors_of_opposite_bins_do_not_cancel():
    bins = np.array([[[100.0, 60, 50], [100, 70, 80]]])
    assert binned_error(bins) == pytest.approx(0.1)


@pytest.fixture
def cube(comparison_settings):
    full = {"S2": 0.8, "L9": 0.7, "S2+L9": 0.85}
    return build_cube(fabricate_table({"input-fusion": full, "anyband": full}), comparison_settings)


def sums(cube, error=(0.06, 0.02), method="anyband", condition="S2"):
    """Two bins per seed and block whose probabilities are too high by `error` before and after; classes likewise."""
    overall, classes = [], []
    for seed in cube.seeds:
        for block in cube.blocks:
            for scaled, off in enumerate(error):
                temperature = 1.5 + 0.1 * seed if scaled else 1.0
                key = (method, seed, condition, block, scaled)
                for index, share in ((4, 0.3), (12, 0.8)):
                    pixels = np.array([100, 100 * (share + off), 100 * share, 50 - 10 * scaled, 40])
                    overall.append((*key, temperature, index, *pixels))
                    classes += [(*key, code, index, 100, 100 * (share + off), 100 * share) for code in cube.classes]
    columns = ["method", "seed", "condition", "block", "scaled"]
    return (
        pd.DataFrame(overall, columns=[*columns, "temperature", "bin", *OVERALL]),
        pd.DataFrame(classes, columns=[*columns, "class", "bin", *BY_CLASS]),
    )


def test_values_before_and_after_with_the_range_of_temperatures(cube):
    table = calibration(sums(cube)[0], cube)
    (row,) = table.to_dict("records")
    assert (row["method"], row["condition"]) == ("anyband", "S2")
    assert (row["ece_before"], row["ece_after"]) == (pytest.approx(0.06), pytest.approx(0.02))
    assert (row["nll_before"], row["nll_after"], row["brier_after"]) == pytest.approx((0.5, 0.4, 0.4))
    seeds = np.array(cube.seeds)
    assert row["temperature"] == pytest.approx(1.5 + 0.1 * seeds.mean())
    assert row["temperature_lowest"] == pytest.approx(1.5 + 0.1 * seeds.min())
    assert row["temperature_highest"] == pytest.approx(1.5 + 0.1 * seeds.max())
    assert row["ece_before_lower"] == pytest.approx(0.06) == row["ece_before_upper"]  # every block is alike


def test_methods_and_conditions_without_probabilities_have_no_row(cube):
    overall, classes = sums(cube)
    assert "majority" in cube.methods and set(calibration(overall, cube)["method"]) == {"anyband"}
    assert calibration(overall[overall["scaled"] == 0], cube).empty
    assert set(calibration(overall, cube)["condition"]) == {"S2"}


def test_seeds_outside_the_comparison_do_not_count(cube):
    overall, _ = sums(cube)
    other = overall.assign(seed=99, confidence_sum=0)
    pd.testing.assert_frame_equal(calibration(pd.concat([overall, other]), cube), calibration(overall, cube))


def test_classes_under_a_condition_and_on_the_whole_endpoint(cube, comparison_settings):
    parts = [sums(cube, (off, off / 3), condition=c)[1] for c, off in (("S2", 0.03), ("L9", 0.09), ("S2+L9", 0.06))]
    found = class_calibration(pd.concat(parts), cube, comparison_settings).set_index(["condition", "class"])
    assert len(found) == 4 * len(cube.classes)
    first = cube.classes[0]
    assert found.loc[("L9", first), "ece_before"] == pytest.approx(0.09)
    assert found.loc[("primary", first), "ece_before"] == pytest.approx(0.06)
    assert found.loc[("primary", first), "ece_after"] == pytest.approx(0.02)
    assert found.loc[("primary", first), "class_name"] == comparison_settings.classes[first]
    only = class_calibration(parts[0], cube, comparison_settings)
    assert set(only["condition"]) == {"S2"}


def test_curves_are_pooled_and_leave_out_empty_bins(cube):
    overall, _ = sums(cube)
    empty = overall.assign(bin=7, count=0, confidence_sum=0, correct=0)
    curve = reliability(pd.concat([overall, empty]))
    assert curve["bin"].tolist() == [4, 12, 4, 12] and curve["scaled"].tolist() == [0, 0, 1, 1]
    assert curve["agreement"].tolist() == pytest.approx([0.3, 0.8, 0.3, 0.8])
    assert curve["confidence"].tolist() == pytest.approx([0.36, 0.86, 0.32, 0.82])
