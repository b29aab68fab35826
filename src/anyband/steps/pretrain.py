"""Rule pretrain: train the encoder of one method with one seed on pixels without labels."""

from anyband.config import Run
from anyband.methods import PRETRAINED
from anyband.runtime import parse_options, set_threads, step_main


def main() -> None:
    """Read the chips of the training and validation splits, pretrain, and write a folder that trainings start from."""
    arguments = parse_options(__doc__, "seed", "split", "chips", "threads", "out", settings=Run)
    set_threads(arguments.threads)

    from anyband.evaluation.inference import explained
    from anyband.training.train_run import train_run

    run: Run = arguments.settings
    run = run.model_copy(update={"method": run.method.model_copy(update={"model": PRETRAINED[run.method.model]})})
    train_run(run, arguments.seed, arguments.chips[0].parent, arguments.split, arguments.out, explained)


if __name__ == "__main__":
    step_main(main)
