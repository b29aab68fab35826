"""What methods say of themselves is known without torch, and is what their classes have."""

import re

import pytest

from anyband import methods
from anyband.methods import MODELS, PRETRAINED, PRETRAINING, card, cards, labels
from anyband.models.core.storage import model_class
from anyband.report.export import bibtex
from anyband.runtime import UserError


@pytest.mark.parametrize("model", MODELS)
def test_a_card_says_what_the_class_has(model):
    own, kind = card(model), model_class(model)
    for fact, value in vars(own).items():
        assert getattr(kind, fact, None) == value, fact
    assert own.label and (own.colours is None) == (own.marker is None)


@pytest.mark.parametrize("model", MODELS)
def test_every_method_has_its_source_in_the_references_of_a_report(model):
    cite = card(model).cite
    key = re.search(r"@\w+\{([^,]+),", cite)[1] if "@" in cite else cite
    assert f"{{{key}," in bibtex([model], "0", None)


def test_roles_are_what_the_comparison_takes_them_for():
    roles = {
        role: {m for m, own in cards().items() if own.role == role} for role in ("proposed", "floor", "specialist")
    }
    assert roles["proposed"] == {"anyband"}
    assert roles["floor"] == {"pixel", "analytic", "random-forest", "texture-forest"}
    assert roles["specialist"] == {"s2-only", "l9-only", "sensor-only"}


def test_entries_of_another_name_have_their_label_and_no_two_are_alike():
    assert labels()["broad-only"] == "Broadband specialist" and labels()["anyband"] == "anyband"
    assert len(set(labels().values())) == len(labels())


def test_what_can_be_pretrained_is_a_model_and_what_does_it_is_none():
    assert set(PRETRAINED) <= set(MODELS) and set(PRETRAINED.values()) == set(PRETRAINING)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('class Other:\n    label = "a"\n', "has no class Mine"),
        ('class Mine:\n    role = "floor"\n', "Mine in .* has no label"),
        ('class Mine:\n    label = "a"\n    role = "best"\n', "role 'best' is none of proposed, baseline"),
        ('class Mine:\n    label = "a" + str(1)\n    role = "floor"\n', "label of Mine in .* must be written out"),
        (None, "no module own_method, which methods.MODELS names"),
    ],
)
def test_a_method_that_says_too_little_is_one_clear_line(text, message, tmp_path, monkeypatch):
    if text:
        (tmp_path / "own_method.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(methods.MODELS, f"mine-{message[:9]}", "own_method:Mine")
    with pytest.raises(UserError, match=message):
        card(f"mine-{message[:9]}")
