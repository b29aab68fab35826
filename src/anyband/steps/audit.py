"""Rule audit: compare the products of every pair with each other and stop when metadata and pixels contradict."""

from anyband.config import Dataset
from anyband.runtime import UserError, parse_options, remove, step_main, write_json


def main() -> None:
    """Audit and write the findings; those of a stop go to {out}.failed.json."""
    arguments = parse_options(__doc__, "chips", "out", settings=Dataset)

    from anyband.audit.gate import audit_stores, stop_line

    failed = arguments.out.with_suffix(".failed.json")
    document = audit_stores(arguments.chips, arguments.settings.chip_m)
    line = stop_line(document, str(failed))
    write_json(arguments.out if line is None else failed, document)
    remove(failed if line is None else arguments.out)
    if line is not None:
        raise UserError(line)


if __name__ == "__main__":
    step_main(main)
