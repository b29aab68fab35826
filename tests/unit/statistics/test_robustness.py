"""Scores under conditions in which something was done to the input."""

import numpy as np
import pytest

from anyband.config import ComparisonSettings, Experiment
from anyband.evaluation.confusion import mean_iou
from anyband.statistics.cube import build_cube
from anyband.statistics.score_tables import pairwise, robustness

FULL = {"S2": 0.8, "L9": 0.7, "S2+L9": 0.85, "S2/drop-swir": 0.6, "S2+L9/cloudy-50": 0.85}
ACCURACY = {
    "s2-only": {"S2": 0.8, "S2+L9": 0.8, "S2+L9/cloudy-50": 0.8},
    "input-fusion": FULL,
    "anyband": FULL,
    "pixel": FULL,
}


@pytest.fixture
def settings(comparison_settings):
    return ComparisonSettings(
        name="main",
        experiment=Experiment(methods=list(ACCURACY), conditions=list(FULL)),
        classes=comparison_settings.classes,
    )


def test_change_is_paired_and_what_cannot_be_taken_has_no_row(confusion_table, settings):
    cube = build_cube(confusion_table(ACCURACY), settings)
    frame = robustness(cube).set_index(["condition", "method"])
    assert set(frame.index.get_level_values("condition")) == {"S2/drop-swir", "S2+L9/cloudy-50"}
    assert ("S2/drop-swir", "s2-only") not in frame.index
    assert "majority" not in frame.index.get_level_values("method")
    lost = frame.loc[("S2/drop-swir", "anyband")]
    assert lost["reference"] == "S2"
    assert lost["change_upper"] < 0
    assert lost["change"] == pytest.approx(lost["miou"] - mean_iou(cube.cells("anyband", "S2").sum(axis=1)).mean())
    same = frame.loc[("S2+L9/cloudy-50", "anyband")]
    assert abs(same["change"]) < 0.01


def test_other_tables_do_not_see_disturbed_inputs(confusion_table, settings):
    full = build_cube(confusion_table(ACCURACY), settings)
    cube = full.undisturbed()
    assert cube.conditions == ("S2", "L9", "S2+L9")
    for condition in cube.conditions:
        assert np.array_equal(cube.cells("anyband", condition), full.cells("anyband", condition))
    pairs, _ = pairwise(cube, settings)
    assert not pairs["endpoint"].str.contains("/").any()
