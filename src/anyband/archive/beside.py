"""A command beside the archive's server: it reaches the archive, gets our signals, and does not outlive us."""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from anyband.archive.http_server import ArchiveServer
from anyband.archive.stac_items import BASE
from anyband.runtime import UserError

PARENT_CHECK_S = 0.5
GDAL_PROXIES = ("GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY")
"""Variables of a company's proxy, which GDAL would ask in place of the archive."""


def serve_from_command_line(
    parser: argparse.ArgumentParser, make_server: Callable[[argparse.Namespace], ArchiveServer]
) -> None:
    """Parse `ARCHIVE [--port N] [own options of parser] [-- COMMAND]`, serve, and run the command or wait for Ctrl-C.

    Raises:
        SystemExit: with the exit status of the command.
    """
    parser.add_argument("archive", type=Path, help="folder of simulated sites")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1; 0 takes a free one")
    own = sys.argv[1:]
    dashes = own.index("--") if "--" in own else len(own)
    own, command = own[:dashes], own[dashes + 1 :]
    arguments = parser.parse_args(own)
    if "--" in sys.argv and not command:
        parser.error("no command after --")
    with make_server(arguments) as server:
        if command:
            sys.exit(run_beside(server, command))
        serve_until_interrupted(server)


def run_beside(server: ArchiveServer, command: list[str]) -> int:
    """Run `command` with the archive within reach and return its exit status (128 + n when signal n ended it).

    Signals are handed on. When our own parent dies without a word (SIGKILL), the command is ended too.

    Raises:
        UserError: the command cannot be started.
    """
    try:
        others = {name: value for name, value in os.environ.items() if name not in GDAL_PROXIES}
        child = subprocess.Popen(command, env=others | server.environment)
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
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell may have us ignore the latter in the background
        signal.signal(number, signal.default_int_handler)
    variables = " ".join(f"{name}={value}" for name, value in server.environment.items())
    roots = ", ".join(api.root for api in server.apis.values())
    sys.stderr.write(f"Serving {roots}; Ctrl-C ends. To reach {BASE}, set {variables}\n")
    sys.stderr.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("ended\n")
