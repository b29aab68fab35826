"""Counting pixels, and scores of matrices worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anyband.evaluation.confusion import (
    by_block,
    class_f1,
    class_iou,
    confusion_matrix,
    macro_f1,
    mean_iou,
    overall_agreement,
    tidy,
)


def test_rows_are_the_reference():
    """An asymmetric case: index order prediction x reference would swap recall and precision."""
    matrix = confusion_matrix(np.array([0, 0, 0, 1, -1]), np.array([0, 1, 1, 1, 0], np.uint8), 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    assert matrix.dtype == np.int64


def test_many_pixels_do_not_overflow():
    reference = np.full(70_000, 7, np.int8)
    assert confusion_matrix(reference, np.full(70_000, 7, np.uint8), 8)[7, 7] == 70_000


def test_blocks_are_counted_apart_and_in_order():
    block = np.array(["b", "a", "b"])
    reference = np.array([[0], [1], [1]])
    found = by_block(reference, np.array([[0], [1], [0]]), block, 2)
    assert list(found) == ["a", "b"]
    assert found["b"].tolist() == [[1, 0], [1, 0]]
    frame = tidy(found, (10, 80))
    assert len(frame) == 8
    assert frame["count"].sum() == 3
    row = frame[(frame["block"] == "b") & (frame["reference"] == 80) & (frame["prediction"] == 10)]
    assert row["count"].item() == 1


# rows are reference, columns prediction; nothing is symmetric, so a swap of the two cannot go unseen
ASYMMETRIC = np.array([[6, 3, 1], [0, 4, 0], [2, 0, 8]])


def test_scores_read_rows_as_reference_and_columns_as_prediction():
    assert class_iou(ASYMMETRIC) == pytest.approx([6 / 12, 4 / 7, 8 / 11])
    assert class_f1(ASYMMETRIC) == pytest.approx([12 / 18, 8 / 11, 16 / 19])
    assert overall_agreement(ASYMMETRIC) == pytest.approx(18 / 24)
    assert mean_iou(ASYMMETRIC) == pytest.approx((6 / 12 + 4 / 7 + 8 / 11) / 3)
    assert macro_f1(ASYMMETRIC) == pytest.approx((12 / 18 + 8 / 11 + 16 / 19) / 3)


def test_absent_class_is_left_out_and_its_false_alarms_still_count():
    counts = np.array([[6, 2, 2], [0, 0, 0], [0, 0, 5]])
    assert class_iou(counts) == pytest.approx([6 / 10, np.nan, 5 / 7], nan_ok=True)
    assert mean_iou(counts) == pytest.approx((6 / 10 + 5 / 7) / 2)
    assert overall_agreement(counts) == pytest.approx(11 / 15)


def test_class_that_is_never_predicted_scores_zero():
    counts = np.array([[5, 0], [3, 0]])
    assert mean_iou(counts) == pytest.approx((5 / 8 + 0) / 2)


def test_empty_matrix_has_no_score():
    empty = np.zeros((2, 3, 3), dtype=int)
    assert np.isnan(mean_iou(empty)).all()
    assert np.isnan(overall_agreement(empty)).all()


@given(arrays(np.int64, (4, 4), elements=st.integers(0, 1000)), st.permutations(range(4)))
def test_renaming_classes_changes_no_mean(counts, order):
    permuted = counts[np.ix_(order, order)]
    for metric in (mean_iou, macro_f1, overall_agreement):
        assert metric(permuted) == pytest.approx(metric(counts), nan_ok=True)


@given(arrays(np.int64, (3, 3), elements=st.integers(0, 1000)), st.integers(2, 9))
def test_scores_are_bounded_and_free_of_scale(counts, factor):
    score = mean_iou(counts)
    assert np.isnan(score) or 0 <= score <= 1
    assert mean_iou(counts * factor) == pytest.approx(score, nan_ok=True)
    assert np.all((class_f1(counts) >= class_iou(counts)) | np.isnan(class_f1(counts)))
