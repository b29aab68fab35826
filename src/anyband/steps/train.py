"""Rule train: train one method with one seed."""

from pathlib import Path

from anyband.config import Run
from anyband.runtime import parse_options, set_threads, step_main


def main() -> None:
    """Read the chips of the training and validation splits, train, and write the run's folder."""
    pretrained = {"required": False, "type": Path, "help": "folder of a pretraining to start from"}
    arguments = parse_options(__doc__, "seed", "split", "chips", "threads", "out", settings=Run, pretrained=pretrained)
    set_threads(arguments.threads)

    from anyband.evaluation.inference import validation_score
    from anyband.training.train_run import train_run

    chips, split, out = arguments.chips[0].parent, arguments.split, arguments.out
    train_run(arguments.settings, arguments.seed, chips, split, out, validation_score, arguments.pretrained)


if __name__ == "__main__":
    step_main(main)
