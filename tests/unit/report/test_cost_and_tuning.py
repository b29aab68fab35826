"""What every method costs, how its settings were chosen, where the time went."""

import json

import pandas as pd
import pytest

from anyband.report import formatting as form
from anyband.report.topics import cost_and_tuning
from anyband.report.topics.cost_and_tuning import cost_table, read_benchmarks, training_memory
from anyband.statistics import run_tables
from unit.report.fabricated import entry_of, fabricate_config

CONTENT = {
    "parameters": 1000, "trainable_parameters": 1000, "macs_per_km2": 5, "train_seconds": 1.0,
    "inference_km2_per_s": 2, "peak_memory_mb": 3,
}  # fmt: skip
NAMES = {"anyband": "AnyBand", "satlas": "Satlas", "random-forest": "Random forest"}


def costs(method="satlas", **changed):
    entries = {"anyband": CONTENT, method: CONTENT | changed}
    return run_tables.cost({(name, seed): content for name, content in entries.items() for seed in (0, 1)})


def cost_of(table, memory=None, trials=None):
    general = table[["method"]].assign(role="baseline")
    return cost_table(entry_of({"labels": NAMES}, cost=table, general=general), memory or {}, trials or {})


def row_of(table, name):
    return table.frame().set_index("Method").loc[name]


def test_the_cost_table_says_what_a_method_started_from():
    table = costs(note="sentinel2: weights of s2.pth")
    assert table.set_index("method")["note"].to_dict() == {"anyband": "", "satlas": "sentinel2: weights of s2.pth"}
    assert "Satlas started from: sentinel2: weights of s2.pth." in cost_of(table).notes
    assert "note" not in costs()
    assert not any("started" in note for note in cost_of(costs()).notes)


def test_what_was_not_measured_is_a_dash_and_never_zero():
    forest = row_of(cost_of(costs("random-forest", macs_per_km2=0, trainable_parameters=0)), "Random forest")
    assert forest["MACs per km²"] == form.DASH
    assert forest["Trainable"] == "0"  # this one was counted
    assert forest["Memory, training"] == forest["Tuning trials"] == form.DASH


def test_memory_and_trials_stand_in_the_row_of_their_method():
    table = cost_of(costs(), {"satlas": 1210.4, "anyband": float("nan")}, {"satlas": 8, "anyband": 4})
    assert list(row_of(table, "Satlas")[["Memory, training", "Tuning trials"]]) == ["1210 MB", "8"]
    assert list(row_of(table, "AnyBand")[["Memory, training", "Tuning trials"]]) == [form.DASH, "4"]


def test_a_larger_rival_is_named():
    assert "Not within 5 % of the parameters of AnyBand: Satlas (+120 %)." in cost_of(costs(parameters=2200)).notes[0]
    assert "Every other method but the floors is within 5 %" in cost_of(costs(parameters=1040)).notes[0]
    assert not cost_of(costs("random-forest", parameters=9)).notes  # a floor


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


def test_each_method_shows_what_was_tried_and_chosen(ledger):
    table = cost_and_tuning.tuning_table(entry_of(DESIGN, config()), ledger)
    shown = row_of(table, "HLS unified")
    assert shown["Trials"] == "2"
    assert shown["Learning rates tried"] == "0.005 to 0.008" and shown["Weight decays tried"] == "0.01 to 0.02"
    assert shown["Options tried"] == "red_edge: default, true"
    assert (shown["Best validation mIoU"], shown["Time"]) == ("45.0 [40.0, 45.0]", "30 s")
    assert shown["Chosen"] == "rate 0.008, decay 0.02, red_edge true"
    forest = row_of(table, "Random forest")
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


CONFIG = fabricate_config(methods=["anyband", "pixel"])
FILES = {
    "train/main/anyband/seed-0": 1200.0,
    "train/main/anyband/seed-1": 1500.0,
    "train/main/pixel/seed-0": "NA",
    "train/main/satlas/seed-0": 9000.0,
    "train/rivals/anyband/seed-0": 8000.0,
    "evaluate/main/anyband/seed-0": 7000.0,
    "trial/main/anyband/trial-3": 7100.0,
    "compare/main": 100.0,
    "compare/rivals": 100.0,
    "extract/main/aspen": 310.0,
    "extract/other/aspen": 310.0,
    "split/main": 90.0,
}


@pytest.fixture
def benchmarks(tmp_path):
    for name, memory in FILES.items():
        path = tmp_path / f"benchmarks/{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"s": 1.0, "max_rss": memory}) + "\n")
    return tmp_path


def test_other_experiments_methods_and_datasets_do_not_count(benchmarks):
    table = read_benchmarks(benchmarks, CONFIG)
    once = ("evaluate", "trial", "compare", "extract", "split")
    assert table["rule"].value_counts().to_dict() == {"train": 3, **dict.fromkeys(once, 1)}
    assert set(table["name"]) == {"main"} and "satlas" not in set(table["method"])


def test_training_memory_is_the_largest_of_the_seeds(benchmarks):
    memory = training_memory(entry_of({"labels": {}}, CONFIG, benchmarks))
    assert memory["anyband"] == 1500
    assert memory["pixel"] != memory["pixel"]  # too short to be sampled: unknown, not 0
    assert "satlas" not in memory
