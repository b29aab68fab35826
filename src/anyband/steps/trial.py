"""Rule trial: train one method with the settings of one trial of the search."""

from anyband.config import Run
from anyband.runtime import parse_options, set_threads, step_main


def main() -> None:
    """Draw the trial's settings, train on the training split, and score the validation split."""
    trial = {"type": int, "help": "number of the trial; 0 is the configuration as it is"}
    arguments = parse_options(__doc__, "seed", "split", "chips", "threads", "out", settings=Run, trial=trial)
    set_threads(arguments.threads)

    from anyband.evaluation.inference import validation_score
    from anyband.training.train_run import train_run
    from anyband.tuning.space import by_gradient, draw, own_space

    model = arguments.settings.method.model
    run = draw(arguments.settings, arguments.trial, arguments.seed, own_space(model), by_gradient(model))
    train_run(run, arguments.seed, arguments.chips[0].parent, arguments.split, arguments.out, validation_score)


if __name__ == "__main__":
    step_main(main)
