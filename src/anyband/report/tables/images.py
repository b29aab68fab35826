"""The table of how close translated images come to real ones."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table

COLUMNS = (
    Column("Band", numeric=False),
    Column("Method", numeric=False),
    Column("RMSE × 100", hint="of reflectance"),
    Column("PSNR, dB", hint="against a peak reflectance of 1"),
    Column("SSIM", hint="mean over windows; values of different bands do not compare"),
    Column("ERGAS", hint="relative global error, 0 is perfect"),
    Column("SAM, degrees", hint="spectral angle over all bands"),
)


def images(frames: Mapping[str, pd.DataFrame], design: Mapping[str, Any]) -> Table:
    """Scores by band, the methods of a band beneath each other; no rows where no method translates."""
    table = frames["image_scores"]
    known = set(table["method"])
    methods = [method for method in design["methods"] if method in known]
    bands = sorted(dict.fromkeys(table["band"]), key=lambda band: band != "all")
    found = table.set_index(["band", "method"])
    rows = [
        _row(band, method, found.loc[(band, method)], design)
        for band in bands
        for method in methods
        if (band, method) in found.index
    ]
    plural = form.plural(len(design["seeds"]), "seed")
    return Table("image-scores", "Translated images",
                 "Landsat translated to Sentinel-2 against the Sentinel-2 image of the same pair, over the test chips "
                 f"where both saw the ground; mean over {plural}. The two were taken at different times, so change "
                 "counts as error. A better image need not make a better map: the scores of the maps are in the other "
                 "tables.", COLUMNS, rows)  # fmt: skip


def _row(band: str, method: str, row: pd.Series, design: Mapping[str, Any]) -> list[Cell]:
    label = design["labels"][method]
    numbers = {
        "rmse": form.decimal(100 * row["rmse"]),
        "psnr_db": form.decimal(row["psnr_db"], 1),
        "ssim": form.decimal(row["ssim"], 3),
        "ergas": form.decimal(row["ergas"]),
        "sam_deg": form.decimal(row["sam_deg"]),
    }
    name = "all bands" if band == "all" else band
    return [
        Cell(name, value=name),
        Cell(label, value=label, method=method),
        *(Cell(text, value=float(row[key])) for key, text in numbers.items()),
    ]
