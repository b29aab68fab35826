"""Paired comparisons: symmetry, sensitivity tests, equivalence."""

import numpy as np
import pytest

from anyband.evaluation.confusion import mean_iou
from anyband.statistics.cube import build_cube
from anyband.statistics.paired import contrast, improvement_probability, sign_flip_p
from anyband.statistics.protocol import PRIMARY, endpoint
from anyband.statistics.score_tables import general, pairwise

FULL = {"S2": 0.8, "L9": 0.7, "S2+L9": 0.85}


@pytest.fixture
def cube(confusion_table, comparison_settings):
    better = {condition: value + 0.06 for condition, value in FULL.items()}
    return build_cube(confusion_table({"input-fusion": FULL, "anyband": better, "pixel": FULL}), comparison_settings)


def compare(cube, first, second, margin=0.01):
    """Both on their endpoints."""
    return contrast(cube, (first, cube.endpoints[first]), (second, cube.endpoints[second]), margin)


def test_comparison_is_antisymmetric(cube):
    one = compare(cube, "anyband", "input-fusion", 0.01)
    other = compare(cube, "input-fusion", "anyband", 0.01)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.difference.lower == pytest.approx(-other.difference.upper)
    assert one.improvement.value == pytest.approx(1 - other.improvement.value)
    assert one.equivalence_p == pytest.approx(other.equivalence_p)
    assert one.block_flip_p == other.block_flip_p


def test_five_seeds_are_not_tested_by_sign_flips(cube):
    assert np.isnan(compare(cube, "anyband", "input-fusion", 0.01).seed_flip_p)


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
    result = compare(cube, "anyband", "input-fusion", 0.01)
    assert result.equivalence_p > 0.5
    assert compare(cube, "anyband", "input-fusion", 0.5).equivalence_p < 0.001


TWINS = {"S30": 0.75, "L30": 0.65, "S30+L30": 0.8}


@pytest.fixture
def with_twins(confusion_table, comparison_settings):
    """A method that reads only HLS, beside one that reads everything."""
    conditions = [*FULL, *TWINS]
    experiment = comparison_settings.experiment.model_copy(
        update={"conditions": conditions, "methods": ["input-fusion", "anyband", "hls-unified"]}
    )
    settings = comparison_settings.model_copy(update={"experiment": experiment})
    table = confusion_table({"input-fusion": FULL, "anyband": FULL | TWINS, "hls-unified": TWINS})
    return settings, build_cube(table, settings, {"hls-unified": list(TWINS)})


def test_a_method_that_reads_only_hls_competes_with_its_twins(with_twins):
    settings, cube = with_twins
    assert cube.endpoints["hls-unified"] == tuple(TWINS) and cube.endpoints["anyband"] == tuple(FULL)
    pairs, family = pairwise(cube, settings)
    table = general(cube, settings, pairs).set_index("method")
    assert table.loc["hls-unified", "role"] == "baseline"
    expected = np.mean([mean_iou(cube.cells("hls-unified", key).sum(axis=1)).mean() for key in TWINS])
    assert table.loc["hls-unified", "miou"] == pytest.approx(expected)
    assert table.loc["hls-unified", "difference"] == pytest.approx(table.loc["anyband", "miou"] - expected)
    assert [result.second for result in family] == ["input-fusion", "hls-unified"]
    of_twins = pairs.loc[pairs["second"] == "hls-unified", "endpoint"]
    assert set(of_twins) == {PRIMARY, *TWINS}  # never the endpoint's conditions, which it cannot take


def test_twins_stand_only_for_the_conditions_that_are_tested(comparison_settings):
    experiment = comparison_settings.experiment.model_copy(update={"conditions": ["S2", "S2+L9", "L30"]})
    settings = comparison_settings.model_copy(update={"experiment": experiment})
    assert endpoint(settings) == ("S2", "S2+L9")
    assert endpoint(settings, ["S30", "L30", "S30+L30"]) == ("S30", "S30+L30")


def test_without_results_for_its_twins_a_method_has_no_endpoint(confusion_table, with_twins):
    settings, _ = with_twins
    table = confusion_table({"input-fusion": FULL, "anyband": FULL, "hls-unified": {"S30": 0.7}})
    cube = build_cube(table, settings, {"hls-unified": list(TWINS)})
    pairs, _ = pairwise(cube, settings)
    row = general(cube, settings, pairs).set_index("method").loc["hls-unified"]
    assert np.isnan(row["miou"]) and np.isnan(row["difference"]) and row["role"] == "specialist"


def test_an_ablation_of_the_proposed_method_is_no_baseline_to_beat(cube, comparison_settings):
    """Otherwise the headline names it as the best baseline, and its comparison takes part in Holm's correction."""
    settings = comparison_settings.model_copy(update={"variants": ["input-fusion"]})
    pairs, family = pairwise(cube, settings)
    assert not family and set(pairs["family"]) == {"exploratory"}
    assert general(cube, settings, pairs).set_index("method").loc["input-fusion", "role"] == "variant"
