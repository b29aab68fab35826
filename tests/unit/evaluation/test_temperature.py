"""One number from validation chips: it recovers what was planted, and looks at scored pixels only."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.evaluation import calibration_sums as module
from anyband.evaluation.calibration_sums import CHIPS, PIXELS_PER_CHIP, fit_temperature
from anyband.evaluation.inference import evenly_spaced
from anyband.runtime import UserError
from unit.evaluation.test_calibration import planted


def fitted(monkeypatch, logits, label):
    def maps(method, table, products, indices, change):
        for first in range(0, len(indices), 4):
            part = indices[first : first + 4]
            yield part, logits[part]

    class Table(SimpleNamespace):
        def __len__(self):
            return len(self.label)

    monkeypatch.setattr(module, "logits_of", maps)
    return fit_temperature(None, Table(label=label), frozenset())


@pytest.mark.parametrize("planted_temperature", [0.3, 1.0, 4.0])
def test_a_planted_temperature_is_recovered(monkeypatch, planted_temperature):
    logits, label = planted(0, chips=40)
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
