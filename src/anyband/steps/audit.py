"""Rule audit: compare the products of every pair with each other and stop when metadata and pixels contradict."""

import argparse
from pathlib import Path

from anyband.runtime import step_main


def main() -> None:
    """Read the command line, audit, write the findings; those of a stop go to {out}.failed.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: chip_m of the dataset")
    parser.add_argument("--chips", required=True, nargs="+", type=Path, help="chip stores of all sites")
    parser.add_argument("--out", required=True, type=Path, help="findings, JSON")
    arguments = parser.parse_args()

    from anyband.audit.gate import audit_stores, stop_line
    from anyband.config import Dataset
    from anyband.runtime import UserError, remove, write_json

    settings = Dataset.model_validate_json(arguments.settings)
    failed = arguments.out.with_suffix(".failed.json")
    document = audit_stores(arguments.chips, settings.chip_m)
    line = stop_line(document, str(failed))
    write_json(arguments.out if line is None else failed, document)
    remove(failed if line is None else arguments.out)
    if line is not None:
        raise UserError(line)


if __name__ == "__main__":
    step_main(main)
