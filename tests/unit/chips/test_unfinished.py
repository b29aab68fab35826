"""A killed extraction goes on where it was, and its store is that of a run without interruption."""

import datetime as dt
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anyband.archive.server.http_server import Handler
from anyband.chips.unfinished import Journal, unfinished_folder
from anyband.runtime import UserError
from anyband.testing.provider_server import ProviderServer
from scenes import SceneFolder

DAY = dt.date(2022, 5, 3)
EXTRACT = """
import sys
from pathlib import Path
from anyband.chips.extraction import extract_site
from anyband.chips.inputs import read_pairs
from anyband.chips.screening import Site
table, manifests, out, longitude, latitude, extent_m = sys.argv[1:]
site = Site("aspen", "main", float(longitude), float(latitude), int(extent_m), 960, 0.8, 2)
extract_site(site, read_pairs(Path(table), Path(manifests)), Path(out))
"""


@pytest.mark.slow
@pytest.mark.parametrize("damaged", [False, True])
def test_killed_many_times_it_loses_one_shard_each_time(tmp_path, monkeypatch, damaged):
    """SIGKILL at random points until a run comes through: same bytes, hardly more asked of the server."""
    scenes = SceneFolder(tmp_path / "scenes", 32633, (600_000.0, 5_200_020.0), extent_m=9_600)
    for day in range(3):
        scenes.add_pair(DAY + dt.timedelta(days=5 * day), cloudy={"SCL": (0.2, 0.3)})
    if damaged:
        scenes.path("hls_s30", 1, "B8A").unlink()
    sent = []
    send = Handler.log_request
    monkeypatch.setattr(Handler, "log_request", lambda *arguments: (sent.append(1), send(*arguments)))
    with ProviderServer(scenes.publish()) as server:
        table, manifests = scenes.fetch(server, "stac")
        place = [str(value) for value in (scenes.longitude, scenes.latitude, scenes.extent_m)]
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)

        def start(out):
            return subprocess.Popen([sys.executable, "-c", EXTRACT, str(table), str(manifests), str(out), *place])

        sent.clear()
        whole = tmp_path / "whole" / "aspen.zarr"
        assert start(whole).wait() == 0
        needed = len(sent)
        sent.clear()
        kills = killed_until_done(start, tmp_path / "killed" / "aspen.zarr")
    shards = sum(path.name == "0" and "values" in str(path) for path in (whole / "landsat/30m").rglob("c/*/0/0/0"))
    assert kills >= 3
    assert len(sent) <= needed + kills * needed / shards
    assert contents(whole) == contents(tmp_path / "killed" / "aspen.zarr")
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["aspen.zarr"]


def killed_until_done(start, out, seed=5):
    """Kill each run some results after the last one's, a random moment later; returns how many were killed."""
    chance, results, kills = random.Random(seed), 0, 0
    journal = out.parent / f".{out.name}.unfinished" / "journal"
    while not out.exists():
        process, results = start(out), results + chance.randint(3, 9)
        while process.poll() is None and len(list(journal.glob("*"))) < results:
            time.sleep(0.005)
        time.sleep(0.1 * chance.random())
        process.kill()
        kills += process.wait() == -9
    return kills


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_on_one_store_exclude_each_other(tmp_path):
    path = tmp_path / "a.zarr"
    with unfinished_folder(path, "x") as folder:
        (folder / "store").mkdir()
        with pytest.raises(UserError, match="another process is making .*a.zarr"), unfinished_folder(path, "x"):
            pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def attempt(path: Path, identity: str) -> list[int]:
    """Do two pieces of work, one of them new every time; returns which were done, and fails."""
    done = []
    with pytest.raises(KeyError), unfinished_folder(path, identity) as folder:
        journal = Journal(folder / "journal")
        for number in range(2):
            journal.once(f"piece {number}", lambda number=number: done.append(number) or number)
        raise KeyError
    return done


def test_work_is_kept_for_the_same_identity_alone(tmp_path):
    path = tmp_path / "a.zarr"
    assert attempt(path, "x") == [0, 1] and attempt(path, "x") == []
    assert attempt(path, "y") == [0, 1] and attempt(path, "x") == [0, 1]


@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_torn_result_is_not_believed(tmp_path, content):
    path = tmp_path / "a.zarr"
    attempt(path, "x")
    torn = next((tmp_path / ".a.zarr.unfinished/journal").iterdir())
    torn.write_bytes(torn.read_bytes()[:-1] if content is None else content)
    assert attempt(path, "x") == [0, 1]


def test_array_that_was_shortened_is_taken_as_it_was_read(tmp_path):
    """A pair was given up after its bands were read, and the process died while the arrays were rewritten."""
    folder = tmp_path / ".a.zarr.unfinished"
    attempt(tmp_path / "a.zarr", "x")
    for place, text in (("bands/landsat/30m", "read"), ("store/landsat/30m", "short"), ("store/hls_l30/30m", "read")):
        (folder / place / "values").mkdir(parents=True)
        (folder / place / "values" / "c").write_text(text)
    attempt(tmp_path / "a.zarr", "x")
    assert {path.read_text() for path in folder.rglob("values/c")} == {"read"}
    assert len(list(folder.glob("bands/*/30m/values"))) == 2 and not (folder / "store").exists()
