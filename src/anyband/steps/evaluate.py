"""Score trained runs on the test split under every condition."""

import argparse
from pathlib import Path

from anyband.config import Evaluation
from anyband.runtime import set_threads, step_main


def main() -> None:
    """Load each run, map the test chips, and write its tables beside its weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Evaluation.model_validate_json, required=True, help="one line of JSON")
    parser.add_argument("--split", type=Path, required=True, help="table of splits")
    parser.add_argument("--chips", type=Path, nargs="+", required=True, help="chip stores, all in one folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--run", type=Path, nargs="+", required=True, help="folders of trained runs")
    arguments = parser.parse_args()
    set_threads(arguments.threads)

    from anyband.evaluation.evaluate_run import evaluate_run

    for directory in arguments.run:
        evaluate_run(directory, arguments.chips[0].parent, arguments.split, tuple(arguments.settings.conditions))


if __name__ == "__main__":
    step_main(main)
