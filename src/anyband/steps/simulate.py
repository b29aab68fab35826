"""Rule simulate: all scenes of one site of the embedded archive.

python -m anyband.steps.simulate --site aspen --settings '{"extent_m": 3840}' --out results/archive/main/aspen
"""

import sys

from anyband.archive.place import simulate_place
from anyband.config import Dataset
from anyband.runtime import UserError, parse_options, step_main
from anyband.simulation.places import load_places


def main() -> None:
    """Simulate the site and say what was written."""
    arguments = parse_options(__doc__, "site", "out", settings=Dataset)
    places = {place.name: place for place in load_places()}
    if arguments.site not in places:
        known = ", ".join(places)
        raise UserError(f"site {arguments.site!r} is not a place of the embedded archive; choose from {known}")
    place, settings, out = places[arguments.site], arguments.settings, arguments.out
    simulate_place(place, settings.simulation, out, settings.extent_m, out.parent.name)
    sys.stderr.write(f"simulated {arguments.site}: {out}\n")


if __name__ == "__main__":
    step_main(main)
