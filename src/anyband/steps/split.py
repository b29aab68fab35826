"""Rule split: divide the chips of a dataset into blocks and splits, and certify that nothing leaks between them."""

import argparse
import sys
from pathlib import Path

from anyband.runtime import step_main


def main() -> None:
    """Read the command line, split, certify, write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: chip_m, classes and split of the dataset")
    parser.add_argument("--chips", required=True, nargs="+", type=Path, help="chip stores of all sites")
    parser.add_argument("--out", required=True, type=Path, help="table of splits, CSV")
    parser.add_argument("--certificate", required=True, type=Path, help="leakage certificate, JSON")
    arguments = parser.parse_args()

    from anyband.config import Dataset
    from anyband.runtime import write_json, write_text
    from anyband.splits.division import split_chips, split_table
    from anyband.splits.index import survey_stores
    from anyband.splits.leakage import certify, summary

    settings = Dataset.model_validate_json(arguments.settings)
    survey = survey_stores(arguments.chips, sorted(settings.classes), settings.chip_m)
    block, split = split_chips(survey, settings.classes, settings.split)
    certificate = certify(survey, block, split, settings.classes, settings.split)
    sys.stderr.writelines(f"{line}\n" for line in summary(certificate))
    write_text(arguments.out, split_table(survey, block, split))
    write_json(arguments.certificate, certificate | {"sites": [store.stem for store in arguments.chips]})


if __name__ == "__main__":
    step_main(main)
