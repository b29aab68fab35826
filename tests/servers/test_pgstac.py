"""The whole workflow on a real pgstac: `make test-servers`, as root, on Debian."""

import json

import pytest
import requests

from anyband.archive.stac_items import BASE
from servers.pgstac_server import PgStac, install
from servers.same_results import same_results

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def items(local):
    """All items of the archive of the local run, with files by their paths."""
    archive, found = local.folder / "results/archive/main", []
    for site in sorted(path.name for path in archive.iterdir()):
        for path in sorted((archive / site / "items").rglob("*.json")):
            found.append(json.loads(path.read_text().replace(f"{BASE}/files/{site}", str(archive / site / "files"))))
    return found


@pytest.fixture(scope="module")
def pgstac(items):
    """The server with these items, stopped at the end of the module."""
    install()
    with PgStac(items) as server:
        yield server


def test_the_database_has_every_item_once(pgstac, items):
    answer = requests.post(f"{pgstac.url}/search", json={"limit": 1000}, timeout=60).json()
    assert sorted(item["id"] for item in answer["features"]) == sorted(item["id"] for item in items)


def test_the_whole_run_has_the_bytes_of_the_embedded_archive(pgstac, local, tmp_path):
    workflow = type(local)(tmp_path)
    arguments = ("--set-threads", "train=1", "evaluate=1", "extract=2")
    workflow.succeed(*arguments, change={"datasets": {"main": {"catalog": pgstac.url}}})
    assert pgstac.url in (tmp_path / "results/report.html").read_text()
    same_results(local, workflow)
