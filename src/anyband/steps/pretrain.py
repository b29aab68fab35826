"""Pretrain the encoder of one method with one seed, on pixels without labels."""

import argparse
from pathlib import Path

from anyband.config import Run
from anyband.methods import PRETRAINED
from anyband.runtime import set_threads, step_main


def main() -> None:
    """Read the chips of the training and validation splits, pretrain, and write a folder that trainings start from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Run.model_validate_json, required=True, help="one line of JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--split", type=Path, required=True, help="table of splits")
    parser.add_argument("--chips", type=Path, nargs="+", required=True, help="chip stores, all in one folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pretraining")
    arguments = parser.parse_args()
    set_threads(arguments.threads)

    from anyband.evaluation.pretraining_score import explained
    from anyband.training.train_run import train_run

    run: Run = arguments.settings
    run = run.model_copy(update={"method": run.method.model_copy(update={"model": PRETRAINED[run.method.model]})})
    train_run(run, arguments.seed, arguments.chips[0].parent, arguments.split, arguments.out, explained)


if __name__ == "__main__":
    step_main(main)
