"""Rule compare: tables, intervals, tests and claims of an experiment from the stored confusion matrices."""

from anyband.config import ComparisonSettings
from anyband.runtime import parse_options, step_main
from anyband.statistics.comparison import write_comparison


def main() -> None:
    """Read every run of the experiment and write the folder of tables."""
    arguments = parse_options(
        __doc__, "out", settings=ComparisonSettings, runs="folder with {method}/seed-{seed}/confusion.csv"
    )
    write_comparison(arguments.settings, arguments.runs, arguments.out)


if __name__ == "__main__":
    step_main(main)
