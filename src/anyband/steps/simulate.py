"""Step simulate: all scenes of one site of the embedded archive.

python -m anyband.steps.simulate --site aspen --settings '{"extent_m": 3840}' --out results/archive/main/aspen
"""

import argparse
import sys
from pathlib import Path

from anyband.archive.place import simulate_place
from anyband.config import Dataset
from anyband.runtime import UserError, step_main
from anyband.simulation.places import load_places


def main() -> None:
    """Read the arguments, simulate the site, say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", required=True, help="a place of the embedded archive")
    parser.add_argument("--settings", required=True, help="JSON of a dataset: simulation, extent_m")
    parser.add_argument("--out", required=True, type=Path, help="results/archive/{dataset}/{site}")
    arguments = parser.parse_args()
    places = {place.name: place for place in load_places()}
    if arguments.site not in places:
        known = ", ".join(places)
        raise UserError(f"site {arguments.site!r} is not a place of the embedded archive; choose from {known}")
    settings = Dataset.model_validate_json(arguments.settings)
    simulate_place(
        places[arguments.site], settings.simulation, arguments.out, settings.extent_m, arguments.out.parent.name
    )
    sys.stderr.write(f"simulated {arguments.site}: {arguments.out}\n")


if __name__ == "__main__":
    step_main(main)
