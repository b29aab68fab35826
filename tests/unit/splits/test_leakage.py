"""The certificate catches a split that does not keep its promises."""

import json
from dataclasses import replace

import numpy as np
import pytest

from anyband.config import Split
from anyband.runtime import UserError
from anyband.splits.division import split_chips
from anyband.splits.index import Windows
from anyband.splits.leakage import certify, summary
from small_split import make_survey

CLASSES = {10: "tree cover", 40: "cropland", 80: "permanent water"}
LAYER = "sentinel2/10m"


def settings(**changes):
    return Split.model_validate({"test_blocks": 4, "val_blocks": 2, "block_m": 20_400} | changes)


def certified(survey, change):
    block, split = split_chips(survey, CLASSES, settings())
    change(survey, block, split)
    return certify(survey, block, split, CLASSES, settings())


def test_certificate_states_what_was_measured():
    certificate = certified(make_survey(), lambda *_: None)
    assert certificate["passes"] is True
    # Ground metres: those of the grid over its scale, which is above 1 far from the central meridian.
    assert min(certificate["min_distance_m"].values()) == pytest.approx(50_000 - 4 * 960, rel=2e-3)
    assert {pair: found["count"] for pair, found in certificate["shared_items"].items()} == {
        "train-val": 0,
        "train-test": 0,
        "val-test": 0,
    }
    assert certificate["class_pixels"]["test"] == {"10": 800, "40": 800, "80": 800}
    json.dumps(certificate)
    assert certificate["regime"] == "blocks" and certificate["violations"] == []


def first_of(split, name):
    return int(np.flatnonzero(split == name)[0])


def read_from(survey, chip, item, corner):
    """Let a chip have been read from `item` at `corner`."""
    windows = survey.windows[LAYER]
    windows.item[chip] = item
    windows.corner[chip] = corner


def test_shared_scenes_are_counted_and_named():
    def share(survey, _, split):
        for name, left in (("train", 0.0), ("test", 5_000.0)):
            read_from(survey, first_of(split, name), "scene-x", (left, 0.0))

    found = certified(make_survey(), share)
    assert found["shared_items"]["train-test"] == {"count": 1, "items": ["scene-x"]}
    assert found["shared_pixels"] == {"train-val": 0, "train-test": 0, "val-test": 0}


@pytest.mark.parametrize(
    ("shift", "overlap"), [((0, 0), True), ((950, -950), True), ((960, 0), False), ((0, 960), False)]
)
def test_source_pixels_in_two_splits_are_a_violation(shift, overlap):
    """Windows that touch share no pixel; those that overlap by one do."""

    def overlay(survey, _, split):
        read_from(survey, first_of(split, "train"), "scene-x", (0.0, 0.0))
        read_from(survey, first_of(split, "test"), "scene-x", shift)

    if overlap:
        with pytest.raises(UserError, match="1 pairs of chips read the same source pixels in train-test"):
            certified(make_survey(), overlay)
    else:
        assert certified(make_survey(), overlay)["shared_pixels"]["train-test"] == 0


def test_same_place_of_two_scenes_is_no_shared_pixel():
    def overlay(survey, _, split):
        read_from(survey, first_of(split, "train"), "scene-x", (0.0, 0.0))
        read_from(survey, first_of(split, "test"), "scene-y", (0.0, 0.0))

    assert certified(make_survey(), overlay)["shared_pixels"]["train-test"] == 0


def test_chips_without_an_item_share_nothing():
    survey = make_survey()
    nothing = Windows(np.full(len(survey), ""), np.zeros((len(survey), 2)))
    survey = replace(survey, windows=survey.windows | {"hls_s30/30m": nothing})
    found = certified(survey, lambda *_: None)
    assert found["passes"] and found["shared_items"]["train-test"]["count"] == 0


def test_identical_pixels_in_two_splits_are_a_violation():
    def copy(survey, _, split):
        for name in ("train", "test"):
            survey.digests[int(np.flatnonzero(split == name)[0])] = frozenset({"same"})

    with pytest.raises(UserError, match="leakage between splits: 1 chips with identical pixels in train-test"):
        certified(make_survey(), copy)


def test_chips_that_are_too_near_are_a_violation():
    def move(_, __, split):
        split[np.flatnonzero(split == "train")[0]] = "test"

    with pytest.raises(UserError, match=r"test chips 0 m apart, less than buffer_m 1000.*block 32632:\S+ in both"):
        certified(make_survey(), move)


def test_class_missing_from_a_split_is_a_violation():
    def erase(survey, _, split):
        survey.counts[split == "val", 1] = 0

    with pytest.raises(UserError, match="class 40 has no scored pixel in val"):
        certified(make_survey(), erase)


def patches(side):
    """Label rasters of squares of independent classes, `side` pixels of 10 m."""
    random = np.random.default_rng(0)
    cells = 1_152 // side
    return [random.choice(np.array([10, 40, 80], np.uint8), (cells, cells)).repeat(side, 0).repeat(side, 1)] * 2


def test_variogram_is_printed_and_kept():
    certificate = certified(replace(make_survey(), mosaics=patches(24)), lambda *_: None)
    found = certificate["label_autocorrelation"]
    assert 240 < found["range_m"] < 600 and found["block_at_least_range"] is True
    assert len(found["lag_m"]) == len(found["disagreement"]) > 10
    (reach,) = summary(certificate)
    assert reach == f"label autocorrelation range: {found['range_m']} m; blocks of 20400 m are at least that"


def test_blocks_smaller_than_the_range_of_the_labels_are_a_violation():
    survey = replace(make_survey(), mosaics=patches(96))
    with pytest.raises(UserError, match=r"block_m 1000 is less than the label autocorrelation range of \d{4} m"):
        block, split = split_chips(survey, CLASSES, settings())
        certify(survey, block, split, CLASSES, settings(block_m=1_000))


def test_labels_without_a_range_are_said_to_prove_nothing():
    trend = np.repeat(np.array([10, 40], np.uint8), 500)[None].repeat(1_000, 0)
    certificate = certified(replace(make_survey(), mosaics=[trend]), lambda *_: None)
    assert certificate["label_autocorrelation"]["range_m"] is None
    assert "unproven" in summary(certificate)[-1]


def test_random_chips_leak_and_the_certificate_says_how_much():
    survey, rules = make_survey(), settings(regime="random")
    block, split = split_chips(survey, CLASSES, rules)
    certificate = certify(survey, block, split, CLASSES, rules)
    assert certificate["passes"] is False
    assert min(certificate["min_distance_m"].values()) == 0
    assert "leaks" in summary(certificate)[-1] and "in both train and test" in summary(certificate)[-1]
