"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine, and no time limit on busy ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep together, where tests run in several processes, what shares costly fixtures: a file, or the tiny run."""
    for item in items:
        name = "tiny_run" if "tiny_run" in item.fixturenames else item.path.name
        item.add_marker(pytest.mark.xdist_group(name))
    # The longest group first, or one process ends with it while the other has nothing left.
    items.sort(key=lambda item: "tiny_run" not in item.fixturenames)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Recorded STAC items and one real Landsat-8 / Sentinel-2 pair; the test skips where they are not at hand."""
    folder = Path(os.environ.get("ANYBAND_REALDATA", ROOT.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip("real data are not at hand: set ANYBAND_REALDATA to their folder")
    return folder
