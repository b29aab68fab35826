import json
import os

import pytest
import torch

from anyband.models.core.storage import Recipe, load, save
from anyband.observation import QueryGrid
from anyband.runtime import UserError

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def recipe(statistics, small) -> Recipe:
    return Recipe("mine", "anyband", small, (10, 20, 30, 40), statistics.as_dict(), {"steps": 1}, 3)


def test_a_saved_model_answers_the_same(tmp_path, recipe, observe):
    method = recipe.build().eval()
    save(tmp_path, recipe, method)
    again, restored = load(tmp_path)
    assert again == recipe
    assert torch.equal(method(observe(), QUERY), restored(observe(), QUERY))


def test_files_are_the_same_for_the_same_weights(tmp_path, recipe):
    method = recipe.build()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        save(tmp_path / name, recipe, method)
    for file in ("model.safetensors", "settings.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_others_may_read_a_model_as_the_umask_says(tmp_path, recipe):
    before = os.umask(0o027)
    try:
        save(tmp_path, recipe, recipe.build())
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


@pytest.mark.parametrize("file", ["model.safetensors", "settings.json"])
def test_a_file_that_was_cut_is_one_line(tmp_path, recipe, file):
    save(tmp_path, recipe, recipe.build())
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:200])
    with pytest.raises(UserError, match=rf"^[^\n]*{file} is [^\n]*: delete it[^\n]*$"):
        load(tmp_path)


def test_weights_of_another_architecture_are_refused(tmp_path, recipe):
    save(tmp_path, recipe, recipe.build())
    document = json.loads((tmp_path / "settings.json").read_text())
    document["options"]["depth"] = 2
    (tmp_path / "settings.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="train this run again"):
        load(tmp_path)


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(UserError, match="train this run first"):
        load(tmp_path)
