"""Extraction on dask workers in processes of their own: killed, or left without a scheduler, in the middle of a run."""

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from anyband.archive.http_server import Handler
from anyband.catalog.pairs.scene_pair import pairs_as_json
from anyband.testing.provider_server import ProviderServer
from scenes import SceneFolder

DAY = dt.date(2022, 5, 3)
EXTRACT = """
import sys
from pathlib import Path
from anyband.catalog.pairs.scene_pair import read_pairs
from anyband.chips.extraction import ChipSite, extract_site
from anyband.runtime import step_main
pairs, out, longitude, latitude, extent_m = sys.argv[1:]
site = ChipSite("aspen", "main", float(longitude), float(latitude), int(extent_m), 960, 0.8, 2)
step_main(lambda: extract_site(site, read_pairs(Path(pairs)), Path(out)))
"""


class Cluster:
    """A dask scheduler and two workers as three processes, started as an administrator would."""

    def __init__(self, folder: Path):
        self.folder, self.processes = folder, []
        self.scheduler = self.start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self.wait_for(r"Scheduler at: +(tcp://\S+)")
        self.workers = [self.worker() for _ in range(2)]

    def start(self, module: str, *arguments: str) -> subprocess.Popen:
        log = (self.folder / f"{len(self.processes)}.log").open("w")
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        reach = (
            "http_proxy",
            "HTTP_PROXY",
            "ANYBAND_ARCHIVE",
        )  # the job's alone, not the workers'
        mine = {name: value for name, value in os.environ.items() if name not in reach}
        self.processes.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=mine))
        return self.processes[-1]

    def worker(self) -> subprocess.Popen:
        options = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "20")
        return self.start("dask_worker", self.address, *options)

    def wait_for(self, pattern: str) -> str:
        for _ in range(600):
            if found := re.search(pattern, (self.folder / "0.log").read_text()):
                return found[1]
            time.sleep(0.1)
        raise TimeoutError((self.folder / "0.log").read_text())

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path, monkeypatch, served):
    (tmp_path / "cluster").mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "5s")
    running = Cluster(tmp_path / "cluster")
    yield running
    running.stop()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A site on a server that answers slowly, so that there is a middle of the run; gives the command and its count."""
    scenes = SceneFolder(tmp_path / "scenes", 32633, (600_000.0, 5_200_020.0), extent_m=9_600)
    for day in range(2):
        scenes.add_pair(DAY + dt.timedelta(days=5 * day), cloudy={"SCL": (0.2, 0.3)})
    sent = []
    send = Handler.log_request

    def slowly(*arguments):
        sent.append(1)
        time.sleep(0.02)
        send(*arguments)

    monkeypatch.setattr(Handler, "log_request", slowly)
    with ProviderServer(scenes.publish()) as server:
        pairs = tmp_path / "pairs.json"
        pairs.write_text(pairs_as_json(scenes.fetch(server, "stac")))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        place = [str(value) for value in (scenes.longitude, scenes.latitude, scenes.extent_m)]
        sent.clear()
        monkeypatch.chdir(tmp_path)  # the workers stand elsewhere, and the command names its output as Snakemake does
        yield lambda out: [sys.executable, "-c", EXTRACT, str(pairs), str(out.relative_to(tmp_path)), *place], sent


def start(command: list[str], scheduler: str) -> subprocess.Popen:
    return subprocess.Popen(
        command, env=os.environ | {"ANYBAND_SCHEDULER": scheduler}, stderr=subprocess.PIPE, text=True
    )


def wait_for_requests(sent: list[int], count: int, process: subprocess.Popen) -> None:
    while len(sent) < count:
        assert process.poll() is None, process.stderr.read()[-2000:]
        time.sleep(0.01)


def arrays(store: Path) -> dict[str, np.ndarray]:
    group = zarr.open_group(store, mode="r")
    return {name: array[...] for name, array in group.members(max_depth=None) if isinstance(array, zarr.Array)}


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_and_a_dead_scheduler_one_line(cluster, served, tmp_path):
    """First the scheduler dies: one line, no store. Then a worker of a new one: the store is that of dask's threads."""
    command, sent = served
    whole, out = tmp_path / "whole" / "aspen.zarr", tmp_path / "out" / "aspen.zarr"
    assert start(command(whole), "threads").wait(timeout=120) == 0
    needed = len(sent)

    sent.clear()
    process = start(command(out), cluster.address)
    wait_for_requests(sent, needed // 3, process)
    cluster.scheduler.send_signal(signal.SIGKILL)
    printed = process.communicate(timeout=120)[1]
    assert process.returncode == 1, printed[-2000:]
    line = printed.splitlines()[-1]  # dask's own log stands before it
    assert line.startswith("anyband: the dask scheduler") and cluster.address in line and "run again" in line
    assert not out.exists()
    cluster.stop()

    (tmp_path / "second").mkdir()
    second = Cluster(tmp_path / "second")
    try:
        sent.clear()
        process = start(command(out), second.address)
        wait_for_requests(sent, max(needed // 4, 1), process)
        second.workers[0].send_signal(signal.SIGKILL)
        printed = process.communicate(timeout=120)[1]
    finally:
        second.stop()
    assert process.returncode == 0, printed[-2000:]
    expected = arrays(whole)
    found = arrays(out)
    assert set(found) == set(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
