"""Compare the methods of an experiment: tables, intervals, tests and claims from the stored confusion matrices."""

import argparse
from pathlib import Path

from anyband.config import Comparison
from anyband.runtime import step_main
from anyband.statistics.write import write_comparison


def main() -> None:
    """Read every run of the experiment and write the folder of tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Comparison.model_validate_json, required=True, help="one line of JSON")
    parser.add_argument("--runs", type=Path, required=True, help="folder with {method}/seed-{seed}/confusion.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    write_comparison(arguments.settings, arguments.runs, arguments.out)


if __name__ == "__main__":
    step_main(main)
