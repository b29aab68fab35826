"""The command `anyband`: maps scenes, looks at results between the steps of the workflow, and searches settings.

Only typer is imported at first, so that help comes at once.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Optional

import typer

from anyband.runtime import UserError, check_output, own_files, step_main

app = typer.Typer(
    help="Maps scenes with trained models, and looks at results of the anyband workflow.",
    pretty_exceptions_enable=False,
    add_completion=False,
)


Box = tuple[float, float, float, float]
MASK = "Use what lies under a mask whose values nothing explains."
BANDS = "YAML file of what the bands of local GeoTIFFs are; see docs/predict.md."
BOX = "West, south, east, north in degrees; all ground that the items share if left out."


@app.callback(invoke_without_command=False)
def commands() -> None:
    """Maps scenes with trained models, and looks at results of the anyband workflow."""


@app.command()
def init(study: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Make a folder in which the workflow runs: settings, sites, presets, profiles, and a Snakefile of a few lines."""
    from anyband.study import make_study

    make_study(study)
    sys.stdout.write(f"written: {study}; now: cd {study} && snakemake --cores 8 all\n")


@app.command()
def pairs(
    dataset: Annotated[Optional[str], typer.Argument(help="Name in the config; the only one if left out.")] = None,  # noqa: UP045
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    plot: Annotated[Optional[Path], typer.Option(help="Figure to write: .png, .svg or .pdf.")] = None,  # noqa: UP045
) -> None:
    """Show how many pairs of scenes each site has, and why others were dropped."""
    from anyband.catalog.pairs.pair_summary import format_table, read_dataset, write_figure

    name, sites = read_dataset(results, dataset)
    if plot is not None:
        check_output("--plot", plot, (results / "pairs").rglob("*.*"))
        write_figure(plot, name, sites)
    sys.stdout.write(format_table(name, sites))


@app.command()
def verify(
    dataset: Annotated[str, typer.Argument(help="Name in the config.")] = "main",
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    sample: Annotated[int, typer.Option(min=1, help="Chips of each site that are read again.")] = 2,
) -> None:
    """Read chips from their sources again, by another reader, and compare every pixel; status 1 when one differs."""
    from anyband.chips.verify import verify_store

    stores = own_files(results / "chips" / dataset, "*.zarr")
    if not stores:
        raise UserError(f"{results / 'chips' / dataset} has no chips: run the workflow first, or name another dataset")
    archive = results / "archive" / dataset
    with served(archive) if archive.is_dir() else nullcontext():
        found = [verify_store(store, sample) for store in stores]
    problems = [line for result in found for line in result.problems]
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    chips, layers = sum(result.chips for result in found), sum(result.layers for result in found)
    sys.stdout.write(f"{dataset}: {layers} layers of {chips} chips at {len(stores)} sites, {len(problems)} differ\n")
    raise typer.Exit(code=bool(problems))


@app.command()
def tune(
    experiment: Annotated[str | None, typer.Argument(help="Name in the config; all of target all.")] = None,  # noqa: UP045
    methods: Annotated[str, typer.Option(help="Some of its methods, with commas between them.")] = "",
    cores: Annotated[str, typer.Option(help="Processor cores, a number or all.")] = "all",
    configfile: Annotated[Optional[list[Path]], typer.Option(help="A preset; may be given again.")] = None,  # noqa: UP045
) -> None:
    """Search settings for every method, the same number of trials each, and show the ledger."""
    from anyband.tuning.trials import tune as run_trials

    chosen = [name.strip() for name in methods.split(",") if name.strip()]
    for text in run_trials(experiment, chosen, cores, configfile or []):
        sys.stdout.write(text)


@app.command()
def predict(
    items: Annotated[list[str], typer.Argument(help="STAC items, several are fused; or GeoTIFFs with --bands.")],
    model: Annotated[Path, typer.Option(help="Folder of a trained run: results/runs/main/anyband/seed-0.")],
    out: Annotated[Path, typer.Option(help="GeoTIFF of classes to write.")],
    probabilities: Annotated[Optional[Path], typer.Option(help="GeoTIFF of a band per class.")] = None,  # noqa: UP045
    gsd: Annotated[float, typer.Option(help="Pixel of the maps, metres.")] = 10.0,
    bbox: Annotated[Optional[Box], typer.Option(help=BOX)] = None,  # noqa: UP045
    bands: Annotated[Optional[Path], typer.Option(help=BANDS)] = None,  # noqa: UP045
    ignore_mask: Annotated[bool, typer.Option("--ignore-mask", help=MASK)] = False,
) -> None:
    """Map the classes of an optical scene of any sensor whose item describes its bands."""
    from anyband.apply.predict import predict_items

    with reachable(items):
        grid = predict_items(items, model, out, probabilities, gsd, bbox, bands, ignore_mask)
    sys.stdout.write(f"{out}: {grid.width} x {grid.height} pixels of {grid.affine.a:g} m, {grid.crs}\n")


@app.command()
def harmonise(
    item: Annotated[str, typer.Argument(help="STAC item, file or address.")],
    to: Annotated[str, typer.Option(help="Platform to predict: sentinel-2a, landsat-9, ...")],
    out: Annotated[Path, typer.Option(help="GeoTIFF to write.")],
    method: Annotated[str, typer.Option(help="bandpass, analytic, translation or learned.")] = "bandpass",
    model: Annotated[Optional[Path], typer.Option(help="Run that the method needs, if any.")] = None,  # noqa: UP045
    resampling: Annotated[str, typer.Option(help="cubic or linear.")] = "cubic",
    bbox: Annotated[Optional[Box], typer.Option(help=BOX)] = None,  # noqa: UP045
    bands: Annotated[Optional[Path], typer.Option(help=BANDS)] = None,  # noqa: UP045
    ignore_mask: Annotated[bool, typer.Option("--ignore-mask", help=MASK)] = False,
) -> None:
    """Predict the pixels of one sensor from an acquisition of another."""
    from anyband.apply.harmonise import harmonise_item

    with reachable([item]):
        grid = harmonise_item(item, to, out, method, model, resampling, bbox, bands, ignore_mask)
    sys.stdout.write(f"{out}: {grid.width} x {grid.height} pixels of {grid.affine.a:g} m, {grid.crs}\n")


@app.command()
def harmonise_score(
    converter: Annotated[list[str], typer.Option(help="NAME, or NAME=RUN; may be given again.")],
    source: Annotated[str, typer.Option(help="Product at hand.")] = "landsat",
    target: Annotated[str, typer.Option(help="Product that is predicted.")] = "sentinel2",
    dataset: Annotated[str, typer.Option(help="Name in the config.")] = "main",
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results"),
    out: Annotated[Optional[Path], typer.Option(help="CSV to write.")] = None,  # noqa: UP045
) -> None:
    """Compare what converters predict on test chips with what the other sensor saw there."""
    from anyband.apply.harmonise_score import score
    from anyband.runtime import write_csv

    splits = results / "splits" / f"{dataset}.csv"
    if out is not None:
        check_output("--out", out, [splits])
    table = score(results / "chips" / dataset, splits, source, target, converter)
    if out is not None:
        write_csv(out, table.round(6))
    sys.stdout.write(table.round(4).to_string(index=False, na_rep="-") + "\n")


@app.command()
def compare_runs(
    first: Annotated[Path, typer.Argument(help="Folder of results with a report, or its report_data.")],
    second: Annotated[Path, typer.Argument(help="The same of another run.")],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("compare-runs.html"),
) -> None:
    """Write one page of what changed between two runs: data, settings, code, results."""
    from anyband.report.compare_runs import compare_runs as write_page

    read = [path for folder in (first, second) for path in (*folder.glob("*.*"), *folder.glob("report_data/**/*.*"))]
    check_output("--out", out, read)
    lines = write_page(first, second, out)
    sys.stdout.write("\n".join([*lines, f"written: {out}", ""]))


def reachable(items: list[str]) -> AbstractContextManager[None]:
    """Serve the embedded archive that item files are of, `{archive}/{site}/items/{collection}/{item}.json`, if any."""
    for item in items:
        path = Path(item).resolve()
        if path.is_file() and path.parts[-3] == "items" and (path.parents[2] / "simulation.json").is_file():
            return served(path.parents[3])
    return nullcontext()


@contextmanager
def served(archive: Path) -> Iterator[None]:
    """Make the embedded archive reachable by this process, as the rules do for theirs."""
    from anyband.archive.http_server import GDAL_PROXIES, ArchiveServer

    with ArchiveServer(archive) as server:
        for name in GDAL_PROXIES:
            os.environ.pop(name, None)
        os.environ.update(server.environment)
        yield


def main() -> None:
    """Run a command; mistakes of the user are one line."""
    step_main(app)


if __name__ == "__main__":
    main()
