"""The serve step as a process: exit codes, signals, and no server left behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from anyband.archive.http_server import ArchiveServer, run_beside
from anyband.runtime import UserError
from make_items import make_item, write_items

FETCH = """
import os, sys, urllib.request
assert not os.environ.get("NO_PROXY") and not os.environ.get("no_proxy")
print(urllib.request.urlopen("http://archive.anyband.test/stac/search").read().count(b"numberMatched"))
"""
WAIT = "import os, time; print(os.environ['http_proxy'], flush=True); time.sleep(60)"


@pytest.fixture
def archive(tmp_path):
    write_items(tmp_path / "archive", "aspen", [make_item("landsat"), make_item("hls_l30")])
    return tmp_path / "archive"


def serve(*arguments, **options):
    command = [sys.executable, "-m", "anyband.steps.serve", *map(str, arguments)]
    environment = os.environ | {"NO_PROXY": "archive.anyband.test", "no_proxy": "*"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes, **options)


def refuses(proxy_url):
    """Whether nothing listens any more, within a few seconds."""
    host, port = proxy_url.strip().removeprefix("http://").split(":")
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) != 0:
                return True
        time.sleep(0.05)
    return False


def test_the_command_reaches_the_archive_and_its_exit_code_is_handed_on(archive):
    process = serve(archive, "--", "sh", "-c", f"{sys.executable} -S -c '{FETCH}'; echo $http_proxy; exit 7")
    out, err = process.communicate(timeout=60)
    number, proxy_url = out.split()
    assert (process.returncode, number, err) == (7, "1", "")
    assert refuses(proxy_url)


def test_sigterm_ends_the_command_and_the_server(archive):
    process = serve(archive, "--", sys.executable, "-S", "-c", WAIT)
    proxy_url = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert refuses(proxy_url)


def test_command_and_server_end_when_the_parent_is_killed(archive):
    """A killed workflow once left its servers running for ever."""
    step = [sys.executable, "-m", "anyband.steps.serve", str(archive), "--", sys.executable, "-S", "-c", WAIT]
    parent = f"import subprocess; subprocess.run({step!r})"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    proxy_url = process.stdout.readline()
    process.kill()
    process.wait()
    # The pipe is at its end only when the wrapped command, the last one to hold it, is gone.
    assert process.stdout.read() == ""
    assert refuses(proxy_url)


def test_bad_input_gives_one_line(archive):
    with pytest.raises(UserError, match="no-such-folder is not a folder of simulated sites"):
        ArchiveServer(archive / "no-such-folder")
    with ArchiveServer(archive) as server:
        with pytest.raises(UserError, match="cannot start no-such-command"):
            run_beside(server, ["no-such-command"])
        port = server.server_port
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 cannot be used"):
            ArchiveServer(archive, port)


def test_plain_mode_serves_until_it_is_interrupted(archive):
    process = serve(archive)
    announced = process.stderr.readline()
    proxy_url = next(word for word in announced.split() if word.startswith("http_proxy=")).removeprefix("http_proxy=")
    answer = requests.get("http://archive.anyband.test/stac/search", proxies={"http": proxy_url}, timeout=10)
    assert answer.json()["numberMatched"] == 2
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "ended\n")
