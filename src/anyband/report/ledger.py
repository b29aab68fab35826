"""The data ledger: what was asked for, what matched, what was lost and why, and how far apart the splits are."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.config import Dataset
from anyband.report import formatting as form
from anyband.report.tables import Cell, Column, Table
from anyband.runtime import UserError

SIMULATED = "anyband:simulated"
BASELINE = "s2:processing_baseline"


@dataclass(frozen=True)
class DataRecord:
    """Everything the report knows about a dataset.

    Attributes:
        name: key of the dataset.
        settings: its configuration.
        manifests: (site, collection) -> content of the manifest.
        pairs: kept pairs of all sites, with column `site`.
        dropped_pairs: dropped pairs of all sites, with `site` and `reason`.
        stores: site -> root attributes of its chip store.
        splits: table of chips with block and split.
        certificate: the leakage certificate.
    """

    name: str
    settings: Dataset
    manifests: Mapping[tuple[str, str], dict[str, Any]]
    pairs: pd.DataFrame
    dropped_pairs: pd.DataFrame
    stores: Mapping[str, dict[str, Any]]
    splits: pd.DataFrame
    certificate: dict[str, Any]

    @property
    def simulated(self) -> str | None:
        """Version of the simulator that made the scenes, or None for real ones."""
        found = {
            item["properties"].get(SIMULATED) for manifest in self.manifests.values() for item in manifest["items"]
        }
        versions = sorted(version for version in found if version)
        return ", ".join(versions) or None

    @property
    def endpoints(self) -> list[str]:
        """STAC APIs that were asked."""
        return sorted({manifest["endpoint"] for manifest in self.manifests.values() if manifest.get("endpoint")})

    @property
    def retrieved(self) -> str:
        """Time of the latest search, UTC."""
        return max((str(manifest.get("retrieved", "")) for manifest in self.manifests.values()), default="")

    def chips(self, split: str) -> pd.DataFrame:
        """Chips of one split."""
        return self.splits[self.splits["split"] == split]


def read_data(results: Path, name: str, settings: Dataset) -> DataRecord:
    """Read what the earlier stages wrote about a dataset.

    Raises:
        UserError: the table of splits is missing; anything else may be missing and is then reported as empty.
    """
    splits = results / "splits" / f"{name}.csv"
    if not splits.is_file():
        raise UserError(f"{splits} is missing: run the split first")
    certificate = results / "splits" / f"{name}.leakage.json"
    manifests = {
        (path.parent.name, path.stem): json.loads(path.read_text())
        for path in sorted((results / "scenes" / name).glob("*/*.json"))
    }
    tables = sorted((results / "pairs" / name).glob("*.csv"))
    dropped = [path for path in tables if path.name.endswith(".dropped.csv")]
    return DataRecord(
        name=name,
        settings=settings,
        manifests=manifests,
        pairs=_concatenate([path for path in tables if path not in dropped]),
        dropped_pairs=_concatenate(dropped),
        stores={
            path.parent.stem: json.loads(path.read_text()).get("attributes", {})
            for path in sorted((results / "chips" / name).glob("*.zarr/zarr.json"))
        },
        splits=pd.read_csv(splits, dtype={"block": str}),
        certificate=json.loads(certificate.read_text()) if certificate.is_file() else {},
    )


def _concatenate(paths: Sequence[Path]) -> pd.DataFrame:
    """Tables of all sites under each other with a column `site`."""
    frames = [pd.read_csv(path, dtype={"baseline": str}).assign(site=path.name.split(".")[0]) for path in paths]
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=["site", "reason"])


def data_tables(data: DataRecord) -> list[Table]:
    """Scenes, losses, splits and certificate."""
    tables = [_scenes(data), _losses(data), _split_sizes(data), _certificate(data)]
    return [table for table in tables if table.rows]


def _scenes(data: DataRecord) -> Table:
    used = _used_items(data.pairs)
    collections: dict[str, list[dict[str, Any]]] = {}
    for (_, collection), manifest in data.manifests.items():
        collections.setdefault(collection, []).append(manifest)
    rows = []
    for collection, manifests in collections.items():
        items = [item for manifest in manifests for item in manifest["items"]]
        kept = sum(item["id"] in used for item in items)
        platforms = Counter(item["properties"].get("platform") for item in items)
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
    products = [name for name in ("sentinel2", "landsat", "hls_s30", "hls_l30", "label") if name in pairs]
    return {str(value) for name in products for value in pairs[name].dropna()}


def _counts(counter: "Counter[Any]") -> str:
    known = {name: number for name, number in sorted(counter.items(), key=str) if name}
    return ", ".join(f"{name} ({number})" for name, number in known.items()) or form.DASH


def _losses(data: DataRecord) -> Table:
    rows = _loss_rows("pairs of scenes", len(data.pairs), Counter(data.dropped_pairs["reason"]))
    chips = [chip for store in data.stores.values() for chip in store.get("dropped", [])]
    kept = sum(len(store.get("chips", [])) for store in data.stores.values())
    rows += _loss_rows("chips", kept, Counter(chip.get("reason") for chip in chips))
    columns = [Column("Stage", numeric=False), Column("Outcome", numeric=False), Column("Count"), Column("Share")]
    return Table(f"losses-{data.name}", "Kept and lost",
                 "Pairs of a Sentinel-2 and a Landsat scene, and chips cut from kept pairs, by outcome. Nothing else "
                 f"is left out. Limits: {form.plural(data.settings.max_day_gap, 'day')} apart, a site clear to "
                 f"{100 * data.settings.min_clear:.0f} % and a chip to {100 * data.settings.chip_min_clear:.0f} % in "
                 "both scenes.", columns, rows, sortable=False)  # fmt: skip


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


def _certificate(data: DataRecord) -> Table:
    rows = [[Cell(_words(key)), Cell(_words(value), css="wrap")] for key, value in data.certificate.items()]
    return Table(f"leakage-{data.name}", "Leakage certificate",
                 "Checked when the splits were made; the run stops on a violation.",
                 [Column("Check", numeric=False), Column("Found", numeric=False)], rows, sortable=False)  # fmt: skip


def _words(value: Any) -> str:
    """A value of the certificate in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{_words(key)}: {_words(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_words(entry) for entry in value) or "none"
    if isinstance(value, int | float):
        return form.count(value) if float(value).is_integer() else form.decimal(value)
    return str(value).replace("_", " ") if value is not None else form.DASH
