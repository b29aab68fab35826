"""Step serve: run a command beside the embedded archive, or serve it until interrupted.

python -m anyband.steps.serve results/archive/main -- python -m anyband.steps.search ...
python -m anyband.steps.serve results/archive/main --port 8080
python -m anyband.steps.serve results/archive/main --faults storm -- python -m anyband.steps.extract ...
"""

import argparse
import sys
import threading
from pathlib import Path

from anyband.archive.server import ArchiveServer
from anyband.archive.server.beside import run_beside, serve_until_interrupted
from anyband.runtime import step_main
from anyband.testing.faults import CALM, PLANS


def main() -> None:
    """Parse the command line, start the server, run."""
    parser = argparse.ArgumentParser(description="Run a command beside the embedded archive, or serve it.")
    parser.add_argument("archive", type=Path, help="folder of simulated sites")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1; 0 takes a free one")
    parser.add_argument("--faults", choices=sorted(PLANS), help="what goes wrong; nothing by default")
    before, dashes, command = sys.argv[1:], "--" in sys.argv, []
    if dashes:
        before, command = before[: before.index("--")], before[before.index("--") + 1 :]
    arguments = parser.parse_args(before)
    if dashes and not command:
        parser.error("no command after --")
    with ArchiveServer(arguments.archive, arguments.port, faults=PLANS.get(arguments.faults, CALM)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if command:
            sys.exit(run_beside(server, command))
        serve_until_interrupted(server)


if __name__ == "__main__":
    step_main(main)
