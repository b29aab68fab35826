"""Write the ledger of an experiment's trials, and the chosen settings as a preset."""

import argparse
from pathlib import Path

from anyband.runtime import step_main, write_csv, write_text
from anyband.tuning.model_traits import by_gradient
from anyband.tuning.trials import best_preset, read_ledger


def main() -> None:
    """Read all trials, choose, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiment", required=True)
    parser.add_argument("--trials-dir", type=Path, required=True, help="folder of the experiment's trials")
    parser.add_argument("--methods", nargs="+", required=True)
    parser.add_argument("--trials", type=int, required=True, help="number per method")
    parser.add_argument("--out", type=Path, required=True, help="the ledger, CSV")
    parser.add_argument("--best", type=Path, required=True, help="the preset, YAML")
    arguments = parser.parse_args()
    ledger = read_ledger(arguments.trials_dir, arguments.methods, arguments.trials, by_gradient)
    write_csv(arguments.out, ledger)
    write_text(arguments.best, best_preset(ledger, arguments.experiment, arguments.best))


if __name__ == "__main__":
    step_main(main)
