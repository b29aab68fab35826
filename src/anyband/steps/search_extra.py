"""Step search_extra: as search, for the extra sensors of the embedded archive; one without scenes has no items."""

from anyband.catalog.providers import extra_sources
from anyband.config import Dataset
from anyband.products import EXTRA
from anyband.runtime import step_main
from anyband.steps.search import parse, search


def main() -> None:
    """Parse the command line, search, write."""
    arguments = parse("Search the scenes of extra sensors of one site.")
    search(arguments, Dataset.model_validate_json(arguments.settings), extra_sources(EXTRA))


if __name__ == "__main__":
    step_main(main)
