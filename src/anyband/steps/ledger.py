"""Rule ledger: the ledger of an experiment's trials, and the chosen settings as a preset."""

from anyband.runtime import parse_options, step_main, write_csv, write_text
from anyband.tuning.trials import best_preset, read_ledger


def main() -> None:
    """Read all trials, choose, and write both files."""
    arguments = parse_options(
        __doc__,
        "out",
        experiment={"type": str, "help": "key of experiments"},
        trials_dir="folder of the experiment's trials",
        methods={"type": str, "nargs": "+", "help": "keys of methods"},
        trials={"type": int, "help": "number per method"},
        best="the preset to write, YAML",
    )
    ledger = read_ledger(arguments.trials_dir, arguments.methods, arguments.trials)
    write_csv(arguments.out, ledger)
    write_text(arguments.best, best_preset(ledger, arguments.experiment, arguments.best))


if __name__ == "__main__":
    step_main(main)
