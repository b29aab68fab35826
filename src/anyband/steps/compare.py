"""Rule compare: tables, intervals, tests and claims of an experiment from the stored confusion matrices."""

from anyband.config import ComparisonSettings
from anyband.runtime import parse_options, step_main
from anyband.statistics.cloud_weighted import what_clouds_leave
from anyband.statistics.comparison import write_comparison


def main() -> None:
    """Read every run of the experiment and write the folder of tables."""
    arguments = parse_options(
        __doc__,
        "out",
        settings=ComparisonSettings,
        runs="folder with {method}/seed-{seed}/confusion.csv",
        pairs={"required": False, "help": "folder of the tables of pairs; without it there is no third endpoint"},
        split={"required": False, "help": "table of splits, which goes with it"},
    )
    shares = what_clouds_leave(arguments.pairs, arguments.split) if arguments.pairs else None
    write_comparison(arguments.settings, arguments.runs, arguments.out, shares)


if __name__ == "__main__":
    step_main(main)
