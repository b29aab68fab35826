"""Every condition of the preset, from end to end, with freshly made models on a made-up split."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from anyband.chips.dataset import load_split
from anyband.conditions import CONDITIONS, KINDS, parse
from anyband.config import Experiment
from anyband.evaluation.evaluate_run import evaluate_run, multiply_accumulates_per_km2, views
from anyband.evaluation.inference import logits_of
from anyband.evaluation.perturbations import other_date
from anyband.methods import MODELS
from anyband.models.core.method import UnsupportedInputError
from anyband.models.core.storage import Recipe, build, model_class, save, training_products
from anyband.training.band_moments import measure
from small_split import CLASSES, SMALL, fabricate_split

# What a fusion is asked for: it has no map for the second, and the others must change the first.
FELT = ("S2+L9", "S2+L9/drop-swir", *(f"S2+L9/{word}" for word in (
    "offset-30", "moved-30", "cloudy-50", "cloudy-50@S2", "late")))  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[Path, Path]:
    """Three test chips: two of one row, and the first of them again on a second date."""
    chips, splits = fabricate_split(tmp_path_factory.mktemp("robustness"), 18)
    rows = pd.read_csv(splits)
    rows[(rows["split"] != "test") | rows["chip"].str.contains("r0c[13]")].to_csv(splits, index=False)
    return chips, splits


@pytest.fixture(scope="module")
def preset(root) -> tuple[str, ...]:
    document = yaml.safe_load((root / "workflow/presets/robustness.yaml").read_text())
    return tuple(document["experiments"]["main"]["conditions"])


@pytest.fixture(scope="module")
def tables(dataset, preset, tmp_path_factory) -> dict[str, pd.DataFrame]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs")
    train = load_split(*dataset, "train", ["sentinel2", "landsat"], CLASSES)
    statistics = measure(train, ["sentinel2", "landsat"]).as_dict()
    found = {}
    for name in ("anyband", "s2-only", "input-fusion"):
        torch.manual_seed(0)
        recipe = Recipe(name, name, SMALL, tuple(sorted(CLASSES)), statistics, {}, 0)
        method = recipe.build()
        for parameter in method.parameters():  # fresh models start near 0: make every input matter
            torch.nn.init.normal_(parameter, std=0.3)
        directory = folder / name
        directory.mkdir()
        (directory / "history.csv").write_text("step,loss,val_miou,seconds\n1,1,0.1,1.0\n")
        save(directory, recipe, method)
        evaluate_run(directory, *dataset, FELT if name == "input-fusion" else preset)
        found[name] = pd.read_csv(directory / "confusion.csv")
        stored = np.load(directory / "predictions.npz")
        assert set(stored) - {"chip"} <= set(CONDITIONS)
    return found


def counts(table: pd.DataFrame, condition: str) -> list[int]:
    return table.loc[table["condition"] == condition, "count"].tolist()


def test_the_preset_has_the_default_conditions_and_every_kind(preset):
    assert list(preset[:6]) == Experiment().conditions
    assert {step.kind for key in preset for step in parse(key).steps} == set(KINDS) - {"same"}
    assert len(set(preset)) == len(preset)


def test_a_model_that_takes_anything_has_every_row_on_the_same_pixels(tables, preset):
    table = tables["anyband"]
    assert list(table["condition"].unique()) == list(preset)
    assert table.groupby("condition")["count"].sum().nunique() == 1
    reference = table.groupby(["condition", "block", "reference"])["count"].sum().unstack("condition")
    assert (reference.nunique(axis=1) == 1).all()
    # Without option `scene` it reads nothing of the acquisition as a whole, and a band that comes twice counts once.
    blind = {"S2+L9/scene-absent", "S2/duplicate-rgb-nir"}
    for key in preset:
        if "/" in key:
            assert (counts(table, key) == counts(table, key.split("/")[0])) == (key in blind), key


def test_a_fixed_stack_has_no_rows_without_its_bands_and_is_blind_to_what_it_does_not_read(tables, preset):
    table = tables["s2-only"]
    found = set(table["condition"])
    assert found >= {"S2", "S2/gsd-30", "S2/srf-wrong", "S2/duplicate-rgb-nir", "S2+L9/merged", "S2+L9/cloudy-50"}
    filled = {key for key in found if key.endswith("/as-S2")}
    assert not {key for key in found - filled if "drop" in key or "keep" in key or key.startswith("L")}
    assert filled == {key for key in preset if key.endswith("/as-S2")}, (
        "Landsat under the names of Sentinel-2, gaps filled"
    )
    blind = ("S2/srf-wrong", "S2/srf-absent", "S2/gsd-30-wrong", "S2+L9/cloudy-50", "S2+L9/late", "S2+L9/merged")
    for key in blind:
        same = "S2/gsd-30" if "gsd" in key else "S2"
        assert counts(table, key) == counts(table, same), key
    assert counts(table, "S2/gsd-30") != counts(table, "S2")


def test_a_fusion_feels_its_second_sensor(tables):
    table = tables["input-fusion"]
    for key in FELT[2:]:
        assert counts(table, key) != counts(table, "S2+L9"), key
    assert "S2+L9/drop-swir" not in set(table["condition"])


def test_doing_nothing_gives_the_same_view(dataset):
    statistics = measure(load_split(*dataset, "val", ["sentinel2", "landsat"], CLASSES), ["sentinel2", "landsat"])
    method = build("anyband", SMALL, statistics, 3)
    found = views(method, ("S2+L9", "S2+L9/same"))
    assert found["S2+L9"] == found["S2+L9/same"]
    table = load_split(*dataset, "test", ["sentinel2", "landsat"], CLASSES)
    assert found["S2+L9"].change(table) is None


def test_another_date_is_of_the_same_place(dataset):
    table = load_split(*dataset, "test", ["landsat"], CLASSES)
    first, second = (int(np.flatnonzero(table.chip == f"test-{date}-r0c1")[0]) for date in (0, 1))
    alone = int(np.flatnonzero(table.chip == "test-0-r0c3")[0])
    (group,), arrived = other_date(table, np.array([first, second, alone]), "landsat")
    assert arrived.tolist() == [True, True, False]
    (now,) = table.observation([second, first, alone], ["landsat"]).groups
    assert torch.equal(group.values, now.values)


# Bands that go or come twice, other pixel sizes, grids and descriptions, pixels that are not valid.
ONE_OF_EACH = (
    "S2/drop-random-50", "S2+L9/merged", "S2/duplicate-swir", "S2/gsd-30-absent", "L9/srf-wrong", "S2+L9/moved-60",
    "S2+L9/late@S2", "S2/as-L9", "L9/as-S2",
)  # fmt: skip


@cache
def measured(dataset, products):
    return measure(load_split(*dataset, "train", products, CLASSES), products)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_maps_a_disturbed_input_or_says_that_it_cannot(dataset, name):
    torch.set_num_threads(1)
    products = training_products(name, {})
    known = model_class(name).options_type.__dataclass_fields__
    options = {key: value for key, value in (SMALL | {"size": "ci"}).items() if key in known}
    method = build(name, options, measured(dataset, products), len(CLASSES)).eval()
    table = load_split(*dataset, "test", sorted(products | {"sentinel2", "landsat"}), CLASSES)
    for view in views(method, ONE_OF_EACH).values():
        try:
            (found,) = logits_of(method, table, view.products, np.array([0, 2]), view.change(table))
        except UnsupportedInputError:
            continue
        assert found[1].isfinite().all()
    # Layers with a parameter as input stopped the evaluation of three front ends when all maps were made.
    asking = [parameter.requires_grad for parameter in method.parameters()]
    assert multiply_accumulates_per_km2(method, table, products) > 0
    assert [parameter.requires_grad for parameter in method.parameters()] == asking
