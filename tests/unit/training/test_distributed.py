"""Several processes, parts of a batch, a training told to stop: the result is that of one undisturbed run."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import torch

from anyband.config import MethodSettings, Run, Training
from anyband.methods import MODELS
from anyband.models.core.storage import load
from anyband.runtime import UserError
from anyband.training import distributed, loop
from anyband.training.train_run import train_run
from small_split import CLASSES, SMALL

STEP = """
import sys
import torch
from anyband.config import Run
from anyband.training.train_run import train_run
from pathlib import Path
chips, splits, out, settings = sys.argv[1:]
torch.set_num_threads(1)
train_run(Run.model_validate_json(settings), 0, Path(chips), Path(splits), Path(out), lambda method, table: 0.0)
"""


def settings(model: str, steps: int = 4, **training) -> Run:
    loop_settings = Training(steps=steps, batch=4, crop_m=240, **training)
    options = {} if model == "pixel" else SMALL
    return Run(
        name="mine", method=MethodSettings(model=model, options=options), training=loop_settings, classes=CLASSES
    )


def train(dataset, out, run: Run) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    train_run(run, 0, *dataset, out, lambda method, table: 0.0)
    return load(out)[1].state_dict()


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def test_two_processes_give_the_weights_of_one(dataset, tmp_path):
    """Batches lack a sensor now and then, so some layers of feature-fusion get no gradients in some steps.

    The weights differ by rounding alone. AdamW divides a gradient by its own size, so rounding of a gradient that is
    nearly nought is seen in the first steps: 1e-4 is a fiftieth of the learning rate, and 8 unlike samples give 1e-2.
    """
    run = settings("feature-fusion", steps=6, learning_rate=0.005)
    alone = train(dataset, tmp_path / "alone", run)
    (tmp_path / "step.py").write_text(STEP)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(tmp_path / "step.py")]
    command = [sys.executable, *launcher, *map(str, dataset), str(tmp_path / "both"), run.model_dump_json()]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environment | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    both = load(tmp_path / "both")[1].state_dict()
    assert furthest(alone, both) < 1e-4
    rows = [pd.read_csv(tmp_path / name / "history.csv") for name in ("alone", "both")]
    assert rows[1]["loss"].to_numpy() == pytest.approx(rows[0]["loss"].to_numpy(), abs=2e-5)
    counted = [json.loads((tmp_path / name / "settings.json").read_text())["threads"] for name in ("alone", "both")]
    assert counted == [1, 2]
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


def test_a_training_told_to_stop_saves_says_one_line_and_resumes_to_the_same_bits(dataset, tmp_path, monkeypatch):
    """A real SIGTERM, as a scheduler sends it at the time limit; in the last step it is no failure."""
    run, out, real = settings("pixel", steps=8, validations=2), tmp_path / "stopped", loop.training_batch

    def stop(at):
        def batch(method, table, indices, crop, seed):
            if seed == loop.step_seed(0, at):
                signal.raise_signal(signal.SIGTERM)
            return real(method, table, indices, crop, seed)

        monkeypatch.setattr(loop, "training_batch", batch)

    stop(at=7)
    whole = train(dataset, tmp_path / "whole", run)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    stop(at=4)
    with pytest.raises(UserError, match="was told to stop after step 5 of 8: its state is saved, run it again"):
        train(dataset, out, run)
    assert [path.name for path in out.iterdir()] == [loop.CHECKPOINT]
    torch.manual_seed(9)  # what else the process did must not matter
    resumed = train(dataset, out, run)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    columns = ["step", "loss", "val_miou"]
    one, other = (pd.read_csv(folder / "history.csv")[columns] for folder in (tmp_path / "whole", out))
    pd.testing.assert_frame_equal(one, other)


def test_without_a_launcher_nothing_is_joined(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with distributed.joined() as world:
        assert world == distributed.ALONE
        assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_ADDR"),  # as some clusters set them without torchrun
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "no"}, "do not find each other"),
    ],
)
def test_processes_that_do_not_find_each_other_are_one_line(monkeypatch, variables, said):
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=said), distributed.joined():
        pass


def test_a_process_without_a_gpu_of_its_own_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UserError, match="process 1 of this training has no GPU, 1 are visible"), distributed.joined():
        pass


FLOORS_AND_SATLAS = ("pixel", "random-forest", "texture-forest", "analytic", "satlas")


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_method_takes_a_step_in_half_precision(dataset, tmp_path, monkeypatch, model):
    """As on a GPU, but on the CPU: an operation that bfloat16 lacks is an error here too."""
    monkeypatch.setattr(distributed.World, "autocast", lambda self: torch.autocast("cpu", torch.bfloat16))
    own = {"satlas-full-size": {"size": "ci"}, "random-forest": {"trees": 4, "leaves": 16}}
    own = dict.fromkeys(FLOORS_AND_SATLAS, {}) | own
    options = own.get(model, SMALL)
    run = settings("pixel", steps=1).model_copy(update={"method": MethodSettings(model=model, options=options)})
    train(dataset, tmp_path, run)
    assert pd.read_csv(tmp_path / "history.csv")["loss"].notna().all()
