"""Step serve: run a command beside the embedded archive, or serve it until interrupted.

python -m anyband.steps.serve results/archive/main -- python -m anyband.steps.search ...
python -m anyband.steps.serve results/archive/main --port 8080
"""

import argparse

from anyband.archive.http_server import ArchiveServer, serve_from_command_line
from anyband.runtime import step_main


def main() -> None:
    """Parse the command line, start the server, run."""
    parser = argparse.ArgumentParser(description="Run a command beside the embedded archive, or serve it.")
    serve_from_command_line(parser, lambda arguments: ArchiveServer(arguments.archive, arguments.port))


if __name__ == "__main__":
    step_main(main)
