"""Costs and image scores over the seeds of a run, what the evaluation says of the endpoint, and LaTeX that compiles."""

import pandas as pd
import pytest

from anyband.runtime import UserError
from anyband.statistics import run_tables
from anyband.statistics.comparison import latex_table


def costs(seconds):
    content = {"parameters": 10, "trainable_parameters": 8, "macs_per_km2": 5, "inference_km2_per_s": 2}
    return {
        ("anyband", seed): content | {"train_seconds": value, "peak_memory_mb": 3} for seed, value in enumerate(seconds)
    }


def test_one_slow_seed_does_not_decide_the_training_time():
    row = run_tables.cost(costs([10.0, 12.0, 500.0])).iloc[0]
    assert (row["train_seconds"], row["train_seconds_max"], row["seeds"]) == (12, 500, 3)
    assert (row["parameters"], row["trainable_parameters"]) == (10, 8)


def images(rmse):
    return pd.DataFrame(
        {"band": ["B02", "all"], "rmse": rmse, "psnr_db": 30.0, "ssim": 0.9, "ergas": 2.0, "sam_deg": 4}
    )


def test_image_scores_are_means_over_seeds_of_the_methods_that_translate(tmp_path):
    tables = {("pixel", 0): images([0, 0]).iloc[:0], ("translation", 0): images([0.1, 0.2])}
    tables[("translation", 1)] = images([0.3, 0.4])
    folders = {key: tmp_path / f"{key[0]}-{key[1]}" for key in tables}
    for key, folder in folders.items():
        folder.mkdir()
        tables[key].to_csv(folder / "image_scores.csv", index=False)
    frame = run_tables.image_scores(folders)
    assert set(frame["method"]) == {"translation"}
    assert frame.set_index("band")["rmse"].to_dict() == pytest.approx({"B02": 0.2, "all": 0.3})
    assert set(frame["seeds"]) == {2}
    assert run_tables.image_scores({("pixel", 0): folders["pixel", 0]}).empty


def test_an_endpoint_that_cannot_be_paired_is_one_clear_line():
    assert run_tables.own_endpoints({("a", 0): {}, ("b", 0): {"endpoint_conditions": ["S30", "L30", "S30+L30"]}}) == {
        "a": ["S2", "L9", "S2+L9"],
        "b": ["S30", "L30", "S30+L30"],
    }
    with pytest.raises(UserError, match="cost.json of b, seed 0: endpoint_conditions"):
        run_tables.own_endpoints({("b", 0): {"endpoint_conditions": ["S30"]}})


def test_special_characters_and_gaps():
    frame = pd.DataFrame({"name_of": ["a & b", "50 % {x}"], "value": [0.123456, float("nan")]})
    text = latex_table(frame, "Points ± 1 −2, p <0.001")
    assert r"a \& b & 0.1235 \\" in text
    assert r"50 \% \{x\} & -- \\" in text
    assert r"\caption{Points $\pm$ 1 $-$2, p $<$0.001}" in text
    assert r"\begin{tabular}{lr}" in text
    assert text.isascii()
