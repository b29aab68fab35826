"""The interval covers what it says, finds planted effects, and does not depend on order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.evaluation.confusion import mean_iou
from anyband.statistics.jackknife import estimate, replicate
from unit.statistics.planted import simulate


def difference(pooled):
    """Difference of mIoU of counts `(n, R, method, class, class)` -> `(n, R)`."""
    scores = mean_iou(pooled)
    return scores[..., 0] - scores[..., 1]


SETTINGS = {
    "balanced": {"block_sd": 0.3, "seed_sd": 0.12},
    "block-heavy": {"block_sd": 0.5, "seed_sd": 0.02},
    "seed-heavy": {"block_sd": 0.1, "seed_sd": 0.3},
    "many blocks, ten seeds": {"blocks": 24, "seeds": 10, "repetitions": 200},
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_nominal_95_percent_covers_at_least_92_on_planted_nulls(setting):
    cells = simulate(np.random.default_rng(1), **SETTINGS[setting])
    result = estimate(replicate(cells, difference))
    covered = np.mean((result.lower <= 0) & (result.upper >= 0))
    assert 0.92 <= covered <= 0.995
    assert np.mean(result.p_value < 0.05) == pytest.approx(1 - covered, abs=1e-9)


def test_interval_over_seeds_alone_fails_the_same_check():
    """The simulation can tell a wrong interval from a right one: leaving out the blocks covers far too little."""
    cells = simulate(np.random.default_rng(1), **SETTINGS["block-heavy"])
    result = estimate(replicate(cells.sum(axis=1, keepdims=True), difference))
    assert np.isnan(result.lower).all()  # one block has no block variance: no interval instead of a wrong one
    naive = 2.776 * np.sqrt(replicate(cells, difference).without_seed.var(axis=0, ddof=1) * 16 / 5)
    assert np.mean(np.abs(result.value) <= naive) < 0.8


def test_planted_effect_is_found():
    cells = simulate(np.random.default_rng(2), advantage=0.6, repetitions=200)
    result = estimate(replicate(cells, difference))
    assert np.mean(result.lower > 0) > 0.9


def test_mean_of_cells_has_the_textbook_variances():
    """For a plain mean both jackknife variances are the variances of the means of rows and columns."""
    values = np.random.default_rng(3).normal(size=(6, 9))
    cells = np.stack([values, np.ones_like(values)], axis=-1)
    result = estimate(replicate(cells, lambda pooled: pooled[..., 0] / pooled[..., 1]))
    assert result.value == pytest.approx(values.mean())
    assert result.variance_blocks == pytest.approx(values.mean(axis=0).var(ddof=1) / 9)
    assert result.variance_seeds == pytest.approx(values.mean(axis=1).var(ddof=1) / 6)
    blocks, seeds = float(result.variance_blocks), float(result.variance_seeds)
    assert result.degrees_of_freedom == pytest.approx((blocks + seeds) ** 2 / (blocks**2 / 8 + seeds**2 / 5))


def test_one_seed_leaves_the_block_interval():
    cells = simulate(np.random.default_rng(4), repetitions=1, seeds=1)
    result = estimate(replicate(cells, difference))
    assert np.isnan(result.variance_seeds).all()
    assert np.isfinite(result.lower).all()
    assert result.degrees_of_freedom == pytest.approx(11)


def test_score_near_one_stays_inside_its_bounds():
    counts = np.zeros((5, 12, 2, 2), dtype=int)
    counts[..., 0, 0], counts[..., 1, 1] = 990, 1000
    counts[..., 0, 1] = np.random.default_rng(5).integers(0, 40, (5, 12))
    result = estimate(replicate(counts, mean_iou), scale="bounded")
    assert result.logit
    assert 0 < result.lower < result.value < result.upper < 1
    assert result.upper - result.value < result.value - result.lower  # the bound is nearer on the right


def test_class_found_in_a_single_block_gets_no_interval():
    counts = np.ones((5, 12, 2, 2), dtype=int)
    counts[:, 1:, 1, :] = 0
    from anyband.evaluation.confusion import class_iou

    result = estimate(replicate(counts, class_iou))
    assert np.isfinite(result.lower[0])
    assert np.isfinite(result.value[1]) and np.isnan(result.lower[1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(8)), st.permutations(range(4)))
def test_order_of_blocks_and_seeds_changes_nothing(seed, blocks, seeds):
    cells = simulate(np.random.default_rng(seed), repetitions=1, blocks=8, seeds=4)
    plain = estimate(replicate(cells, difference))
    shuffled = estimate(replicate(cells[list(seeds)][:, list(blocks)], difference))
    for field in ("value", "lower", "upper", "p_value"):
        assert getattr(shuffled, field) == pytest.approx(getattr(plain, field))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_identical_methods_differ_by_exactly_nothing(seed):
    cells = simulate(np.random.default_rng(seed), repetitions=1, blocks=6, seeds=3)
    cells[..., 1, :, :] = cells[..., 0, :, :]
    result = estimate(replicate(cells, difference))
    assert result.value == 0 and result.lower == 0 and result.upper == 0
    assert result.p_value == 1
