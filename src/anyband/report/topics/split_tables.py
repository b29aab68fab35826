"""How a dataset is divided, how far apart the splits are, and how well its products agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from anyband.products import PRODUCTS
from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, count, share, spread, text
from anyband.report.content import Table
from anyband.report.read import DataRecord
from anyband.report.topics.scenes import SCENES

DATA = SCENES
"""One section with the scenes, which come first."""
SPLIT_PAIRS = ("train-test", "val-test", "train-val")
COMPARED = ("sentinel2-landsat", "sentinel2-hls_s30", "landsat-hls_l30")
BANDS = "B01 coastal B02 blue B03 green B04 red B05 B06 B07 B08 B8A nir08 B11 swir16 B12 swir22".split()  # noqa: SIM905
"""By wavelength, which the names do not follow."""
SHOWN = 10
"""Remarks of the audit that are listed under its table; the file has all."""


@DATA.item
def splits(data: DataRecord) -> Table:
    """Size of each split."""
    area = (data.settings.chip_m / 1000) ** 2
    clear = {chip["chip"]: chip.get("clear_joint") for store in data.stores.values() for chip in store.get("chips", [])}
    chips = {split: data.chips(split) for split in ("train", "val", "test", "buffer")}
    columns = [
        text("Split", lambda split: str(split)),
        Column("Places", lambda split: count(chips[split]["site"].nunique())),
        Column("Blocks", lambda split: count(chips[split]["block"].nunique())),
        Column("Chips", lambda split: count(len(chips[split]))),
        Column("Area, km²", lambda split: count(area * len(chips[split]))),
        Column("Clear", lambda split: share(chips[split]["chip"].map(clear).astype(float).mean())),
    ]
    known = [split for split, own in chips.items() if len(own)]
    return Table("splits", columns, known, sortable=False)


@DATA.item
def class_shares(data: DataRecord) -> Table:
    """Share of each class in the scored pixels of every split."""
    pixels: Mapping[str, Mapping[str, int]] = data.certificate.get("class_pixels", {})
    totals = {split: sum(pixels[split].values()) for split in ("train", "val", "test") if split in pixels}

    def cell(code: int, split: str) -> Cell:
        part = pixels[split].get(str(code), 0) / totals[split] if totals[split] else float("nan")
        return Cell(form.percent(part, 1), value=part, bar=part)

    names = data.settings.classes
    columns = [text("Class", lambda code: Cell(names[code], value=code, css=f"class-{code}"))]
    columns += spread({split: split for split in totals}, cell)
    listed = ", ".join(f"{split} {form.count(total)}" for split, total in totals.items())
    return Table("class-shares", columns, list(names) if totals else [], words={"listed": listed})


@DATA.item
def leakage(data: DataRecord) -> Table:
    """What is shared between the splits, measured from the chips."""
    found = data.certificate
    distances, items, pixels = (found.get(k, {}) for k in ("min_distance_m", "shared_items", "duplicate_pixels"))
    measures = {
        "Least distance between chips": {k: _distance(v) for k, v in distances.items()},
        "Source scenes in both": {k: form.count(v["count"]) for k, v in items.items()},
        "Chips with identical pixels": {k: form.count(v) for k, v in pixels.items()},
    }
    columns = [text("Check", lambda name: str(name))]
    pairs = {key: key.replace("-", " and ") for key in SPLIT_PAIRS}
    columns += spread(pairs, lambda name, key: measures[name].get(key, form.DASH))
    known, notes = [name for name, values in measures.items() if values], _autocorrelation(found)
    return Table("leakage", columns, known, notes=notes, sortable=False)


def _distance(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"


def _autocorrelation(certificate: Mapping[str, Any]) -> list[str]:
    """Range of the labels' variogram against the side of a block."""
    found = certificate.get("label_autocorrelation", {})
    by_block = ["The chips have no coordinates: blocks are named in the table of files, and no distance is known."]
    notes = by_block if certificate.get("by") == "block" else []
    if found.get("range_m") is None:
        return notes
    if found["block_at_least_range"] is None:
        return [*notes, f"The labels' variogram reaches its range at {form.count(found['range_m'])} m."]
    reach, block = form.count(found["range_m"]), form.count(certificate["block_m"])
    verdict = "larger than" if found["block_at_least_range"] else "SMALLER than"
    return [f"The labels' variogram reaches its range at {reach} m; blocks of {block} m are {verdict} that."]


@DATA.item
def audit(data: DataRecord) -> Table | None:
    """How far corresponding bands of the products agree; None without an audit, or where it compared nothing."""
    medians = data.audit.get("dataset", {}).get("medians", {})
    rows = [
        (name if place == 0 else "", band, figures)
        for name in COMPARED
        for place, (band, figures) in enumerate(sorted(medians.get(name, {}).items(), key=_by_wavelength))
    ]
    if not rows:
        return None

    def number(heading: str, key: str, style: str) -> Column:
        def cell(row: tuple[str, str, Mapping[str, float]]) -> Cell:
            value = row[2].get(key)
            return Cell(form.DASH if value is None else f"{value:{style}}".replace("-", form.MINUS), value=value)

        return Column(heading, cell)

    columns = [
        text("Products", lambda row: " and ".join(PRODUCTS[key].name for key in row[0].split("-") if key)),
        text("Band of the first", lambda row: str(row[1])),
        Column("Pairs", lambda row: count(row[2]["pairs"])),
        number("Bias", "bias", "+.4f"),
        number("RMSE", "rmse", ".4f"),
        number("r", "r", ".3f"),
        number("Slope", "rma_slope", ".3f"),
    ]
    return Table("audit", columns, rows, notes=_audit_notes(data.audit), sortable=False)


def _by_wavelength(entry: tuple[str, Mapping[str, float]]) -> int:
    return BANDS.index(entry[0])


def _audit_notes(document: Mapping[str, Any]) -> list[str]:
    summary, shift = document["dataset"], document["dataset"]["shift"]
    verdicts = ", ".join(f"{name} {number}" for name, number in sorted(summary["verdicts"].items()))
    offset = ", ".join(f"{name} in {number}" for name, number in sorted(summary["offset"].items()))
    notes = [
        f"Verdicts of {form.plural(summary['pairs'], 'pair')}: {verdicts}.",
        f"Offset of Sentinel-2 by the pixels: {offset}.",
    ]
    if shift["pairs"]:
        across, along = "east" if shift["east_m"] >= 0 else "west", "south" if shift["south_m"] >= 0 else "north"
        notes.append(
            f"Median over {form.plural(shift['pairs'], 'pair')} of what Landsat has to move to lie on Sentinel-2: "
            f"{abs(shift['east_m']):.1f} m {across}, {abs(shift['south_m']):.1f} m {along}."
        )
    return notes + _remarks(document["sites"])


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
