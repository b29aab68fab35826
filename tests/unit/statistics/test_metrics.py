"""Metrics on matrices worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anyband.statistics import metrics

# rows are reference, columns prediction; nothing is symmetric, so a swap of the two cannot go unseen
ASYMMETRIC = np.array([[6, 3, 1], [0, 4, 0], [2, 0, 8]])


def test_rows_are_reference_and_columns_prediction():
    assert metrics.class_iou(ASYMMETRIC) == pytest.approx([6 / 12, 4 / 7, 8 / 11])
    assert metrics.class_f1(ASYMMETRIC) == pytest.approx([12 / 18, 8 / 11, 16 / 19])
    assert metrics.overall_agreement(ASYMMETRIC) == pytest.approx(18 / 24)
    assert metrics.mean_iou(ASYMMETRIC) == pytest.approx((6 / 12 + 4 / 7 + 8 / 11) / 3)
    assert metrics.macro_f1(ASYMMETRIC) == pytest.approx((12 / 18 + 8 / 11 + 16 / 19) / 3)


def test_absent_class_is_left_out_and_its_false_alarms_still_count():
    counts = np.array([[6, 2, 2], [0, 0, 0], [0, 0, 5]])
    assert metrics.class_iou(counts) == pytest.approx([6 / 10, np.nan, 5 / 7], nan_ok=True)
    assert metrics.mean_iou(counts) == pytest.approx((6 / 10 + 5 / 7) / 2)
    assert metrics.overall_agreement(counts) == pytest.approx(11 / 15)


def test_class_that_is_never_predicted_scores_zero():
    counts = np.array([[5, 0], [3, 0]])
    assert metrics.mean_iou(counts) == pytest.approx((5 / 8 + 0) / 2)


def test_ignored_class_is_neither_scored_nor_counted():
    kept = metrics.without_ignored(ASYMMETRIC, [1])
    assert metrics.class_iou(kept) == pytest.approx([6 / 12, np.nan, 8 / 11], nan_ok=True)
    assert metrics.overall_agreement(kept) == pytest.approx(14 / 20)
    assert ASYMMETRIC[1, 1] == 4  # the caller's matrix is untouched


def test_empty_matrix_has_no_score():
    empty = np.zeros((2, 3, 3), dtype=int)
    assert np.isnan(metrics.mean_iou(empty)).all()
    assert np.isnan(metrics.overall_agreement(empty)).all()


@given(arrays(np.int64, (4, 4), elements=st.integers(0, 1000)), st.permutations(range(4)))
def test_renaming_classes_changes_no_mean(counts, order):
    permuted = counts[np.ix_(order, order)]
    for metric in (metrics.mean_iou, metrics.macro_f1, metrics.overall_agreement):
        assert metric(permuted) == pytest.approx(metric(counts), nan_ok=True)


@given(arrays(np.int64, (3, 3), elements=st.integers(0, 1000)), st.integers(2, 9))
def test_scores_are_bounded_and_free_of_scale(counts, factor):
    score = metrics.mean_iou(counts)
    assert np.isnan(score) or 0 <= score <= 1
    assert metrics.mean_iou(counts * factor) == pytest.approx(score, nan_ok=True)
    assert np.all((metrics.class_f1(counts) >= metrics.class_iou(counts)) | np.isnan(metrics.class_f1(counts)))
