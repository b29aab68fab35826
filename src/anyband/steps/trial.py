"""Train one method with the settings of one trial of the search."""

import argparse
from pathlib import Path

from anyband.config import Run
from anyband.runtime import set_threads, step_main


def main() -> None:
    """Draw the trial's settings, train on the training split, and score the validation split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Run.model_validate_json, required=True, help="of the configuration, JSON")
    parser.add_argument("--trial", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True, help="of the draws and of the training")
    parser.add_argument("--split", type=Path, required=True, help="table of splits")
    parser.add_argument("--chips", type=Path, nargs="+", required=True, help="chip stores, all in one folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the trial")
    arguments = parser.parse_args()
    set_threads(arguments.threads)

    from anyband.evaluation.validation import validation_score
    from anyband.training.train_run import train_run
    from anyband.tuning.model_traits import by_gradient, own_space
    from anyband.tuning.space import draw

    model = arguments.settings.method.model
    run = draw(arguments.settings, arguments.trial, arguments.seed, own_space(model), by_gradient(model))
    train_run(run, arguments.seed, arguments.chips[0].parent, arguments.split, arguments.out, validation_score)


if __name__ == "__main__":
    step_main(main)
