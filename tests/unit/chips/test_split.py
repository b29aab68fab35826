"""The split keeps its promises, or says which one it cannot keep; the certificate catches a split that does not."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from anyband.chips.blocks import Positions
from anyband.chips.leakage import certify, range_line
from anyband.chips.split import split_chips, split_table
from anyband.chips.survey import Survey, survey_stores
from anyband.config import Split
from anyband.runtime import UserError
from fabricate import fabricate_store

CLASSES = {10: "tree cover", 40: "cropland", 80: "permanent water"}


def make_survey(blocks=12, per_block=4, spacing_m=50_000.0, counts=None, side=960.0):
    """Chips in a row inside blocks that lie in a row; each chip has its own item and pixels."""
    total = blocks * per_block
    block = np.repeat(np.arange(blocks), per_block)
    within = np.tile(np.arange(per_block), blocks)
    return Survey(
        site=np.array([f"s{b:02d}" for b in block]),
        chip=np.array([f"s{b:02d}-0-r0c{c}" for b, c in zip(block, within, strict=True)]),
        positions=Positions(
            100_480.0 + spacing_m * block + side * within, np.full(total, 5e6), np.full(total, 32632), side
        ),
        counts=np.full((total, 3), 50) if counts is None else np.repeat(counts, per_block, axis=0),
        items=[frozenset({f"scene-{b}"}) for b in block],
        digests=[frozenset({f"pixels-{i}"}) for i in range(total)],
        mosaics=[np.full((96, 96), 10, np.uint8)],
    )


def settings(**changes):
    return Split.model_validate({"test_blocks": 4, "val_blocks": 2, "block_m": 20_400} | changes)


def test_counts_of_blocks_are_those_asked_for_and_blocks_stay_whole():
    survey = make_survey()
    block, split = split_chips(survey, CLASSES, settings())
    frame = pd.DataFrame({"block": block, "split": split})
    assert (frame.groupby("block")["split"].nunique() == 1).all()
    assert frame.drop_duplicates("block")["split"].value_counts().to_dict() == {"train": 6, "test": 4, "val": 2}


def test_same_seed_same_split_other_seed_other_split():
    survey = make_survey(blocks=20)
    first, again, other = (split_chips(survey, CLASSES, settings(seed=seed))[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_rare_class_reaches_every_split():
    """Three of twelve blocks have water: a plain shuffle would leave it out of a split four times in five."""
    counts = np.tile([100, 100, 0], (12, 1))
    counts[[2, 5, 9], 2] = 30
    survey = make_survey(counts=counts)
    for seed in range(5):
        split = split_chips(survey, CLASSES, settings(seed=seed))[1]
        for name in ("train", "val", "test"):
            assert survey.counts[split == name].sum(axis=0).min() > 0


def test_class_that_cannot_reach_every_split_is_named():
    counts = np.tile([100, 100, 0], (12, 1))
    counts[[2, 5], 2] = 30
    with pytest.raises(UserError, match=r"class 80 \(permanent water\) is absent .* 2 of 12 blocks .* `classes`"):
        split_chips(make_survey(counts=counts), CLASSES, settings())


def test_class_that_nobody_has_is_named():
    with pytest.raises(UserError, match=r"class 80 \(permanent water\) has no scored pixel"):
        split_chips(make_survey(counts=np.tile([100, 100, 0], (12, 1))), CLASSES, settings())


def test_too_few_blocks_say_how_many_there_are():
    with pytest.raises(UserError, match="6 blocks hold chips, but split asks for 4 test and 2 val"):
        split_chips(make_survey(blocks=6), CLASSES, settings())


def test_chips_inside_the_buffer_leave_val_and_test_only():
    """Blocks that touch: every held-out chip that is left is at least the buffer away from all other splits."""
    survey = make_survey(blocks=12, per_block=8, spacing_m=8 * 960.0)
    survey = Survey(**{**survey.__dict__, "site": np.array(["one"] * len(survey))})
    rules = settings(block_m=7_680, buffer_m=1_000)
    block, split = split_chips(survey, CLASSES, rules)
    assert (split == "buffer").any()
    certificate = certify(survey, block, split, CLASSES, rules)
    assert min(certificate["min_distance_m"].values()) >= 1_000
    assert certificate["chips"]["train"] == 8 * len(certificate["blocks"]["train"])


def test_buffer_wider_than_the_blocks_is_refused():
    survey = make_survey(blocks=12, per_block=8, spacing_m=8 * 960.0)
    survey = Survey(**{**survey.__dict__, "site": np.array(["one"] * len(survey))})
    with pytest.raises(UserError, match="buffer"):
        split_chips(survey, CLASSES, settings(block_m=7_680, buffer_m=9_000))


def certified(survey, change):
    block, split = split_chips(survey, CLASSES, settings())
    change(survey, block, split)
    return certify(survey, block, split, CLASSES, settings())


def test_certificate_states_what_was_measured():
    certificate = certified(make_survey(), lambda *_: None)
    assert certificate["passes"] is True
    assert min(certificate["min_distance_m"].values()) == 50_000 - 4 * 960
    assert {pair: found["count"] for pair, found in certificate["shared_items"].items()} == {
        "train-val": 0,
        "train-test": 0,
        "val-test": 0,
    }
    assert certificate["class_pixels"]["test"] == {"10": 800, "40": 800, "80": 800}
    json.dumps(certificate)
    assert "block" in range_line(certificate) or "longer" in range_line(certificate)


def test_shared_scenes_are_counted_and_named():
    def share(survey, _, split):
        for name in ("train", "test"):
            survey.items[int(np.flatnonzero(split == name)[0])] = frozenset({"one-scene"})

    assert certified(make_survey(), share)["shared_items"]["train-test"] == {"count": 1, "items": ["one-scene"]}


def test_identical_pixels_in_two_splits_are_a_violation():
    def copy(survey, _, split):
        for name in ("train", "test"):
            survey.digests[int(np.flatnonzero(split == name)[0])] = frozenset({"same"})

    with pytest.raises(UserError, match="leakage between splits: 1 chips with identical pixels in train-test"):
        certified(make_survey(), copy)


def test_chips_that_are_too_near_are_a_violation():
    def move(_, __, split):
        split[np.flatnonzero(split == "train")[0]] = "test"

    with pytest.raises(UserError, match=r"test chips 0 m apart, less than buffer_m 1000.*block 32632:\S+ in both"):
        certified(make_survey(), move)


def test_class_missing_from_a_split_is_a_violation():
    def erase(survey, _, split):
        survey.counts[split == "val", 1] = 0

    with pytest.raises(UserError, match="class 40 has no scored pixel in val"):
        certified(make_survey(), erase)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    codes = np.array([10, 40, 80], np.uint8)
    return [
        fabricate_store(folder / f"s{k}.zarr", 3, k, corner=(300_000.0 + 40_020 * k, 5_200_020.0), codes=codes)
        for k in range(6)
    ]


def run_step(stores, folder, **split):
    dataset = {"classes": {str(code): name for code, name in CLASSES.items()}, "split": split}
    command = [
        sys.executable,
        "-m",
        "anyband.steps.split",
        "--settings",
        json.dumps(dataset),
        "--chips",
        *map(str, stores),
    ]
    command += ["--out", str(folder / "main.csv"), "--certificate", str(folder / "main.leakage.json")]
    return subprocess.run(command, capture_output=True, text=True)


def test_step_writes_table_and_certificate(stores, tmp_path):
    done = run_step(stores, tmp_path, test_blocks=2, val_blocks=2)
    assert done.returncode == 0 and "label autocorrelation range" in done.stderr
    table = pd.read_csv(tmp_path / "main.csv")
    assert list(table.columns) == ["site", "chip", "block", "split", "x", "y", "epsg"]
    assert len(table) == 18 and table.loc[0, "x"] == 300_480 and table.loc[0, "y"] == 5_199_540
    assert json.loads((tmp_path / "main.leakage.json").read_text())["passes"] is True


def test_step_fails_with_one_line_and_no_files(stores, tmp_path):
    failed = run_step([*stores[:5], stores[0]], tmp_path, test_blocks=2, val_blocks=2)
    assert failed.returncode == 1 and "twice" in failed.stderr and failed.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_survey_counts_scored_pixels_only(stores):
    survey = survey_stores(stores, sorted(CLASSES), 960)
    from anyband.chips.bulk import open_site, read_array

    group = open_site(stores[0])
    label, clear = read_array(group, "label"), read_array(group, "clear")
    assert survey.counts[0].tolist() == [int(((label == c) & (clear == 1))[0].sum()) for c in (10, 40, 80)]
    assert all(not item.endswith("label-0") for items in survey.items for item in items)
    assert len(frozenset().union(*survey.digests)) == 18 * 4
    assert split_table(survey, survey.site, survey.site).count("\n") == 19
