"""The command `anyband`: looks at results between the steps of the workflow.

Only typer is imported at first, so that help comes at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from anyband.runtime import step_main

app = typer.Typer(
    help="Looks at results of the anyband workflow.", pretty_exceptions_enable=False, add_completion=False
)


@app.callback(invoke_without_command=False)
def commands() -> None:
    """Looks at results of the anyband workflow."""


@app.command()
def pairs(
    dataset: Annotated[Optional[str], typer.Argument(help="Name in the config; the only one if left out.")] = None,  # noqa: UP045
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    plot: Annotated[Optional[Path], typer.Option(help="Figure to write: .png, .svg or .pdf.")] = None,  # noqa: UP045
) -> None:
    """Show how many pairs of scenes each site has, and why others were dropped."""
    from anyband.catalog.pair_summary import format_table, read_dataset

    name, sites = read_dataset(results, dataset)
    if plot is not None:
        from anyband.catalog.pair_figure import write_figure

        write_figure(plot, name, sites)
    sys.stdout.write(format_table(name, sites))


def main() -> None:
    """Run a command; mistakes of the user are one line."""
    step_main(app)


if __name__ == "__main__":
    main()
