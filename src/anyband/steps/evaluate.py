"""Rule evaluate: score trained runs on the test split under every condition."""

from pathlib import Path

from anyband.config import Evaluation
from anyband.runtime import parse_options, set_threads, step_main


def main() -> None:
    """Load each run, map the test chips, and write its tables beside its weights."""
    run = {"nargs": "+", "type": Path, "help": "folders of trained runs"}
    arguments = parse_options(__doc__, "split", "chips", "threads", settings=Evaluation, run=run)
    set_threads(arguments.threads)

    from anyband.evaluation.evaluate_run import evaluate_run

    for directory in arguments.run:
        evaluate_run(directory, arguments.chips[0].parent, arguments.split, tuple(arguments.settings.conditions))


if __name__ == "__main__":
    step_main(main)
