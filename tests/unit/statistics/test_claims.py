"""Claims appear only when their conditions hold."""

from dataclasses import replace

import numpy as np
import pytest

from anyband.statistics.claims import make_claim, why_no_claims
from anyband.statistics.jackknife import Estimate
from anyband.statistics.paired import Contrast

LABELS = {"anyband": "anyband", "input-fusion": "Input fusion"}


def estimate_of(value, error, half):
    return Estimate(*(np.asarray(x) for x in (value, value - half, value + half, error, 12.0, 1e-5, 1e-5, 0.001)))


def comparison(value, error=0.005, **changes):
    base = Contrast(
        "anyband", "input-fusion", estimate_of(value, error, 2.2 * error), 2.8 * error, 0.5, estimate_of(0.9, 0.1, 0.1),
        np.sign(value) * 0.01, 0.01, 5, float("nan"), np.full(5, value), np.full(12, value),
    )  # fmt: skip
    return replace(base, **changes)


def test_better_when_every_condition_holds():
    claim = make_claim(comparison(0.03), 0.001, 0.01, LABELS)
    assert claim.kind == "better"
    assert claim.text.startswith("anyband is better than Input fusion (+3.0 points mIoU, 95 % interval +1.9 to +4.1")


def test_the_losing_side_is_stated_just_as_plainly():
    claim = make_claim(comparison(-0.03), 0.001, 0.01, LABELS)
    assert (claim.kind, claim.first, claim.second) == ("better", "input-fusion", "anyband")
    assert claim.text.startswith("Input fusion is better than anyband (+3.0 points mIoU, 95 % interval +1.9 to +4.1")


@pytest.mark.parametrize(
    ("changed", "adjusted_p"),
    [
        (comparison(0.03), 0.06),
        (comparison(0.03, resolution=0.031), 0.001),
        (comparison(0.03, block_direction=-0.001), 0.001),
        (comparison(0.03, seeds_agree=2), 0.001),
        (comparison(0.03, difference=estimate_of(0.03, 0.005, 0.031)), 0.001),
    ],
)
def test_one_failed_condition_forbids_better(changed, adjusted_p):
    claim = make_claim(changed, adjusted_p, 0.01, LABELS)
    assert claim.kind != "better"
    assert sum(not passed for passed in claim.checks.values()) == 1


def test_equivalent_only_when_the_whole_interval_is_inside():
    assert make_claim(comparison(0.001, 0.003), 0.7, 0.01, LABELS).kind == "equivalent"
    assert make_claim(comparison(0.006, 0.003), 0.1, 0.01, LABELS).kind == "not worse"
    assert make_claim(comparison(0.006, 0.02), 0.7, 0.01, LABELS).kind == "no difference shown"


def test_no_claims_below_five_seeds_or_twelve_blocks():
    assert why_no_claims(5, 12) is None
    assert "4 of the 5 required seeds" in why_no_claims(4, 12)
    assert "11 of the 12 required test blocks" in why_no_claims(5, 11)
