"""Search, pair and extract through a storm of faults: the calm run's chips, or a drop with its reason."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from anyband.testing.faults import STORM, Faults
from archive_run import Steps, serving, simulate

SITE, EXTENT_M = "elder", 1920
# Every kind of fault, fewer of each, and nothing that only takes time: for the suite that runs all the time.
GALE = replace(STORM, seed=2, unavailable=0.03, html=0.02, truncated=0.02, slow=0.0, token_busy=1, token_requests=130)
STORMS = [GALE] + [
    pytest.param(replace(STORM, seed=seed), marks=pytest.mark.slow, id=f"storm-{seed}") for seed in (1, 2, 3)
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("archive"), SITE, extent_m=EXTENT_M)


@pytest.fixture(scope="module")
def calm(archive, tmp_path_factory):
    """Runs in calm weather, by catalogue."""
    runs = {}

    def run(catalog):
        if catalog not in runs:
            with serving(archive) as server:
                runs[catalog] = Steps(tmp_path_factory.mktemp("calm"), server, SITE, catalog, EXTENT_M).run()
        return runs[catalog]

    return run


@pytest.fixture
def through(archive, tmp_path):
    """Runs through faults."""

    def run(faults, catalog="stac"):
        with serving(archive, faults=faults) as server:
            return Steps(tmp_path, server, SITE, catalog, EXTENT_M).run()

    return run


def key(entry):
    """What a chip is, whatever the number of its pair."""
    return entry["datetimes"]["sentinel2"], entry["datetimes"]["landsat"], entry["row"], entry["col"]


def by_key(run):
    return {key(chip["entry"]): chip for chip in run.chips().values()}


def assert_equal_or_dropped(run, calm):
    """Every chip of the calm run is there and the same, or listed as dropped with a reason; gives the dropped ones."""
    expected, found = by_key(calm), by_key(run)
    at_extraction = {key(entry): entry["reason"] for entry in run.entries("dropped")}
    at_pairing = {row["item"]: row["reason"] for row in run.dropped_pairs()}
    items = {key(entry): set(entry["items"].values()) for entry in calm.entries()}
    assert found.keys() <= expected.keys()
    missing = expected.keys() - found.keys()
    for chip in missing:
        reasons = [at_extraction.get(chip), *(at_pairing.get(item) for item in items[chip])]
        assert any(reasons), f"{chip} is missing without a reason"
    for chip, content in found.items():
        for name in content.keys() - {"entry"}:
            np.testing.assert_array_equal(content[name], expected[chip][name], err_msg=f"{chip} {name}")
    assert found, "the storm left nothing to compare"
    return missing


def assert_no_secrets(run):
    secrets = re.compile("|".join(["sig=", "sig%3D", "[?&]se=", *run.server.weather.issued]), re.IGNORECASE)
    assert not secrets.search(run.printed), run.printed
    written = [p for p in run.folder.rglob("*") if p.is_file() and run.folder / "cache" not in p.parents]
    assert len(written) > 10
    for path in written:
        assert not secrets.search(path.read_bytes().decode("latin-1")), path


@pytest.mark.parametrize("faults", STORMS)
def test_a_storm_changes_nothing_but_what_is_gone(through, calm, faults):
    run, reference = through(faults), calm("stac")
    missing = assert_equal_or_dropped(run, reference)
    assert len(missing) == len(reference.chips()) / 2, "the asset that is gone takes its pair with it, and no more"
    assert_no_secrets(run)
    happened = run.server.weather.happened
    kinds = {"unavailable", "html", "truncated", "search", "token refused", "token stale", "token expired"}
    assert {kind for kind in kinds if not happened[kind]} == set(), happened
    for path in sorted(reference.manifests.glob("*.json")):
        there, here = (json.loads((r.manifests / path.name).read_text())["items"] for r in (reference, run))
        assert [item["id"] for item in here] == [item["id"] for item in there], path.name


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults", [Faults(seed=2, always_html=1), Faults(seed=2, always_truncated=1)], ids=["html", "truncated"]
)
def test_a_file_that_is_never_right_costs_its_pair_only(through, calm, faults):
    run = through(faults)
    missing = assert_equal_or_dropped(run, calm("stac"))
    assert len(missing) == len(calm("stac").chips()) / 2


@pytest.mark.slow
@pytest.mark.parametrize("catalog", ["earth-search", "earth-search-c1", "lpcloud"])
def test_a_storm_over_other_providers(through, calm, catalog):
    """Buckets have no tokens; the rest goes wrong there as well."""
    run = through(STORM, catalog)
    assert_equal_or_dropped(run, calm(catalog))
    assert_no_secrets(run)
