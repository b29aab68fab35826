"""Search, pair and extract through a storm of faults: the calm run's chips, or a drop with its reason."""

import json
import re
from collections import Counter

import numpy as np
import pytest
import zarr

from anyband.archive.faults import STORM
from archive_run import Steps, serving, simulate

SITE = "elder"
SECRETS = re.compile(r"sig=|sig%3D|se=20|[0-9a-f]{64}", re.IGNORECASE)  # the server's signatures are 64 hexadecimals


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("archive"), SITE, extent_m=1920)


@pytest.fixture(scope="module")
def calm(archive, tmp_path_factory):
    with serving(archive) as server:
        return Steps(tmp_path_factory.mktemp("calm"), server, SITE, "stac", 1920).run()


@pytest.fixture(scope="module")
def storm(archive, tmp_path_factory):
    with serving(archive, faults=STORM) as server:
        return Steps(tmp_path_factory.mktemp("storm"), server, SITE, "stac", 1920).run()


def reasons(run):
    """Why pairs and chips were dropped: item ids of pairing, pairs of extraction."""
    dropped = zarr.open_group(run.store, mode="r").attrs["dropped"]
    return run.dropped_pairs(), dropped


def test_every_kind_of_fault_was_met(storm):
    happened = Counter(storm.server.weather.happened)
    kinds = {"unavailable", "html", "truncated", "slow", "search", "token refused", "token stale", "token expired"}
    assert {kind for kind in kinds if not happened[kind]} == set(), happened


def test_chips_are_those_of_the_calm_run_or_dropped_with_a_reason(calm, storm):
    expected, found = calm.chips(), storm.chips()
    at_pairing, at_extraction = reasons(storm)
    assert found, "the storm left nothing to compare"
    assert all(row["reason"] for row in [*at_pairing, *at_extraction])
    dropped = {(int(entry["pair"]), entry.get("row"), entry.get("col")) for entry in at_extraction}
    whole = {pair for pair, row, _ in dropped if row is None}
    days = {row["datetimes"]["sentinel2"]: key for key, row in ((k, c["entry"]) for k, c in found.items())}
    assert days
    for key, chip in expected.items():
        twin = next((c for c in found.values() if c["entry"] == chip["entry"]), None)
        if twin is None:
            pair, row, col = re.fullmatch(r".*-(\d+)-r(\d+)c(\d+)", key).groups()
            known = int(pair) in whole or (int(pair), int(row), int(col)) in dropped
            assert known or at_pairing, f"{key} is missing without a reason"
            continue
        for name in chip.keys() - {"entry"}:
            np.testing.assert_array_equal(twin[name], chip[name], err_msg=f"{key} {name}")
    assert len(found) < len(expected), "the asset that is gone took its pair with it"


def test_manifests_are_whole_and_hold_each_item_once(calm, storm):
    for path in sorted(calm.manifests.glob("*.json")):
        there, here = (json.loads((run.manifests / path.name).read_text())["items"] for run in (calm, storm))
        assert [item["id"] for item in here] == [item["id"] for item in there]


def test_no_secret_is_written_anywhere(storm):
    assert not SECRETS.search(storm.printed), storm.printed
    checked = 0
    for path in storm.folder.rglob("*"):
        if path.is_file() and "cache" not in path.relative_to(storm.folder).parts:
            text = path.read_bytes().decode("latin-1")
            assert not SECRETS.search(text), path
            checked += 1
    assert checked > 10
