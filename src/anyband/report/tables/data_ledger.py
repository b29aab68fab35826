"""The data ledger: what was asked for, what matched, what was lost and why, and how far apart the splits are."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.products import CATALOGUED
from anyband.report import formatting as form
from anyband.report.records import DataRecord
from anyband.report.tables.table import Cell, Column, Table

BASELINE = "s2:processing_baseline"
PAIRS_OF_SPLITS = ("train-test", "val-test", "train-val")


def data_tables(data: DataRecord) -> list[Table]:
    """Scenes, losses, splits and certificate."""
    tables = [_scenes(data), _losses(data), _split_sizes(data), _class_shares(data), _certificate(data)]
    return [table for table in tables if table.rows]


def _scenes(data: DataRecord) -> Table:
    used = _used_items(data.pairs)
    collections: dict[str, list[dict[str, Any]]] = {}
    for manifest in data.manifests.values():
        collections.setdefault(manifest["query"]["collections"][0], []).append(manifest)
    rows = []
    for collection, manifests in collections.items():
        items = [item for manifest in manifests for item in manifest["items"]]
        kept = sum(item["id"] in used for item in items)
        platforms = Counter(str(item["properties"].get("platform") or "").lower() for item in items)
        baselines = Counter(item["properties"].get(BASELINE) for item in items)
        rows.append([
            Cell(collection),
            Cell(form.count(len(manifests)), value=float(len(manifests))),
            Cell(form.count(len(items)), value=float(len(items))),
            Cell(form.count(kept), value=float(kept)),
            Cell(_counts(platforms), css="wrap"),
            Cell(_counts(baselines), css="wrap"),
        ])  # fmt: skip
    columns = [Column("Collection", numeric=False), Column("Places searched"), Column("Scenes found"),
               Column("Scenes used"), Column("Platforms", numeric=False),
               Column("Processing baselines", numeric=False)]  # fmt: skip
    return Table(f"scenes-{data.name}", "Scenes",
                 f"What the searches from {data.settings.start} to {data.settings.end} found, and what the kept pairs "
                 "use. A scene that covers several places counts once per place.", columns, rows)  # fmt: skip


def _used_items(pairs: pd.DataFrame) -> set[str]:
    products = [name for name in CATALOGUED if name in pairs]
    return {item for name in products for value in pairs[name].dropna() for item in str(value).split()}


def _counts(counter: "Counter[Any]") -> str:
    known = {name: number for name, number in sorted(counter.items(), key=str) if name}
    return ", ".join(f"{name} ({number})" for name, number in known.items()) or form.DASH


def _losses(data: DataRecord) -> Table:
    dropped = data.dropped_pairs
    both = dropped["sentinel2"].notna() & dropped["landsat"].notna()
    rows = _loss_rows("pairs of scenes", len(data.pairs), Counter(dropped.loc[both, "reason"]))
    single = Counter(dropped.loc[~both, "reason"])
    rows += _loss_rows("single scenes", _found(data) - sum(single.values()), single) if single else []
    chips = [chip for store in data.stores.values() for chip in store.get("dropped", [])]
    kept = sum(len(store.get("chips", [])) for store in data.stores.values())
    rows += _loss_rows("chips", kept, Counter(chip.get("reason") for chip in chips))
    columns = [Column("Stage", numeric=False), Column("Outcome", numeric=False), Column("Count"), Column("Share")]
    return Table(f"losses-{data.name}", "Kept and lost",
                 "Pairs of a Sentinel-2 and a Landsat scene, and chips cut from kept pairs, by outcome. "
                 f"Limits: {form.plural(data.settings.max_day_gap, 'day')} apart, a site clear to "
                 f"{100 * data.settings.min_clear:.0f} % and a chip to {100 * data.settings.chip_min_clear:.0f} % in "
                 "both scenes.", columns, rows, sortable=False)  # fmt: skip


def _found(data: DataRecord) -> int:
    """Optical scenes that the searches found."""
    return sum(len(m["items"]) for (_, product), m in data.manifests.items() if product != "label")


def _loss_rows(stage: str, kept: int, dropped: "Counter[Any]") -> list[list[Cell]]:
    total = kept + sum(dropped.values())
    outcomes = [
        ("kept", kept),
        *((f"dropped: {reason}", number) for reason, number in sorted(dropped.items(), key=str)),
    ]
    return [
        [Cell(stage if index == 0 else ""), Cell(name), Cell(form.count(number), value=float(number)),
         Cell(f"{100 * number / total:.0f} %", value=number / total, bar=number / total)]
        for index, (name, number) in enumerate(outcomes) if total
    ]  # fmt: skip


def _split_sizes(data: DataRecord) -> Table:
    area = (data.settings.chip_m / 1000) ** 2
    clear = {chip["chip"]: chip.get("clear_joint") for store in data.stores.values() for chip in store.get("chips", [])}
    rows = []
    for split in ("train", "val", "test", "buffer"):
        chips = data.chips(split)
        if chips.empty:
            continue
        share = chips["chip"].map(clear).astype(float).mean()
        rows.append([
            Cell(split),
            Cell(form.count(chips["site"].nunique()), value=float(chips["site"].nunique())),
            Cell(form.count(chips["block"].nunique()), value=float(chips["block"].nunique())),
            Cell(form.count(len(chips)), value=float(len(chips))),
            Cell(form.count(area * len(chips)), value=area * len(chips)),
            Cell(form.DASH if form.missing(share) else f"{100 * share:.0f} %", value=share),
        ])  # fmt: skip
    columns = [Column("Split", numeric=False), Column("Places"), Column("Blocks"), Column("Chips"),
               Column("Area, km²"), Column("Clear")]  # fmt: skip
    return Table(f"splits-{data.name}", "Splits",
                 f"Chips of {data.settings.chip_m} m; whole blocks of {data.settings.split.block_m / 1000:g} km go to "
                 "one split. Area counts a place once per date. Clear: mean share of a chip that is clear in both "
                 "scenes and scored.", columns, rows, sortable=False)  # fmt: skip


def _class_shares(data: DataRecord) -> Table:
    """Share of each class in the scored pixels of every split."""
    pixels: Mapping[str, Mapping[str, int]] = data.certificate.get("class_pixels", {})
    splits = [split for split in ("train", "val", "test") if split in pixels]
    rows = []
    for code, name in data.settings.classes.items():
        cells = [Cell(name, value=code, css=f"class-{code}")]
        for split in splits:
            count, total = pixels[split].get(str(code), 0), sum(pixels[split].values())
            share = count / total if total else float("nan")
            cells.append(Cell(f"{100 * share:.1f} %" if total else form.DASH, value=share, bar=share))
        rows.append(cells)
    totals = ", ".join(f"{split} {form.count(sum(pixels[split].values()))}" for split in splits)
    return Table(f"class-shares-{data.name}", "Classes in each split", f"Share of scored label pixels. n: {totals}.",
                 [Column("Class", numeric=False), *(Column(split) for split in splits)],
                 rows if splits else [])  # fmt: skip


def _certificate(data: DataRecord) -> Table:
    """What is shared between the splits, measured from the chips."""
    found = data.certificate
    measures = {
        "Least distance between chips": {k: _distance(v) for k, v in found.get("min_distance_m", {}).items()},
        "Source scenes in both": {k: form.count(v["count"]) for k, v in found.get("shared_items", {}).items()},
        "Chips with identical pixels": {k: form.count(v) for k, v in found.get("duplicate_pixels", {}).items()},
    }
    rows = [
        [Cell(name), *(Cell(values.get(key, form.DASH)) for key in PAIRS_OF_SPLITS)]
        for name, values in measures.items()
        if values
    ]
    columns = [Column("Check", numeric=False), *(Column(key.replace("-", " and ")) for key in PAIRS_OF_SPLITS)]
    return Table(f"leakage-{data.name}", "Leakage certificate",
                 "Measured from the chips when the splits were made; the run stops on a violation: chips of two splits "
                 f"closer than the buffer of {form.count(data.settings.split.buffer_m)} m, a block in two splits, "
                 "identical chips, a class absent from a split.", columns, rows, notes=_autocorrelation(found),
                 sortable=False)  # fmt: skip


def _autocorrelation(certificate: Mapping[str, Any]) -> list[str]:
    """Range of the labels' variogram against the side of a block."""
    reach = certificate.get("label_autocorrelation", {}).get("range_m")
    if reach is None:
        return []
    block = form.count(certificate["block_m"])
    verdict = "larger than" if certificate["label_autocorrelation"]["block_at_least_range"] else "SMALLER than"
    return [
        f"The labels' variogram reaches its range at {form.count(reach)} m; blocks of {block} m are {verdict} that."
    ]


def _distance(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"
