"""Sums are those of the definitions; one number from validation chips recovers what was planted."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.evaluation import calibration_sums as module
from anyband.evaluation.calibration_sums import (
    BINS,
    CHIPS,
    PIXELS_PER_CHIP,
    CalibrationSums,
    bin_of,
    fit_temperature,
)
from anyband.evaluation.confusion import BY_CLASS, OVERALL
from anyband.evaluation.inference import evenly_spaced
from anyband.runtime import UserError

CLASSES = 4


def planted(seed, chips=6, sharpness=2.0, size=24):
    """Logits, and labels drawn from the very probabilities that these state; 1 in 10 pixels is not scored."""
    random = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(chips, CLASSES, size, size, generator=random)
    probability = logits.softmax(dim=1).movedim(1, -1).flatten(0, 2)
    label = torch.multinomial(probability, 1, generator=random)[:, 0].reshape(chips, size, size)
    label[torch.rand(label.shape, generator=random) < 0.1] = -1
    return logits, label.numpy().astype(np.int8)


def sums_of(logits, label, block=None, temperature=1.0, batch=4):
    block = np.array(["a"] * len(label)) if block is None else block
    sums = CalibrationSums(block, CLASSES, temperature)
    for first in range(0, len(label), batch):
        part = np.arange(first, min(first + batch, len(label)))
        sums.add(part, logits[part], logits[part].argmax(dim=1).numpy().astype(np.uint8), label[part])
    return sums


def test_bins_hold_every_probability_including_one():
    assert bin_of(np.array([0.0, 0.5, 0.999, 1.0])).tolist() == [0, BINS // 2, BINS - 1, BINS - 1]


def test_sums_are_those_of_the_definitions():
    logits, label = planted(0)
    sums = sums_of(logits, label, temperature=1.7)
    scored = label >= 0
    probability = (logits.double() / 1.7).softmax(dim=1).movedim(1, -1).numpy()[scored]
    truth = np.eye(CLASSES)[label[scored]]
    totals = dict(zip(OVERALL, sums.overall.sum(axis=(0, 1)), strict=True))
    assert totals["count"] == scored.sum()
    assert totals["confidence_sum"] == pytest.approx(probability.max(axis=1).sum(), rel=1e-5)
    assert totals["correct"] == (probability.argmax(axis=1) == label[scored]).sum()
    assert totals["nll_sum"] == pytest.approx(-np.log((probability * truth).sum(axis=1)).sum(), rel=1e-5)
    assert totals["brier_sum"] == pytest.approx(((probability - truth) ** 2).sum(), rel=1e-5)
    count, mass, positives = sums.by_class.sum(axis=(0, 2)).T
    assert (count == scored.sum()).all()
    assert mass == pytest.approx(probability.sum(axis=0), rel=1e-5)
    assert positives.tolist() == truth.sum(axis=0).tolist()


def test_every_bin_holds_its_own_pixels():
    logits, label = planted(1)
    sums = sums_of(logits, label)
    scored = label >= 0
    probability = logits.softmax(dim=1).movedim(1, -1).numpy()[scored]
    for code in range(CLASSES):
        index = np.minimum((probability[:, code] * np.float64(BINS)).astype(int), BINS - 1)
        assert sums.by_class[0, code, :, 0].tolist() == np.bincount(index, minlength=BINS).tolist()
        hits = np.bincount(index, label[scored] == code, minlength=BINS)
        assert sums.by_class[0, code, :, 2].tolist() == hits.tolist()


def test_blocks_are_told_apart_and_batches_do_not_matter():
    logits, label = planted(2)
    label[3:] = np.where(np.arange(label[0].size).reshape(label[0].shape) < 5, label[3:], -1)
    block = np.array(["b", "a", "b", "c", "c", "c"])
    sums = sums_of(logits, label, block)
    assert sums.blocks.tolist() == ["a", "b", "c"]
    expected = [(label[block == name] >= 0).sum() for name in "abc"]
    assert sums.overall[:, :, 0].sum(axis=1).tolist() == expected
    alone = sums_of(logits, label, block, batch=1)
    np.testing.assert_allclose(sums.overall, alone.overall, rtol=1e-5)
    np.testing.assert_allclose(sums.by_class, alone.by_class, rtol=1e-5)


def test_nothing_scored_is_nothing_counted():
    logits, label = planted(3)
    sums = sums_of(logits, np.full_like(label, -1))
    assert sums.overall.sum() == sums.by_class.sum() == 0
    assert sums.class_table(range(CLASSES)).empty


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), temperature=st.floats(0.05, 20.0))
def test_scaling_never_changes_which_pixels_are_right(seed, temperature):
    logits, label = planted(seed, chips=2, size=8)
    before, after = sums_of(logits, label), sums_of(logits, label, temperature=temperature)
    for column in ("count", "correct"):
        place = OVERALL.index(column)
        assert before.overall[..., place].sum() == after.overall[..., place].sum()
    assert (before.by_class[..., 2].sum(axis=2) == after.by_class[..., 2].sum(axis=2)).all()


def test_tables_have_every_bin_overall_and_no_empty_one_by_class():
    logits, label = planted(4)
    sums = sums_of(logits, label, np.array(["a", "b"] * 3))
    overall, classes = sums.overall_table(), sums.class_table((10, 20, 30, 80))
    assert list(overall) == ["block", "bin", *OVERALL] and len(overall) == 2 * BINS
    assert list(classes) == ["block", "class", "bin", *BY_CLASS]
    assert set(classes["class"]) == {10, 20, 30, 80} and (classes["count"] > 0).all()
    assert overall["count"].dtype == overall["correct"].dtype == classes["positives"].dtype == np.int64


def fitted(monkeypatch, logits, label):
    def maps(method, table, products, indices, change):
        for first in range(0, len(indices), 4):
            part = indices[first : first + 4]
            yield part, logits[part]

    class Table(SimpleNamespace):
        def __len__(self):
            return len(self.label)

        def having(self, products):
            return np.arange(len(self.label))

    monkeypatch.setattr(module, "logits_of", maps)
    return fit_temperature(None, Table(label=label), frozenset())


@pytest.mark.parametrize("planted_temperature", [0.3, 4.0])
def test_a_planted_temperature_is_recovered(monkeypatch, planted_temperature):
    logits, label = planted(0, chips=12)
    found = fitted(monkeypatch, logits * planted_temperature, label)
    assert found == pytest.approx(planted_temperature, rel=0.05)
    assert found == fitted(monkeypatch, logits * planted_temperature, label)


def test_pixels_that_are_not_scored_do_not_count(monkeypatch):
    logits, label = planted(1, chips=8)
    spoiled = logits.clone()
    spoiled.movedim(1, -1)[torch.from_numpy(label < 0)] = 1e4
    assert fitted(monkeypatch, spoiled, label) == fitted(monkeypatch, logits, label)
    with pytest.raises(UserError, match="no pixel of the validation chips is scored"):
        fitted(monkeypatch, logits, np.full_like(label, -1))


@pytest.mark.parametrize("wrong", [False, True])
def test_a_map_without_or_with_errors_only_has_a_finite_temperature(monkeypatch, wrong):
    """The likelihood then has no maximum: it goes on rising as the temperature falls or rises."""
    logits, _ = planted(2, chips=4)
    label = logits.argmin(dim=1) if wrong else logits.argmax(dim=1)
    found = fitted(monkeypatch, logits, label.numpy().astype(np.int8))
    assert np.isfinite(found) and (found > 10 if wrong else 0 < found < 0.5)


def test_no_more_chips_and_pixels_than_said(monkeypatch):
    logits, label = planted(3, chips=3 * CHIPS, size=2)
    seen = []
    monkeypatch.setattr(module, "fit_log_temperature", lambda x, y: seen.append(x.shape) or torch.zeros(()))
    label[:] = 0
    assert fitted(monkeypatch, logits, label) == 1.0
    large, wide = planted(4, chips=2, size=48)
    fitted(monkeypatch, large, np.zeros_like(wide))
    assert seen == [(CHIPS * 4, 4), (2 * PIXELS_PER_CHIP, 4)]


@settings(max_examples=50)
@given(count=st.integers(0, 5000), most=st.integers(1, 600))
def test_evenly_spaced_indices_are_distinct_and_span_all(count, most):
    found = evenly_spaced(count, most)
    assert len(found) == min(count, most)
    assert not count or most == 1 or (found[0], found[-1]) == (0, count - 1)
    assert (np.diff(found) > 0).all()
