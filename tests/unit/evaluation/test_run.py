import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from anyband.chips.dataset import load_split
from anyband.conditions import CONDITIONS
from anyband.config import MethodSettings, Run, Training
from anyband.evaluation import evaluate_run as module
from anyband.evaluation.evaluate_run import evaluate_run, multiply_accumulates_per_km2, parameters
from anyband.models.core.storage import build, load
from anyband.runtime import UserError
from anyband.training.train_run import train_run
from small_split import CLASSES, SMALL

EXTRA = ("BB", "NB", "HS")  # of products that these chips do not have
ALL = tuple(key for key in CONDITIONS if key not in EXTRA)
FILES = (
    "confusion.csv", "calibration.csv", "class_calibration.csv", "image_scores.csv", "cost.json", "predictions.npz",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(dataset, tmp_path_factory) -> dict[str, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    training = Training(steps=1, batch=1, crop_m=240, validations=1)
    for name in ("anyband", "s2-only", "hls-unified"):
        settings = Run(name=name, method=MethodSettings(model=name, options=SMALL), training=training, classes=CLASSES)
        train_run(settings, 3, *dataset, folder / name, lambda method, table: 0.0)
        if name != "s2-only":
            evaluate_run(folder / name, *dataset, ALL)
    return {name: folder / name for name in ("anyband", "s2-only", "hls-unified")}


def test_a_run_gets_all_its_tables(dataset, runs):
    assert all((runs["anyband"] / file).is_file() for file in FILES)
    table = load_split(*dataset, "test", ["sentinel2"], CLASSES)
    confusion = pd.read_csv(runs["anyband"] / "confusion.csv")
    assert list(confusion) == ["method", "seed", "condition", "block", "reference", "prediction", "count"]
    assert list(confusion["condition"].unique()) == list(ALL)
    assert set(confusion["reference"]) == set(CLASSES)
    assert set(confusion["seed"]) == {3}
    scored = int((table.label >= 0).sum())
    assert (confusion.groupby("condition")["count"].sum() == scored).all()
    calibration = pd.read_csv(runs["anyband"] / "calibration.csv")
    looks = ["condition", "scaled"]
    assert (calibration.groupby(looks)["count"].sum() == scored).all()
    assert len(calibration[looks].drop_duplicates()) == 2 * len(ALL)
    assert set(calibration.loc[calibration["scaled"] == 0, "temperature"]) == {1.0}
    hits = calibration.groupby(looks)["correct"].sum().unstack()
    assert (hits[0] == hits[1]).all()  # the same maps
    classes = pd.read_csv(runs["anyband"] / "class_calibration.csv")
    assert set(classes["class"]) == set(CLASSES)
    assert (classes.groupby([*looks, "class"])["count"].sum() == scored).all()
    assert (classes.groupby(looks)["positives"].sum() == scored).all()
    assert classes.groupby(looks)["probability_sum"].sum().to_numpy() == pytest.approx(scored, rel=1e-3)
    cost = json.loads((runs["anyband"] / "cost.json").read_text())
    wanted = ["parameters", "trainable_parameters", "macs_per_km2", "train_seconds", "inference_km2_per_s"]
    assert sorted(cost) == sorted([*wanted, "peak_memory_mb", "endpoint_conditions", "trained_on"])
    assert cost.pop("trained_on") == ["landsat", "sentinel2"]
    assert cost.pop("endpoint_conditions") == ["S2", "L9", "S2+L9"]
    assert all(value >= 0 for value in cost.values())
    assert pd.read_csv(runs["anyband"] / "image_scores.csv").empty


def test_the_twins_are_scored_on_the_pixels_of_the_primary_conditions(runs):
    cost = json.loads((runs["hls-unified"] / "cost.json").read_text())
    assert cost["endpoint_conditions"] == ["S30", "L30", "S30+L30"]
    twins, primary = (pd.read_csv(runs[name] / "confusion.csv") for name in ("hls-unified", "anyband"))
    assert list(twins["condition"].unique()) == cost["endpoint_conditions"]
    reference = pd.concat([twins, primary]).groupby(["method", "condition", "block", "reference"])["count"].sum()
    assert (reference.unstack(["method", "condition"]).nunique(axis=1) == 1).all()


def test_frozen_weights_are_counted_but_not_as_trainable(runs):
    _, method = load(runs["s2-only"])
    everything = parameters(method)
    frozen = sum(p.numel() for p in method.trunk.requires_grad_(False).parameters())
    assert parameters(method, trainable=True) == everything - frozen < parameters(method) == everything


def test_stored_maps_agree_with_the_confusion_table(dataset, runs):
    stored = np.load(runs["anyband"] / "predictions.npz")
    table = load_split(*dataset, "test", ["sentinel2"], CLASSES)
    assert stored["chip"].tolist() == table.chip.tolist()
    assert stored["S2+L9"].dtype == np.uint8
    hits = (stored["S2+L9"] == np.asarray(table.classes)[table.label]) & (table.label >= 0)
    confusion = pd.read_csv(runs["anyband"] / "confusion.csv")
    right = (confusion["condition"] == "S2+L9") & (confusion["reference"] == confusion["prediction"])
    assert hits.sum() == confusion.loc[right, "count"].sum()


def test_a_specialist_answers_where_its_sensor_is_and_computes_once(dataset, runs, monkeypatch):
    calls = []
    real = module.score_maps
    monkeypatch.setattr(module, "score_maps", lambda *given: calls.append(given[2].products) or real(*given))
    evaluate_run(runs["s2-only"], *dataset, ALL)
    confusion = pd.read_csv(runs["s2-only"] / "confusion.csv")
    assert list(confusion["condition"].unique()) == ["S2", "S2+L9"]
    assert calls == [frozenset({"sentinel2"})]
    counts = [confusion.loc[confusion["condition"] == key, "count"].to_numpy() for key in ("S2", "S2+L9")]
    assert np.array_equal(*counts)
    stamp = (runs["s2-only"] / "confusion.csv").stat().st_mtime_ns
    evaluate_run(runs["s2-only"], *dataset, ALL)
    assert (runs["s2-only"] / "confusion.csv").stat().st_mtime_ns == stamp, "evaluating again writes nothing new"


def test_cost_of_a_method_that_has_only_changed_inputs_is_that_of_what_it_sees(dataset, runs, tmp_path):
    """Counted on the unchanged observation, there is no band that it reads: nothing would be counted, or an error."""
    folder = shutil.copytree(runs["s2-only"], tmp_path / "s2-only")
    evaluate_run(folder, *dataset, ("L9", "L9/as-S2"))
    assert set(pd.read_csv(folder / "confusion.csv")["condition"]) == {"L9/as-S2"}
    mapped = json.loads((folder / "cost.json").read_text())["macs_per_km2"]
    evaluate_run(folder, *dataset, ("S2",))
    assert mapped == pytest.approx(json.loads((folder / "cost.json").read_text())["macs_per_km2"], rel=0.05)


def test_disturbed_inputs_have_no_temperature(dataset, runs, tmp_path):
    folder = shutil.copytree(runs["s2-only"], tmp_path / "s2-only")
    evaluate_run(folder, *dataset, ("S2", "S2/gsd-60", "S2+L9/cloudy-50@L9"))
    table = pd.read_csv(folder / "calibration.csv")
    # The last one is the same view as S2, but it is not what a temperature was asked for.
    assert set(table.loc[table["scaled"] == 1, "condition"]) == {"S2"}
    assert set(table.loc[table["scaled"] == 0, "condition"]) == {"S2", "S2/gsd-60", "S2+L9/cloudy-50@L9"}
    assert set(pd.read_csv(folder / "class_calibration.csv")["condition"]) == {"S2"}
    evaluate_run(folder, *dataset, ("S2/gsd-60",))
    assert set(pd.read_csv(folder / "calibration.csv")["scaled"]) == {0}
    assert pd.read_csv(folder / "class_calibration.csv").empty


def test_test_chips_never_influence_the_temperature(dataset, runs, monkeypatch, tmp_path):
    """Other labels on the test chips: the scores change, the temperature does not."""
    temperatures, counts = [], []
    for turned in (False, True):
        folder = shutil.copytree(runs["s2-only"], tmp_path / f"s2-only-{turned}")

        def with_labels(chips, splits, split, *rest, turned=turned):
            table = load_split(chips, splits, split, *rest)
            other = np.where(table.label >= 0, (table.label + 1) % len(CLASSES), -1).astype(table.label.dtype)
            return replace(table, label=other) if turned and split == "test" else table

        monkeypatch.setattr(module, "load_split", with_labels)
        evaluate_run(folder, *dataset, ("S2",))
        table = pd.read_csv(folder / "calibration.csv")
        temperatures.append(table.loc[table["scaled"] == 1, "temperature"].unique().tolist())
        counts.append(table["correct"].sum())
    assert temperatures[0] == temperatures[1] and len(temperatures[0]) == 1
    assert counts[0] != counts[1]


def test_nothing_to_answer_is_one_clear_line(dataset, runs):
    with pytest.raises(UserError, match="s2-only can make no map"):
        evaluate_run(runs["s2-only"], *dataset, ("L9", "L30"))


def test_multiply_accumulates_include_attention(dataset, runs):
    recipe, method = load(runs["s2-only"])
    table = load_split(*dataset, "test", ["sentinel2"], CLASSES)
    counts = []
    for depth in (1, 2):
        model = build("s2-only", SMALL | {"depth": depth}, method.statistics, 3).eval()
        counts.append(multiply_accumulates_per_km2(model, table, frozenset({"sentinel2"})))
    dim, cells = 16, 64
    block = cells * (4 + 2 * 2) * dim * dim + 2 * cells * cells * dim
    assert counts[1] - counts[0] == pytest.approx(block / 0.48**2, rel=1e-3)
    assert recipe.classes == tuple(sorted(CLASSES))
