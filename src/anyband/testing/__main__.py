"""Serve an archive of simulated scenes as other providers would, or run a command beside it.

python -m anyband.testing results/archive/main
python -m anyband.testing results/archive/main --faults storm --traps tier-2,mgrs-overlap -- COMMAND ...
"""

import argparse

from anyband.archive.http_server import serve_from_command_line
from anyband.runtime import step_main
from anyband.testing.faults import CALM, PLANS
from anyband.testing.provider_server import ProviderServer


def main() -> None:
    """Parse the command line, start the server, run."""
    parser = argparse.ArgumentParser(prog="python -m anyband.testing", description=__doc__.splitlines()[0])
    parser.add_argument("--faults", choices=sorted(PLANS), help="what goes wrong; nothing by default")
    parser.add_argument("--traps", default="", help="changes of what is served, with commas between them")
    serve_from_command_line(
        parser,
        lambda given: ProviderServer(
            given.archive, given.port, tuple(filter(None, given.traps.split(","))), PLANS.get(given.faults, CALM)
        ),
    )


if __name__ == "__main__":
    step_main(main)
