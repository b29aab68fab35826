"""Train one method with one seed."""

import argparse
from pathlib import Path

from anyband.config import Run
from anyband.runtime import set_threads, step_main


def main() -> None:
    """Read the chips of the training and validation splits, train, and write the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Run.model_validate_json, required=True, help="one line of JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--split", type=Path, required=True, help="table of splits")
    parser.add_argument("--chips", type=Path, nargs="+", required=True, help="chip stores, all in one folder")
    parser.add_argument("--pretrained", type=Path, help="folder of a pretraining to start from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    arguments = parser.parse_args()
    set_threads(arguments.threads)

    from anyband.evaluation.validation import validation_score
    from anyband.training.train_run import train_run

    chips = arguments.chips[0].parent
    train_run(
        arguments.settings,
        arguments.seed,
        chips,
        arguments.split,
        arguments.out,
        validation_score,
        arguments.pretrained,
    )


if __name__ == "__main__":
    step_main(main)
