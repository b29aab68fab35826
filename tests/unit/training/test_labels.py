import pickle

import pandas as pd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.chips.dataset import load_split
from anyband.training.train_run import nested_blocks, training_blocks
from small_split import CLASSES


@settings(max_examples=30)
@given(st.sets(st.text(min_size=1), min_size=1), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 9))
def test_shares_are_nested_and_as_large_as_asked(blocks, one, other, seed):
    few, many = (nested_blocks(blocks, share, seed) for share in sorted((one, other)))
    assert set(few) <= set(many) <= blocks
    assert len(few) >= max(1, min(one, other) * len(blocks) - 1e-6)
    assert len(few) < min(one, other) * len(blocks) + 1
    assert nested_blocks(sorted(blocks, reverse=True), one, seed) == nested_blocks(blocks, one, seed)


def test_seeds_draw_different_blocks():
    blocks = [f"32632:{i}" for i in range(20)]
    assert len({nested_blocks(blocks, 0.25, seed) for seed in range(5)}) == 5


def test_only_chips_of_the_drawn_blocks_are_read(dataset):
    chips, splits = dataset
    assert training_blocks(splits, 1.0, 0) is None
    blocks = training_blocks(splits, 0.5, 0)
    assert len(blocks) == 1
    part = load_split(chips, splits, "train", ["sentinel2"], CLASSES, blocks)
    whole = load_split(chips, splits, "train", ["sentinel2"], CLASSES)
    rows = pd.read_csv(splits)
    expected = rows[(rows["split"] == "train") & rows["block"].isin(blocks)]["chip"]
    assert part.chip.tolist() == expected.tolist()
    assert len(part) < len(whole)
    (image,) = part.observation([0], ["sentinel2"]).of("sentinel2")[:1]
    place = whole.chip.tolist().index(part.chip[0])
    assert torch.equal(image.values, whole.observation([place], ["sentinel2"]).of("sentinel2")[0].values)
    assert pickle.loads(pickle.dumps(part)).chip.tolist() == part.chip.tolist()
