"""The ledger of trials and the choice."""

import json

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband import config
from anyband.config import document
from anyband.runtime import UserError
from anyband.tuning.trials import COLUMNS, best_preset, choose, format_ledger, read_ledger

SCORES = {"pixel": [0.2, 0.4, 0.4], "random-forest": [0.3, 0.1, 0.2]}


def write_trial(folder, method, trial, scores, options=None):
    here = folder / method / f"trial-{trial}"
    here.mkdir(parents=True)
    made = {
        "model": method,
        "options": options or {},
        "training": {"learning_rate": 0.001 * (trial + 1), "weight_decay": 0.01, "steps": 20},
    }
    (here / "settings.json").write_text(json.dumps(made))
    rows = [f"{step},0.5,{'' if score is None else score},{step * 1.5}" for step, score in enumerate(scores, 1)]
    (here / "history.csv").write_text("\n".join(["step,loss,val_miou,seconds", *rows]) + "\n")
    return here


@pytest.fixture
def folder(tmp_path):
    for method, scores in SCORES.items():
        for trial, score in enumerate(scores):
            options = {"trees": 64, "levels": 10} if (method, trial) == ("random-forest", 0) else None
            write_trial(tmp_path, method, trial, [0.9, None, score], options)
    return tmp_path


def ledger_of(folder):
    return read_ledger(folder, SCORES, 3)


def test_a_row_per_trial_with_the_score_of_the_finished_training(folder):
    """Not the best score on the way: nothing stops there, so the comparison would never see those weights."""
    ledger = ledger_of(folder)
    assert list(ledger.columns) == COLUMNS
    assert list(zip(ledger["method"], ledger["trial"], strict=True)) == [(m, t) for m in SCORES for t in range(3)]
    assert ledger["validation_miou"].tolist() == [score for scores in SCORES.values() for score in scores]
    assert ledger["seconds"].tolist() == [4.5] * 6
    assert ledger["options"].tolist()[3] == '{"levels": 10, "trees": 64}'


def test_of_equal_scores_the_first_is_chosen(folder):
    ledger = ledger_of(folder)
    chosen = ledger[ledger["chosen"]]
    assert list(zip(chosen["method"], chosen["trial"], strict=True)) == [("pixel", 1), ("random-forest", 0)]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 3))), min_size=1))
def test_one_trial_of_every_method_is_chosen_and_none_is_better(rows):
    trials = pd.DataFrame(
        [{"method": m, "trial": t, "validation_miou": None if v is None else v / 3} for t, (m, v) in enumerate(rows)]
    ).astype({"validation_miou": float})
    for _, group in choose(trials).groupby("method"):
        assert group["chosen"].sum() == 1
        best = group[group["chosen"]].iloc[0]
        scores = group["validation_miou"].fillna(-1.0)
        value = -1.0 if pd.isna(best["validation_miou"]) else best["validation_miou"]
        assert value == scores.max()
        assert best["trial"] == group.loc[scores == value, "trial"].min()


def test_settings_that_a_method_does_not_use_stay_empty(folder):
    ledger = ledger_of(folder).set_index("method")
    assert ledger.loc["random-forest", ["learning_rate", "weight_decay"]].isna().all(axis=None)
    assert ledger.loc["pixel", "learning_rate"].tolist() == [0.001, 0.002, 0.003]


def test_the_preset_makes_the_comparison_train_what_was_chosen(folder):
    preset = yaml.safe_load(best_preset(ledger_of(folder), "main", folder / "best.yaml"))
    loaded = config.load(config.merge(yaml.safe_load(document.documented_yaml()), preset))
    pixel, forest = loaded.run("main", "pixel"), loaded.run("main", "random-forest")
    assert (pixel.training.learning_rate, pixel.training.weight_decay) == (0.002, 0.01)
    assert forest.method.options == {"levels": 10, "trees": 64}
    assert preset["methods"].keys() == {"pixel", "random-forest"}
    assert "learning_rate" not in preset["methods"]["random-forest"]


@pytest.mark.parametrize(("file", "content"), [("settings.json", "{}"), ("history.csv", None), ("history.csv", "")])
def test_a_missing_or_broken_trial_is_one_line_and_no_shorter_ledger(folder, file, content):
    path = folder / "pixel/trial-2" / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=r"pixel/trial-2 has no finished trial .*: run `snakemake tuning`"):
        ledger_of(folder)


def test_the_table_marks_the_chosen(folder):
    lines = format_ledger(ledger_of(folder)).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("*")] == ["pixel", "random-forest"]
    assert lines[2].split() == ["pixel", "1", "0.002", "0.01", "-", "0.4000", "4", "*"]
    assert "levels 10, trees 64" in lines[4]
