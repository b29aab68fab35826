"""Write the report: one self-contained page and the folder of its tables and figures."""

import argparse
from pathlib import Path

from anyband.config import Config
from anyband.report.build import write_report
from anyband.runtime import step_main


def main() -> None:
    """Read the results folder and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Config.model_validate_json, required=True, help="configuration, one line")
    parser.add_argument("--results", type=Path, required=True, help="folder that all stages write to")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    parser.add_argument("--data", type=Path, required=True, help="folder for tables and figures")
    arguments = parser.parse_args()
    write_report(arguments.settings, arguments.results, arguments.out, arguments.data)


if __name__ == "__main__":
    step_main(main)
