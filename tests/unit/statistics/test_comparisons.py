"""Paired comparisons: symmetry, sensitivity tests, equivalence."""

import numpy as np
import pytest

from anyband.statistics.comparisons import compare, improvement_probability, sign_flip_p
from anyband.statistics.cube import build_cube
from anyband.statistics.settings import PRIMARY_CONDITIONS

FULL = {"S2": 0.8, "L9": 0.7, "S2+L9": 0.85}


@pytest.fixture
def cube(confusion_table, comparison_settings):
    better = {condition: value + 0.06 for condition, value in FULL.items()}
    return build_cube(confusion_table({"input-fusion": FULL, "anyband": better, "pixel": FULL}), comparison_settings)


def test_comparison_is_antisymmetric(cube):
    one = compare(cube, "anyband", "input-fusion", PRIMARY_CONDITIONS, 0.01)
    other = compare(cube, "input-fusion", "anyband", PRIMARY_CONDITIONS, 0.01)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.difference.lower == pytest.approx(-other.difference.upper)
    assert one.improvement.value == pytest.approx(1 - other.improvement.value)
    assert one.equivalence_p == pytest.approx(other.equivalence_p)
    assert one.block_flip_p == other.block_flip_p


def test_method_against_itself(cube):
    same = compare(cube, "anyband", "anyband", PRIMARY_CONDITIONS, 0.01)
    assert same.difference.value == 0 and same.difference.p_value == 1
    assert same.improvement.value == 0.5
    assert same.equivalence_p == 0


def test_five_seeds_are_not_tested_by_sign_flips(cube):
    assert np.isnan(compare(cube, "anyband", "input-fusion", PRIMARY_CONDITIONS, 0.01).seed_flip_p)


def test_sign_flip_floor_is_two_to_the_one_minus_n():
    assert sign_flip_p(np.ones(5)) == pytest.approx(2 / 2**5)
    assert sign_flip_p(np.linspace(1, 2, 12)) == pytest.approx(2 / 2**12)
    assert sign_flip_p(np.array([1.0, -1.0])) == 1
    assert sign_flip_p(np.ones(30)) == pytest.approx(1 / 20_000)  # sampled: the observed pattern alone


def test_unanimous_improvement_keeps_an_honest_interval():
    result = improvement_probability(np.ones((5, 12)))
    assert result.value == 1 and result.upper == 1
    assert result.lower == pytest.approx(0.025 ** (1 / 12))


def test_ties_count_one_half():
    assert improvement_probability(np.array([[0.1, 0.0], [-0.1, 0.0]])).value == pytest.approx(0.5)


def test_equivalence_needs_a_margin_wider_than_the_difference(cube):
    result = compare(cube, "anyband", "input-fusion", PRIMARY_CONDITIONS, 0.01)
    assert result.equivalence_p > 0.5
    assert compare(cube, "anyband", "input-fusion", PRIMARY_CONDITIONS, 0.5).equivalence_p < 0.001
