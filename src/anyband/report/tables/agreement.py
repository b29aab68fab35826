"""The audit's figures: how far corresponding bands of the products agree, and what stood out."""

from collections.abc import Mapping, Sequence
from typing import Any

from anyband.products import PRODUCTS
from anyband.report import formatting as form
from anyband.report.records import DataRecord
from anyband.report.tables.table import Cell, Column, Table

ORDER = ("sentinel2-landsat", "sentinel2-hls_s30", "landsat-hls_l30")
BANDS = (
    "B01", "coastal", "B02", "blue", "B03", "green", "B04", "red", "B05", "B06", "B07", "B08", "B8A", "nir08", "B11",
    "swir16", "B12", "swir22",
)  # fmt: skip
"""By wavelength, which the names do not follow."""
SHOWN = 10
"""Remarks that are listed under the table; the file has all."""


def audit_tables(data: DataRecord) -> list[Table]:
    """The table of the audit; none for a dataset whose audit is not at hand or compared nothing."""
    medians = data.audit.get("dataset", {}).get("medians", {})
    rows = [
        _row(name, band, figures, first=position == 0)
        for name in ORDER
        for position, (band, figures) in enumerate(sorted(medians.get(name, {}).items(), key=_by_wavelength))
    ]
    if not rows:
        return []
    columns = [Column("Products", numeric=False), Column("Band of the first", numeric=False), Column("Pairs"),
               Column("Bias", hint="second minus first, reflectance"), Column("RMSE", hint="reflectance"), Column("r"),
               Column("Slope", hint="reduced major axis, second against first")]  # fmt: skip
    caption = (
        "Corresponding bands on clear, stable cells of 60 m; median over the pairs. Bias is the second product minus "
        "the first, in reflectance; the slope is that of the reduced major axis. A run stops before splits are made "
        "when a pair contradicts its metadata: an offset or a scale that the pixels do not have, exchanged bands, "
        "other ground, a shifted grid."
    )
    return [Table(f"audit-{data.name}", "Radiometric and geometric audit", caption, columns, rows,
                  notes=_notes(data.audit), sortable=False)]  # fmt: skip


def _by_wavelength(entry: tuple[str, Mapping[str, float]]) -> int:
    return BANDS.index(entry[0])


def _row(name: str, band: str, figures: Mapping[str, float], first: bool) -> list[Cell]:
    products = " and ".join(PRODUCTS[product].name for product in name.split("-")) if first else ""
    values = [figures.get(key) for key in ("bias", "rmse", "r", "rma_slope")]
    texts = [
        form.DASH if value is None else f"{value:{style}}".replace("-", form.MINUS)
        for value, style in zip(values, ("+.4f", ".4f", ".3f", ".3f"), strict=True)
    ]
    cells = [Cell(text, value=value) for text, value in zip(texts, values, strict=True)]
    return [Cell(products), Cell(band), Cell(form.count(figures["pairs"]), value=float(figures["pairs"])), *cells]


def _notes(audit: Mapping[str, Any]) -> list[str]:
    summary = audit["dataset"]
    verdicts = ", ".join(f"{name} {number}" for name, number in sorted(summary["verdicts"].items()))
    notes = [f"Verdicts of {form.plural(summary['pairs'], 'pair')}: {verdicts}."]
    offset = ", ".join(f"{name} in {number}" for name, number in sorted(summary["offset"].items()))
    notes.append(f"Offset of Sentinel-2 by the pixels: {offset}.")
    shift = summary["shift"]
    if shift["pairs"]:
        across, along = "east" if shift["east_m"] >= 0 else "west", "south" if shift["south_m"] >= 0 else "north"
        notes.append(
            f"Median over {form.plural(shift['pairs'], 'pair')} of what Landsat has to move to lie on Sentinel-2: "
            f"{abs(shift['east_m']):.1f} m {across}, {abs(shift['south_m']):.1f} m {along}."
        )
    return notes + _remarks(audit["sites"])


def _remarks(sites: Mapping[str, Any]) -> list[str]:
    """What stood out, pair by pair."""
    found: Sequence[str] = [
        f"{site}, pair {pair['pair']}: {finding['found']} (likely {finding['cause']})."
        for site, content in sites.items()
        for pair in content["pairs"]
        for finding in pair["findings"]
    ]
    more = [f"{len(found) - SHOWN} further remarks are in the file of the audit."] if len(found) > SHOWN else []
    return [*found[:SHOWN], *more]
