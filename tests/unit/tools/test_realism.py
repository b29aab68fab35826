"""Figures of the archive's realism."""

import numpy as np
import pytest

from anyband.archive.place import simulate_place
from anyband.config import Simulation
from anyband.runtime import UserError
from anyband.simulation.places import load_places
from anyband.simulation.realism_sums import moments
from tools.realism import BEGIN, END, insert, read_pairs, relation, report


def test_realism_report_covers_every_section(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.realism.EXTENT_M", 960)
    simulate_place(load_places()[0], Simulation(), tmp_path / "aspen", 960)
    text = report(tmp_path)
    for heading in ("Spectra", "Level 2", "HLS", "Levels", "Sky"):
        assert f"### {heading}" in text
    assert "nan" not in text
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert insert(insert(document, "x"), "y") == f"before\n{BEGIN}\n\ny\n\n{END}\nafter\n"


def test_relation_of_pooled_moments_is_that_of_the_pooled_samples():
    rng = np.random.default_rng(0)
    x = rng.random(500).astype(np.float32)
    y = (0.9 * x + 0.01 + 0.02 * rng.standard_normal(500)).astype(np.float32)
    found = relation([moments(x[:200], y[:200]), moments(x[200:], y[200:])])
    assert found["slope"] == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-3)
    assert found["r"] == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((y - x) ** 2)), rel=1e-3)


def test_archive_without_places_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="simulate"):
        read_pairs(tmp_path)
    with pytest.raises(UserError, match="markers"):
        insert("no markers", "text")
