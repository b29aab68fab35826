import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from anyband.config import MethodSettings, Run, Training
from anyband.evaluation.evaluate_run import evaluate_run
from anyband.training.train_run import train_run
from small_split import CLASSES, SMALL


def trained(model: str, options: dict, dataset, folder: Path) -> Path:
    torch.set_num_threads(1)
    training = Training(steps=1, batch=1, crop_m=240, validations=1)
    settings = Run(name=model, method=MethodSettings(model=model, options=options), training=training, classes=CLASSES)
    train_run(settings, 3, *dataset, folder / model, lambda method, table: 0.0)
    return folder / model


def test_a_translation_is_scored_as_an_image_too(dataset, tmp_path):
    folder = trained("translation", SMALL | {"blocks": 1, "channels": 8}, dataset, tmp_path)
    evaluate_run(folder, *dataset, ("S2", "L9", "S2+L9"))
    scores = pd.read_csv(folder / "image_scores.csv").set_index("band")
    assert {"B02", "B8A", "B12", "all"} <= set(scores.index)
    assert np.isfinite(scores[["rmse", "psnr_db", "ssim", "ergas"]]).all().all()
    assert 0 < scores.loc["all", "sam_deg"] < 90
    assert list(pd.read_csv(folder / "confusion.csv")["condition"].unique()) == ["S2", "L9", "S2+L9"]
    evaluate_run(folder, *dataset, ("S2",))
    nothing = pd.read_csv(folder / "image_scores.csv")
    assert nothing.empty and list(nothing) == ["band", "rmse", "psnr_db", "ssim", "ergas", "sam_deg"]


def test_settings_say_what_a_published_network_started_from(dataset, tmp_path):
    folder = trained("satlas-full-size", {"size": "ci"}, dataset, tmp_path)
    note = json.loads((folder / "settings.json").read_text())["note"]
    assert note == "sentinel2: random weights; landsat: random weights"
    evaluate_run(folder, *dataset, ("L9",))
    assert json.loads((folder / "cost.json").read_text())["note"] == note
