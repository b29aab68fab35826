"""Rule split: divide the chips of a dataset into blocks and splits, and certify that nothing leaks between them."""

import sys

from anyband.config import Dataset
from anyband.runtime import parse_options, step_main, write_json, write_text


def main() -> None:
    """Split, certify, write both files."""
    arguments = parse_options(
        __doc__, "chips", "out", settings=Dataset, certificate="leakage certificate to write, JSON"
    )

    from anyband.splits.division import split_chips, split_table
    from anyband.splits.index import survey_stores
    from anyband.splits.leakage import certify, summary

    settings: Dataset = arguments.settings
    survey = survey_stores(arguments.chips, sorted(settings.classes), settings.chip_m)
    block, split = split_chips(survey, settings.classes, settings.split)
    certificate = certify(survey, block, split, settings.classes, settings.split)
    sys.stderr.writelines(f"{line}\n" for line in summary(certificate))
    write_text(arguments.out, split_table(survey, block, split))
    write_json(arguments.certificate, certificate | {"sites": [store.stem for store in arguments.chips]})


if __name__ == "__main__":
    step_main(main)
