"""What a provider says wrongly about its pixels is found by the audit, and its line says how to go on."""

import json
import subprocess
import sys

import pytest

from archive_run import Steps, serving, simulate

PLACE, EXTENT_M = "elder", 1920


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("archive"), PLACE, extent_m=EXTENT_M)


def audit(run):
    """Exit status, last line and findings of the audit of a run."""
    out = run.folder / "audit/main.json"
    command = [sys.executable, "-m", "anyband.steps.audit", "--settings={}", f"--chips={run.store}", f"--out={out}"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = out if out.exists() else out.with_suffix(".failed.json")
    return done.returncode, (done.stderr.splitlines() or [""])[-1], json.loads(found.read_text())


def test_earth_search_71_is_stopped_and_can_be_excluded(archive, tmp_path):
    """The flag says that the offset is in the pixels of one item, but it was taken off: values come out 0.1 too low."""
    with serving(archive, traps=("earth-search-71",)) as server:
        run = Steps(tmp_path / "first", server, PLACE, "earth-search", EXTENT_M).run()
        status, line, document = audit(run)
        assert status == 1
        (wrong,) = {
            pair["items"]["sentinel2"]
            for pair in document["sites"][PLACE]["pairs"]
            if any(finding["kind"] == "offset" for finding in pair["findings"])
        }
        assert wrong in line
        assert "offset" in line
        assert "datasets.main.exclude" in line
        again = Steps(tmp_path / "second", server, PLACE, "earth-search", EXTENT_M, {"exclude": [wrong]}).run()
        status, line, document = audit(again)
    assert status == 0, line
    assert wrong not in {pair["items"]["sentinel2"] for pair in document["sites"][PLACE]["pairs"]}
    assert {(row["sentinel2"], row["reason"]) for row in again.dropped_pairs()} >= {(wrong, "excluded")}


def test_the_same_scenes_without_the_trap_pass(archive, tmp_path):
    with serving(archive) as server:
        status, line, document = audit(Steps(tmp_path, server, PLACE, "earth-search", EXTENT_M).run())
    assert status == 0, line
    assert document["dataset"]["pairs"] == 2
