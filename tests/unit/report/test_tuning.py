"""The ledger of tuning on the page: who had how many trials, and whether the run uses what they chose."""

import pandas as pd
import pytest

from anyband.report import formatting as form
from anyband.report.topics import cost_and_tuning
from unit.report.fabricated import entry_of, fabricate_config

COLUMNS = ["method", "trial", "learning_rate", "weight_decay", "options", "validation_miou", "seconds", "chosen"]
ROWS = [
    ("hls-unified", 0, 0.005, 0.01, "{}", 0.40, 10.0, False),
    ("hls-unified", 1, 0.008, 0.02, '{"red_edge": true}', 0.45, 20.0, True),
    ("anyband", 0, 0.005, 0.01, "{}", 0.50, 30.0, True),
    ("anyband", 1, 0.002, 0.05, "{}", 0.44, 40.0, False),
    ("random-forest", 0, None, None, "{}", 0.20, 1.0, True),
    ("random-forest", 1, None, None, '{"trees": 64}', 0.10, 1.5, False),
]
LABELS = {"hls-unified": "HLS unified", "anyband": "anyband", "random-forest": "Random forest"}
DESIGN = {"methods": [*LABELS, "majority"], "labels": LABELS}


@pytest.fixture
def ledger():
    return pd.DataFrame(ROWS, columns=COLUMNS)


def config(**changed):
    base = fabricate_config(methods=list(LABELS))
    entry = base.methods["hls-unified"].model_copy(update=changed)
    return base.model_copy(update={"methods": base.methods | {"hls-unified": entry}})


def row(table, name):
    return table.frame().set_index("Method").loc[name]


def test_each_method_shows_what_was_tried_and_chosen(ledger):
    table = cost_and_tuning.tuning_table(entry_of(DESIGN, config()), ledger)
    shown = row(table, "HLS unified")
    assert shown["Trials"] == "2"
    assert shown["Learning rates tried"] == "0.005 to 0.008" and shown["Weight decays tried"] == "0.01 to 0.02"
    assert shown["Options tried"] == "red_edge: default, true"
    assert (shown["Best validation mIoU"], shown["Time"]) == ("45.0 [40.0, 45.0]", "30 s")
    assert shown["Chosen"] == "rate 0.008, decay 0.02, red_edge true"
    forest = row(table, "Random forest")
    assert forest["Learning rates tried"] == form.DASH and forest["Chosen"] == "no settings"


def test_a_run_with_other_settings_than_the_chosen_ones_says_so(ledger):
    chosen = {"learning_rate": 0.008, "weight_decay": 0.02, "options": {"red_edge": True}}
    assert cost_and_tuning.tuning_table(entry_of(DESIGN, config(**chosen)), ledger).notes == []
    for changed in ({"learning_rate": 0.009}, {"weight_decay": None}, {"options": {}}):
        notes = cost_and_tuning.tuning_table(entry_of(DESIGN, config(**chosen | changed)), ledger).notes
        assert notes == ["In this run other settings than the chosen ones are used by HLS unified."]


def test_unequal_numbers_of_trials_are_not_called_fair(ledger):
    entry = entry_of(DESIGN)
    assert "had the same number of tuning trials (2 trials)" in cost_and_tuning.fairness(entry, ledger)
    text = cost_and_tuning.fairness(entry, ledger.iloc[1:])
    assert text.endswith("the same number of tuning trials: HLS unified 1, anyband 2 and Random forest 2.")
    missing = cost_and_tuning.fairness(entry, ledger[ledger["method"] != "random-forest"])
    assert "Random forest 0" in missing
    assert cost_and_tuning.fairness(entry, None) == "Not tuned; settings as in the config."


def test_a_ledger_of_the_run_comes_before_the_frozen_one(tmp_path, monkeypatch, ledger):
    monkeypatch.setattr(cost_and_tuning, "FROZEN", tmp_path / "docs")
    assert cost_and_tuning.read_ledger(entry_of(DESIGN, results=tmp_path)) is None
    (tmp_path / "docs").mkdir()
    ledger.iloc[:2].to_csv(tmp_path / "docs/main.csv", index=False)
    assert len(cost_and_tuning.read_ledger(entry_of(DESIGN, results=tmp_path))) == 2
    (tmp_path / "tuning/main").mkdir(parents=True)
    ledger.to_csv(tmp_path / "tuning/main/ledger.csv", index=False)
    found = cost_and_tuning.read_ledger(entry_of(DESIGN, results=tmp_path))
    assert cost_and_tuning.trials(found) == {"hls-unified": 2, "anyband": 2, "random-forest": 2}
    assert found["chosen"].sum() == 3
