"""Rule report: one self-contained page and the folder of its tables and figures."""

from anyband.config import Config
from anyband.report.build import write_report
from anyband.runtime import parse_options, step_main


def main() -> None:
    """Read the results folder and write the page."""
    arguments = parse_options(
        __doc__,
        "out",
        settings=Config,
        results="folder that all stages write to",
        data="folder to write tables and figures to",
    )
    write_report(arguments.settings, arguments.results, arguments.out, arguments.data)


if __name__ == "__main__":
    step_main(main)
