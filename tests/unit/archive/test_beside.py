"""The serve step as a process: exit codes, signals, and no server left behind."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from make_items import make_item, write_items

FETCH = """
import os, sys, urllib.request
assert not os.environ.get("NO_PROXY") and not os.environ.get("no_proxy")
print(urllib.request.urlopen("http://archive.anyband.test/stac/search").read().count(b'"Feature"'))
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


def test_the_command_reaches_the_archive_under_its_stable_address(archive):
    process = serve(archive, "--", sys.executable, "-c", FETCH)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "2\n", "")


def test_the_exit_code_of_a_failing_command_is_handed_on_and_the_server_ends(archive):
    process = serve(archive, "--", "sh", "-c", "echo $http_proxy; exit 7")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert err == ""
    assert refuses(out)


def test_a_command_killed_by_a_signal_is_a_failure(archive):
    process = serve(archive, "--", "sh", "-c", "kill -9 $$")
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL


def test_sigterm_ends_the_command_and_the_server(archive):
    process = serve(archive, "--", sys.executable, "-c", WAIT)
    proxy_url = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert refuses(proxy_url)


def test_command_and_server_end_when_the_parent_is_killed(archive):
    """A killed workflow once left its servers running for ever."""
    step = [sys.executable, "-m", "anyband.steps.serve", str(archive), "--", sys.executable, "-c", WAIT]
    parent = f"import subprocess; subprocess.run({step!r})"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    proxy_url = process.stdout.readline()
    process.kill()
    process.wait()
    # The pipe is at its end only when the wrapped command, the last one to hold it, is gone.
    assert process.stdout.read() == ""
    assert refuses(proxy_url)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no-such-folder", "--", "true"], "anyband: no-such-folder is not a folder of simulated sites"),
        (["ARCHIVE", "--", "no-such-command"], "anyband: cannot start no-such-command"),
        (["ARCHIVE", "--port", "TAKEN"], "anyband: port TAKEN of 127.0.0.1 cannot be used"),
    ],
)
def test_bad_input_gives_one_line(archive, arguments, line):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        names = {"ARCHIVE": str(archive), "TAKEN": str(taken.getsockname()[1])}
        process = serve(*(names.get(argument, argument) for argument in arguments))
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(line.replace("TAKEN", names["TAKEN"]))


def test_plain_mode_serves_until_it_is_interrupted(archive):
    process = serve(archive)
    announced = process.stderr.readline()
    proxy_url = next(word for word in announced.split() if word.startswith("http_proxy=")).removeprefix("http_proxy=")
    environment = {"http_proxy": proxy_url, "PATH": os.environ["PATH"]}
    answer = subprocess.run([sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True, timeout=60)
    assert answer.stdout == "2\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "ended\n")
