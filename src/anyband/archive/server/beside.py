"""A command beside the archive's server: it reaches the archive, gets our signals, and does not outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

from anyband.archive.server import ArchiveServer
from anyband.archive.server.environment import archive_environment
from anyband.archive.server.stac_api import HOST, ROOT
from anyband.runtime import UserError

PARENT_CHECK_S = 0.5


def run_beside(server: ArchiveServer, command: list[str]) -> int:
    """Run `command` with the archive within reach and return its exit status (128 + n when signal n ended it).

    Signals are handed on. When our own parent dies without a word (SIGKILL), the command is ended too.

    Raises:
        UserError: the command cannot be started.
    """
    try:
        child = subprocess.Popen(command, env=os.environ | archive_environment(server.proxy_url))
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
    variables = " ".join(f"{name}={value}" for name, value in archive_environment(server.proxy_url).items())
    sys.stderr.write(f"{ROOT} is served, Ctrl-C ends; to reach {HOST}, set {variables}\n")
    sys.stderr.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("ended\n")
