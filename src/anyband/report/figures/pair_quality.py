"""F12: how well the two scenes of the kept pairs go together: time, clouds, registration, sun and view."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from anyband.report.figures.results import canvas
from anyband.report.records import DataRecord
from anyband.report.svg import MUTED

MIN_SHIFT_QUALITY = 0.5
"""As in the audit: below it the pixels do not tell how the scenes lie to each other."""
ABSENT = "not in the items"
PANELS = (
    ("day_gap", "whole days between the scenes", ABSENT),
    ("clear_percent", "clear in both scenes, % of the site", ABSENT),
    ("shift_m", "Landsat lies off Sentinel-2 by, m", "no audit with a measured shift"),
    ("sun_difference_deg", "sun zenith, Landsat minus Sentinel-2, °", ABSENT),
    ("view_sentinel2_deg", "view zenith of Sentinel-2, °", ABSENT),
    ("view_landsat_deg", "view zenith of Landsat, °", ABSENT),
)
"""Column, axis, and what stands in a panel without values."""


def pair_table(data: DataRecord) -> pd.DataFrame:
    """A row for each kept pair and a float column for each of `PANELS`; NaN where nobody says.

    Angles are those of whole scenes. The shift is what the audit measured in the pixels.
    """
    pairs = data.pairs
    keys = list(zip(pairs["site"], pairs["pair"].astype(int), strict=True))
    shifts = _shifts(data.audit)
    table = pd.DataFrame({"day_gap": np.floor(pairs["day_gap"].to_numpy(dtype=float))})
    table["clear_percent"] = 100 * pairs["clear_joint"].to_numpy(dtype=float)
    table["shift_m"] = [shifts.get(key, np.nan) for key in keys]
    sun = {name: pd.to_numeric(pairs[f"sun_zenith_{name}"]).to_numpy(float) for name in ("sentinel2", "landsat")}
    table["sun_difference_deg"] = sun["landsat"] - sun["sentinel2"]
    for product in ("sentinel2", "landsat"):
        angles = _view_zeniths(data.manifests, product)
        table[f"view_{product}_deg"] = [angles.get(str(name), np.nan) for name in pairs[product]]
    return table


def _shifts(audit: Mapping[str, Any]) -> dict[tuple[str, int], float]:
    """Metres between Landsat and Sentinel-2 by site and pair, where the pixels tell."""
    found = {}
    for site, content in audit.get("sites", {}).items():
        for pair in content["pairs"]:
            shift = pair["comparisons"].get("sentinel2-landsat", {}).get("shift")
            if shift and shift["quality"] >= MIN_SHIFT_QUALITY:
                found[site, int(pair["pair"])] = float(shift["distance_m"])
    return found


def _view_zeniths(manifests: Mapping[tuple[str, str], Mapping[str, Any]], product: str) -> dict[str, float]:
    """Degrees by item, as pairing reads them: the angle at the ground, or else that at the satellite."""
    found = {}
    for (_, name), manifest in manifests.items():
        for item in manifest["items"] if name == product else ():
            properties = item["properties"]
            angle = properties.get("view:incidence_angle", properties.get("view:off_nadir"))
            if angle is not None:
                found[str(item["id"])] = float(angle)
    return found


def pair_quality(table: pd.DataFrame, width: int) -> Figure:
    """Histograms of the columns of `pair_table`; a panel without values says so."""
    wide = width > 500
    columns, rows = (3, 2) if wide else (1, len(PANELS))
    figure, axes = canvas(width, 215 * rows, (46, 10, 10, 46), columns, rows)
    figure.subplots_adjust(wspace=0.24, hspace=0.38)
    for panel, (column, name, otherwise) in zip(axes, PANELS, strict=True):
        values = table[column].dropna().to_numpy(dtype=float)
        panel.set_xlabel(name)
        if not len(values):
            _say(panel, otherwise)
        elif column == "clear_percent":
            panel.hist(values, bins=[10.0 * k for k in range(11)], color=MUTED, rwidth=0.86)
        else:
            _whole_numbers(panel, values)
        panel.set_ylabel("pairs" if len(values) else "")
        panel.grid(axis="y")
    return figure


def _whole_numbers(panel: Axes, values: np.ndarray) -> None:
    """A bar for each whole number, of the values nearest to it."""
    numbers, counts = np.unique(np.rint(values), return_counts=True)
    panel.bar(numbers, counts, width=0.72, color=MUTED)
    panel.set_xlim(numbers.min() - 0.8, max(numbers.max(), numbers.min() + 3) + 0.8)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=panel.transAxes)
    panel.set_xticks([])
    panel.set_yticks([])
