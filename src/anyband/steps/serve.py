"""Step serve: run a command beside the embedded archive, or serve it until interrupted.

python -m anyband.steps.serve results/archive/main -- python -m anyband.steps.search ...
python -m anyband.steps.serve results/archive/main --port 8080
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from anyband.archive.server import ArchiveServer
from anyband.archive.stac_api import HOST, ROOT
from anyband.runtime import UserError, step_main

PARENT_CHECK_S = 0.5


def proxy_environment(environment: Mapping[str, str], proxy_url: str) -> dict[str, str]:
    """A copy of `environment` in which the archive's host, and nothing else, is reached through `proxy_url`.

    curl and GDAL read the lower-case name, other clients either; `no_proxy` might exempt the host.
    """
    kept = {name: value for name, value in environment.items() if name.lower() not in ("no_proxy", "http_proxy")}
    return kept | {"http_proxy": proxy_url, "HTTP_PROXY": proxy_url}


def run_beside(server: ArchiveServer, command: list[str]) -> int:
    """Run `command` with the archive within reach and return its exit status (128 + n when signal n ended it).

    Signals are handed on. When our own parent dies without a word (SIGKILL), the command is ended too.

    Raises:
        UserError: the command cannot be started.
    """
    try:
        child = subprocess.Popen(command, env=proxy_environment(os.environ, server.proxy_url))
    except OSError as error:
        raise UserError(f"cannot start {command[0]}: {error.strerror}") from None

    def hand_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    threading.Thread(target=end_with_parent, args=(child,), daemon=True).start()
    status = child.wait()
    return 128 - status if status < 0 else status


def end_with_parent(child: subprocess.Popen[bytes]) -> None:
    """Terminate `child` once this process has been left to another parent."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    child.terminate()


def serve_until_interrupted(server: ArchiveServer) -> None:
    """Say how to reach the archive, then wait for Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.stderr.write(f"{ROOT} is served: set http_proxy={server.proxy_url} to reach {HOST}; Ctrl-C ends\n")
    sys.stderr.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("ended\n")


def main() -> None:
    """Parse the command line, start the server, run."""
    parser = argparse.ArgumentParser(description="Run a command beside the embedded archive, or serve it.")
    parser.add_argument("archive", type=Path, help="folder of simulated sites")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1; 0 takes a free one")
    own, dashes, command = _split(sys.argv[1:])
    arguments = parser.parse_args(own)
    if dashes and not command:
        parser.error("no command after --")
    with ArchiveServer(arguments.archive, arguments.port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if command:
            sys.exit(run_beside(server, command))
        serve_until_interrupted(server)


def _split(arguments: list[str]) -> tuple[list[str], bool, list[str]]:
    """Our own arguments, whether a `--` follows, and the command behind it."""
    if "--" not in arguments:
        return arguments, False, []
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]


if __name__ == "__main__":
    step_main(main)
