"""The range that is planted is the range that is found."""

import numpy as np
import pytest

from anyband.splits.variogram import exponential_range, label_variogram


@pytest.mark.parametrize("planted", [300.0, 900.0, 2_500.0])
def test_planted_range_is_recovered(planted):
    lag = np.geomspace(30, 3_000, 20)
    model = 0.05 + 0.6 * (1 - np.exp(-3 * lag / planted))
    assert exponential_range(lag, model) == pytest.approx(planted, rel=0.05)


def test_trend_without_end_has_no_range():
    lag = np.geomspace(30, 3_000, 20)
    assert exponential_range(lag, lag / 10_000) == float("inf")


@pytest.mark.parametrize("patch", [12, 48])
def test_range_grows_with_the_patches(random, patch):
    """Squares of independent classes of side s disagree fully beyond s, linearly before: the range is s to 2 s."""
    cells = 384 // patch
    mosaics = [
        random.choice(np.array([10, 20, 40, 80], np.uint8), (cells, cells)).repeat(patch, 0).repeat(patch, 1)
        for _ in range(4)
    ]
    variogram = label_variogram(mosaics)
    assert patch * 10 < variogram.range_m < 2.5 * patch * 10
    assert variogram.disagreement[-1] == pytest.approx(0.75, abs=0.08)


def test_unlabelled_ground_does_not_count():
    mosaic = np.zeros((384, 384), np.uint8)
    assert label_variogram([mosaic]) is None
    mosaic[:, :150] = 10
    assert not label_variogram([mosaic]).disagreement.any()
