from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from anyband.config import MethodSettings, Run, Training
from anyband.evaluation.inference import validation_score
from anyband.models.baselines.prediction_fusion import PredictionFusion
from anyband.models.core.storage import load
from anyband.models.proposed.anyband import AnyBand
from anyband.training import loop
from anyband.training.train_run import train_run
from small_split import CLASSES, SMALL


def settings(model: str = "anyband", steps: int = 4) -> Run:
    training = Training(steps=steps, batch=2, crop_m=240, validations=1)
    options = {} if model == "pixel" else SMALL
    return Run(name="mine", method=MethodSettings(model=model, options=options), training=training, classes=CLASSES)


def train(dataset, out: Path, run: Run, seed: int = 0, score=lambda *_: 0.0) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    train_run(run, seed, *dataset, out, score)
    return load(out)[1].state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(dataset, tmp_path):
    """Whether validation is looked at or not."""
    watched = train(dataset, tmp_path / "watched", settings(steps=2), score=validation_score)
    blind, other = (train(dataset, tmp_path / str(seed), settings(steps=2), seed) for seed in (0, 1))
    assert equal(watched, blind)
    assert not equal(blind, other)


def test_a_killed_run_goes_on_to_the_same_weights(dataset, tmp_path, monkeypatch):
    whole = train(dataset, tmp_path / "whole", settings(steps=6))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    real, calls = AnyBand.loss, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(AnyBand, "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, tmp_path / "killed", settings(steps=6))
    assert (tmp_path / "killed" / loop.CHECKPOINT).is_file()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    calls[:] = [1] * 10
    resumed = train(dataset, tmp_path / "killed", settings(steps=6))
    assert len(calls) == 13, "three steps were left to do"
    assert equal(whole, resumed)
    assert not (tmp_path / "killed" / loop.CHECKPOINT).exists()
    rows = [pd.read_csv(tmp_path / name / "history.csv")[["step", "loss"]] for name in ("whole", "killed")]
    pd.testing.assert_frame_equal(*rows)


@pytest.mark.parametrize("spoil", ["settings", "bytes"])
def test_a_state_of_other_settings_or_a_damaged_one_is_ignored(tmp_path, spoil):
    method = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(method.parameters())
    loop._save(tmp_path, loop.run_identity({"steps": 1}), method, optimizer, loop.Progress(3), loop.ALONE)
    assert loop._resume(tmp_path, loop.run_identity({"steps": 1}), method, optimizer).step == 3
    if spoil == "bytes":
        (tmp_path / loop.CHECKPOINT).write_bytes(b"cut off")
    wanted = loop.run_identity({"steps": 1 if spoil == "bytes" else 2})
    assert loop._resume(tmp_path, wanted, method, optimizer).step == 0


def test_a_method_learns(dataset, tmp_path):
    train(dataset, tmp_path, settings("pixel", steps=120), score=validation_score)
    history = pd.read_csv(tmp_path / "history.csv")
    assert list(history.columns) == ["step", "loss", "val_miou", "seconds"]
    assert history["loss"].iloc[-1] < 0.8 * history["loss"].iloc[0]
    assert history["step"].iloc[-1] == 120
    assert history["val_miou"].iloc[-1] > 0.5


def test_the_learning_rate_rises_once_and_falls_to_zero():
    rates = [loop.one_cycle(share) for share in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) <= 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_a_method_reads_the_products_it_trains_on(dataset, tmp_path):
    train(dataset, tmp_path, settings("hls-unified", steps=1), score=validation_score)
    recipe, method = load(tmp_path)
    assert {band["product"] for band in recipe.statistics["bands"]} == {"hls_s30", "hls_l30"}
    assert np.isfinite(pd.read_csv(tmp_path / "history.csv")["val_miou"].iloc[-1])
    assert not method.usable(frozenset({"sentinel2"}))


def test_a_method_of_two_specialists_trains_both_and_calibrates_once(dataset, tmp_path, monkeypatch):
    calls: list[tuple[bool, int]] = []
    real = PredictionFusion.calibrate

    def note(self, batches):
        chips = list(batches)
        calls.append((self.training, sum(len(labels) for *_, labels in chips)))
        real(self, chips)

    monkeypatch.setattr(PredictionFusion, "calibrate", note)
    trained = train(dataset, tmp_path, settings("prediction-fusion", steps=2))
    assert calls == [(False, 6)], "once, in evaluation mode, with all validation chips"
    assert (trained["log_temperature"] != 0).all()
    torch.manual_seed(0)
    fresh = load(tmp_path)[0].build().state_dict()
    for part in ("specialists.0.", "specialists.1."):
        assert any(not torch.equal(fresh[name], trained[name]) for name in fresh if name.startswith(part))


def test_a_method_without_gradients_is_fitted_on_the_batches_of_all_steps(dataset, tmp_path, monkeypatch):
    seen: dict[str, list[torch.Tensor]] = {"pixel": [], "random-forest": []}
    real = loop.training_batch
    for model, log in seen.items():

        def note(*arguments, log=log):
            batch = real(*arguments)
            log.append(batch[0].groups[0].values)
            return batch

        monkeypatch.setattr(loop, "training_batch", note)
        run = settings(model, steps=20)
        if model == "random-forest":
            run = run.model_copy(update={"method": MethodSettings(model=model, options={"trees": 10, "leaves": 64})})
        train(dataset, tmp_path / model, run, score=validation_score)
    forest = seen["random-forest"][:20]
    assert all(torch.equal(one, other) for one, other in zip(seen["pixel"], forest, strict=True))
    history = pd.read_csv(tmp_path / "random-forest" / "history.csv")
    assert list(history["step"]) == [20]
    assert history["val_miou"].iloc[-1] > 0.5
    assert np.isfinite(history["loss"]).all()
