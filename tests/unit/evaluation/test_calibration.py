import numpy as np

from anyband.evaluation.calibration import BINS, binned_confidence, by_block


def test_bins_hold_every_confidence_including_one():
    frame = binned_confidence(np.array([0.0, 0.5, 0.999, 1.0]), np.array([False, True, True, True]))
    assert len(frame) == BINS
    assert frame["count"].sum() == 4
    assert frame["count"].iloc[-1] == 2
    assert frame["correct"].sum() == 3
    assert frame["confidence_sum"].sum() == 2.499


def test_unscored_pixels_are_left_out():
    confidence = np.full((2, 4), 0.9)
    reference = np.array([[0, 0, -1, -1], [-1, -1, -1, -1]])
    frame = by_block(confidence, np.zeros((2, 4), int), reference, np.array(["a", "b"]))
    assert frame.groupby("block")["count"].sum().to_dict() == {"a": 2, "b": 0}
