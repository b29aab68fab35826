"""Leave-one-sensor-out: a product takes no part in training and may be asked for afterwards."""

import pandas as pd
import pytest
import torch

from anyband.config import MethodSettings, Run, Training
from anyband.evaluation.evaluate_run import evaluate_run
from anyband.evaluation.inference import validation_score
from anyband.models.core.storage import load, read_recipe, training_products
from anyband.runtime import UserError
from anyband.training.train_run import train_run
from small_split import CLASSES, SMALL

CONDITIONS = ("S2", "L9", "S2+L9")


def train(dataset, out, model: str):
    torch.set_num_threads(1)
    training = Training(steps=2, batch=1, crop_m=240, leave_out="landsat")
    run = Run(name=model, method=MethodSettings(model=model, options=SMALL), training=training, classes=CLASSES)
    train_run(run, 0, *dataset, out, validation_score)  # which it could not answer for the sensor it never saw
    evaluate_run(out, *dataset, CONDITIONS)
    return set(pd.read_csv(out / "confusion.csv")["condition"])


def test_a_model_of_any_sensor_answers_for_the_one_it_never_saw(dataset, tmp_path):
    assert train(dataset, tmp_path, "anyband") == set(CONDITIONS)
    assert {band["product"] for band in read_recipe(tmp_path).statistics["bands"]} == {"sentinel2"}
    assert load(tmp_path)[1].training_products == {"sentinel2"}


def test_a_fixed_stack_has_no_rows_for_it(dataset, tmp_path):
    assert train(dataset, tmp_path, "input-fusion") == {"S2", "S2+L9"}


def test_a_specialist_of_it_cannot_be_trained():
    with pytest.raises(UserError, match="'l9-only' cannot be trained without landsat"):
        training_products("l9-only", {}, "landsat")


def test_without_anything_left_out_it_trains_on_all():
    assert training_products("input-fusion", {}) == {"sentinel2", "landsat"}
    assert training_products("s2-only", {}, "landsat") == {"sentinel2"}
