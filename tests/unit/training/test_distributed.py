"""Several processes, parts of a batch, a training told to stop: the result is that of one undisturbed run."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from anyband.config import MethodSettings, Run, Training
from anyband.evaluation.inference import validation_score
from anyband.methods import MODELS
from anyband.models.core.storage import load
from anyband.runtime import UserError
from anyband.training import distributed, loop
from anyband.training.train_run import train_run
from small_split import CLASSES, SMALL

STEP = """
import sys
import torch
from anyband.evaluation.inference import validation_score
from anyband.config import Run
from anyband.runtime import step_main
from anyband.training import loop
from anyband.training.train_run import train_run
from pathlib import Path
chips, splits, out, settings = sys.argv[1:]
torch.set_num_threads(1)
run = Run.model_validate_json(settings)
step_main(lambda: train_run(run, 0, Path(chips), Path(splits), Path(out), validation_score))
"""


def settings(model: str, steps: int = 4, **training) -> Run:
    loop_settings = Training(steps=steps, batch=4, crop_m=240, **training)
    options = {} if model == "pixel" else SMALL
    return Run(
        name="mine", method=MethodSettings(model=model, options=options), training=loop_settings, classes=CLASSES
    )


def train(dataset, out, run: Run) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    train_run(run, 0, *dataset, out, validation_score)
    return load(out)[1].state_dict()


def command(dataset, tmp_path, out, run: Run, launcher: tuple[str, ...] = ()) -> list[str]:
    script = tmp_path / "step.py"
    script.write_text(STEP)
    return [sys.executable, *launcher, str(script), *map(str, dataset), str(out), run.model_dump_json()]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


@pytest.mark.parametrize("model", ["feature-fusion", "s2-only"])
def test_two_processes_give_the_weights_of_one(dataset, tmp_path, model):
    """Batches lack a sensor now and then, so some layers of feature-fusion get no gradients in some steps.

    The weights differ by rounding alone. AdamW divides a gradient by its own size, so rounding of a gradient that is
    nearly nought is seen in the first steps: 1e-4 is a fiftieth of the learning rate, and 8 unlike samples give 1e-2.
    """
    run = settings(model, steps=6, learning_rate=0.005)
    alone = train(dataset, tmp_path / "alone", run)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    done = subprocess.run(
        command(dataset, tmp_path, tmp_path / "both", run, launcher), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    both = load(tmp_path / "both")[1].state_dict()
    assert furthest(alone, both) < 1e-4
    rows = [pd.read_csv(tmp_path / name / "history.csv") for name in ("alone", "both")]
    assert rows[1]["loss"].to_numpy() == pytest.approx(rows[0]["loss"].to_numpy(), abs=2e-5)
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == [
        "history.csv",
        "model.safetensors",
        "settings.json",
    ]


def test_parts_of_a_batch_give_the_weights_of_the_whole(dataset, tmp_path):
    """Parts of 3 and 1: every part counts by its scored pixels, not by its number."""
    whole = train(dataset, tmp_path / "whole", settings("s2-only", learning_rate=0.005))
    parts = train(dataset, tmp_path / "parts", settings("s2-only", learning_rate=0.005, micro_batch=3))
    assert 0 < furthest(whole, parts) < 1e-4


def test_processes_share_a_batch_without_gap_or_overlap():
    for batch, size, at_once in ((4, 1, None), (7, 3, None), (64, 8, 3), (5, 5, 1)):
        slices = [part for rank in range(size) for part in distributed.World(rank, size).parts(batch, at_once)]
        assert [number for part in slices for number in range(part.start, part.stop)] == list(range(batch))
        assert max(part.stop - part.start for part in slices) <= (at_once or batch)
    with pytest.raises(UserError, match=r"training\.batch is 2, fewer than the 4 processes"):
        distributed.World(0, 4).parts(2, None)


def test_a_training_told_to_stop_saves_says_one_line_and_resumes_to_the_same_bits(dataset, tmp_path):
    """A real process and a real SIGTERM, as a scheduler sends it at the time limit."""
    run = settings("pixel", steps=1000, validations=2)
    whole = train(dataset, tmp_path / "whole", run)
    out = tmp_path / "stopped"
    with subprocess.Popen(
        command(dataset, tmp_path, out, run), env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        printed = ""
        while "training" not in printed:  # the bar of the first steps
            printed += process.stderr.read(1)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        printed += process.stderr.read()
    assert process.returncode == 1
    lines = [line for line in printed.splitlines() if line.startswith("anyband:")]
    assert len(lines) == 1 and "was told to stop after step" in lines[0] and "run it again" in lines[0]
    assert "Traceback" not in printed
    assert [path.name for path in out.iterdir()] == [loop.CHECKPOINT]
    torch.manual_seed(9)  # what else the process did must not matter
    resumed = train(dataset, out, run)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    columns = ["step", "loss", "val_miou"]
    one, other = (pd.read_csv(folder / "history.csv")[columns] for folder in (tmp_path / "whole", out))
    pd.testing.assert_frame_equal(one, other)


def test_a_stop_in_the_last_step_is_no_failure(dataset, tmp_path, monkeypatch):
    real = loop.training_batch

    def last(method, table, indices, crop, seed):
        if seed == loop.step_seed(0, 3):
            signal.raise_signal(signal.SIGTERM)
        return real(method, table, indices, crop, seed)

    monkeypatch.setattr(loop, "training_batch", last)
    train(dataset, tmp_path, settings("pixel", steps=4))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_without_a_launcher_nothing_is_joined(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with distributed.joined() as world:
        assert world == distributed.ALONE
        assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_method_takes_a_step_in_half_precision(dataset, tmp_path, monkeypatch, model):
    """As on a GPU, but on the CPU: an operation that bfloat16 lacks is an error here too."""
    monkeypatch.setattr(distributed.World, "autocast", lambda self: torch.autocast("cpu", torch.bfloat16))
    own = {"pixel": {}, "random-forest": {}, "analytic": {}, "satlas": {"size": "ci"}}
    options = own.get(model, SMALL)
    run = settings("pixel", steps=1).model_copy(update={"method": MethodSettings(model=model, options=options)})
    train(dataset, tmp_path, run)
    assert pd.read_csv(tmp_path / "history.csv")["loss"].notna().all()
