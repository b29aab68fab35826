"""A training that starts from a pretraining takes over everything but the last layer."""

import pandas as pd
import pytest
import torch

from anyband.chips.dataset import load_split
from anyband.config import MethodSettings, Run, Training
from anyband.evaluation.inference import explained, validation_score
from anyband.models.core.storage import load, read_recipe
from anyband.runtime import UserError
from anyband.training.train_run import start_from, train_run, training_blocks
from small_split import CLASSES, SMALL


def run(model: str, steps: int, **training) -> Run:
    loop = Training(steps=steps, batch=2, crop_m=240, validations=1, **training)
    mine = Run(name="mine", method=MethodSettings(model="anyband", options=SMALL), training=loop, classes=CLASSES)
    return mine.model_copy(update={"method": mine.method.model_copy(update={"model": model})})


@pytest.fixture(scope="module")
def pretrained(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    torch.set_num_threads(1)
    train_run(run("reconstruction", 6), 0, *dataset, folder, explained)
    return folder


def test_history_says_what_was_scored(pretrained):
    history = pd.read_csv(pretrained / "history.csv")
    assert list(history.columns) == ["step", "loss", "val_explained", "seconds"]
    assert history["val_explained"].iloc[-1] <= 1


def test_a_training_starts_from_the_weights_and_the_statistics(dataset, pretrained, tmp_path):
    """Other statistics would scale the inputs of weights that were learned with these."""
    train_run(
        run("anyband", 1, learning_rate=1e-12, label_fraction=0.5), 0, *dataset, tmp_path, validation_score, pretrained
    )
    recipe, method = load(tmp_path)
    table = load_split(*dataset, "train", ["sentinel2"], CLASSES, training_blocks(dataset[1], 0.5, 0))
    assert sum(recipe.statistics["label_counts"]) == int((table.label >= 0).sum()), (
        "labels of other blocks do not count"
    )
    assert sum(recipe.statistics["label_counts"]) < sum(read_recipe(pretrained).statistics["label_counts"])
    before = {n.removeprefix("encoder."): t for n, t in load(pretrained)[1].state_dict().items()}
    after = method.state_dict()
    assert recipe.note == "pretrained without labels for 6 steps"
    assert recipe.statistics["bands"] == read_recipe(pretrained).statistics["bands"]
    taken = {n for n in after if n in before and before[n].shape == after[n].shape}
    same = {n for n in taken if torch.allclose(before[n], after[n], atol=1e-9)}
    assert set(after) - same == {"decoder.head.weight", "decoder.head.bias"}


def test_a_pretraining_of_another_size_is_refused(dataset, pretrained):
    options = {**SMALL, "fine": 2 * SMALL["fine"]}
    other = read_recipe(pretrained)
    method = type(other)(**{**vars(other), "model": "anyband", "options": options}).build()
    with pytest.raises(UserError, match="architecture"):
        start_from(method, pretrained)
