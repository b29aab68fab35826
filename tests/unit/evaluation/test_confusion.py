import numpy as np
import pytest

from anyband.evaluation.confusion import by_block, confusion_matrix, mean_iou, tidy


def test_rows_are_the_reference():
    """An asymmetric case: index order prediction x reference would swap recall and precision."""
    matrix = confusion_matrix(np.array([0, 0, 0, 1, -1]), np.array([0, 1, 1, 1, 0], np.uint8), 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]
    assert matrix.dtype == np.int64


def test_mean_iou_leaves_out_classes_without_reference():
    matrix = np.array([[1, 2, 0], [0, 1, 0], [0, 0, 0]])
    assert mean_iou(matrix) == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert np.isnan(mean_iou(np.zeros((3, 3), int)))


def test_a_false_alarm_of_an_absent_class_costs_the_class_it_hides():
    assert mean_iou(np.array([[3, 1], [0, 0]])) == pytest.approx(0.75)


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
