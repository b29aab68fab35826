"""Which scenes a dataset is made of: what was found, kept and lost, where it lies, how well pairs match."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from anyband.products import CATALOGUED
from anyband.report import formatting as form
from anyband.report.cells import Column, count, share, text, wrapped
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import DataRecord
from anyband.report.render import Sheet
from anyband.report.topics.study_sites import draw_places, places

SCENES = Topic[DataRecord]("data", "Data")
BASELINE = "s2:processing_baseline"

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
"""Histograms of pairs: column, axis, and what stands in a panel without values."""


@SCENES.item
def scenes(data: DataRecord) -> Table:
    """What the searches found and the kept pairs use, by collection."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for manifest in data.manifests.values():
        found.setdefault(manifest["query"]["collections"][0], []).append(manifest["items"])
    items = {collection: [item for searched in places for item in searched] for collection, places in found.items()}
    pairs = data.pairs
    used = {
        item for name in CATALOGUED if name in pairs for value in pairs[name].dropna() for item in str(value).split()
    }

    def counted(values: Iterable[Any]) -> str:
        numbers = {name: number for name, number in sorted(Counter(values).items(), key=str) if name}
        return ", ".join(f"{name} ({number})" for name, number in numbers.items()) or form.DASH

    def values(collection: str, key: str) -> list[Any]:
        return [item["properties"].get(key) for item in items[collection]]

    columns = [
        text("Collection", lambda name: str(name)),
        Column("Places searched", lambda name: count(len(found[name]))),
        Column("Scenes found", lambda name: count(len(items[name]))),
        Column("Scenes used", lambda name: count(sum(item["id"] in used for item in items[name]))),
        text("Platforms", lambda name: wrapped(counted(str(v or "").lower() for v in values(name, "platform")))),
        text("Processing baselines", lambda name: wrapped(counted(values(name, BASELINE)))),
    ]
    caption = (
        f"What the searches from {data.settings.start} to {data.settings.end} found, and what the kept pairs use. A "
        "scene that covers several places counts once per place."
    )
    return Table("scenes", "Scenes", caption, columns, list(found))


@SCENES.item
def losses(data: DataRecord) -> Table:
    """What was kept, and what was lost and why."""
    dropped, settings = data.dropped_pairs, data.settings
    both = dropped["sentinel2"].notna() & dropped["landsat"].notna()
    chips = [chip for store in data.stores.values() for chip in store.get("dropped", [])]
    single = Counter(dropped.loc[~both, "reason"])
    optical = sum(len(m["items"]) for (_, product), m in data.manifests.items() if product != "label")
    stages = {
        "pairs of scenes": (len(data.pairs), Counter(dropped.loc[both, "reason"])),
        "single scenes": (optical - sum(single.values()), single),
        "chips": (
            sum(len(store.get("chips", [])) for store in data.stores.values()),
            Counter(chip.get("reason") for chip in chips),
        ),
    }
    if not single:
        del stages["single scenes"]
    rows = []
    for stage, (kept, reasons) in stages.items():
        total = kept + sum(reasons.values())
        lost = [(f"dropped: {reason}", number) for reason, number in sorted(reasons.items(), key=str)]
        outcomes = [("kept", kept), *lost] if total else []
        rows += [("" if place else stage, *outcome, total) for place, outcome in enumerate(outcomes)]
    columns = [
        text("Stage", lambda row: str(row[0])),
        text("Outcome", lambda row: str(row[1])),
        Column("Count", lambda row: count(row[2])),
        Column("Share", lambda row: share(row[2] / row[3], bar=True)),
    ]
    caption = (
        "Pairs of a Sentinel-2 and a Landsat scene, and chips cut from kept pairs, by outcome. "
        f"Limits: {form.plural(settings.max_day_gap, 'day')} apart, a site clear to {form.percent(settings.min_clear)} "
        f"and a chip to {form.percent(settings.chip_min_clear)} in both scenes."
    )
    return Table("losses", "Kept and lost", caption, columns, rows, sortable=False)


@SCENES.item
def place_map(data: DataRecord) -> Graphic | None:
    """Where the data come from."""
    if data.splits.empty:
        return None
    table = places(data)
    pairs, sites = form.plural(int(table["pairs"].sum()), "kept pair"), form.plural(len(table), "place")
    return Graphic(
        "map",
        "Where the data come from",
        "Every mark is a place, larger with more kept pairs of scenes; shape and colour tell the split of most of its "
        f"chips. A plain grid of longitude and latitude; where places span the globe, its fullest part stands "
        f"beside it. n = {sites}, {pairs}.",
        "Map of the places of the dataset by split",
        lambda sheet: draw_places(table, sheet),
    )


@SCENES.item
def pair_quality(data: DataRecord) -> Graphic | None:
    """F12: how well the two scenes of the kept pairs go together."""
    if data.pairs.empty:
        return None
    table = pair_table(data)
    measured = form.plural(int(table["shift_m"].notna().sum()), "pair")
    return Graphic(
        "pairs",
        "Kept pairs of scenes",
        "How alike the two scenes of a pair are: time, clouds, registration, sun and view; every count is of pairs. "
        "Angles are those that the items give for whole scenes, not for pixels; where an item gives only the angle at "
        "the satellite, that one is shown, which for Landsat is 0 unless it was pointed aside. The shift is measured "
        f"in the pixels of {measured} by the audit. n = {form.plural(len(data.pairs), 'pair')} at "
        f"{form.plural(data.pairs['site'].nunique(), 'place')}.",
        "Histograms of day gap, clear share, shift, difference of the sun's zenith and view zeniths of kept pairs",
        lambda sheet: draw_pair_quality(table, sheet),
    )


def pair_table(data: DataRecord) -> pd.DataFrame:
    """A row for each kept pair and a float column for each of `PANELS`; NaN where nobody says.

    Angles are those of whole scenes. The shift is what the audit measured in the pixels.
    """
    pairs = data.pairs
    keys = zip(pairs["site"], pairs["pair"].astype(int), strict=True)
    shifts = _shifts(data.audit)
    sun = {name: pd.to_numeric(pairs[f"sun_zenith_{name}"]).to_numpy(float) for name in ("sentinel2", "landsat")}
    table = pd.DataFrame(
        {
            "day_gap": np.floor(pairs["day_gap"].to_numpy(dtype=float)),
            "clear_percent": 100 * pairs["clear_joint"].to_numpy(dtype=float),
            "shift_m": [shifts.get(key, np.nan) for key in keys],
            "sun_difference_deg": sun["landsat"] - sun["sentinel2"],
        }
    )
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


def draw_pair_quality(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """Histograms of the columns of `pair_table`; a panel without values says so."""
    columns, rows = sheet((3, 2), (1, len(PANELS)))
    figure, axes = sheet.figure(215 * rows, (46, 10, 10, 46), columns, rows, wspace=0.24, hspace=0.38)
    for panel, (column, name, otherwise) in zip(axes, PANELS, strict=True):
        values = table[column].dropna().to_numpy(dtype=float)
        panel.set_xlabel(name)
        if not len(values):
            middle: Any = {"ha": "center", "va": "center", "transform": panel.transAxes}
            panel.text(0.5, 0.5, otherwise, color=sheet.muted, **middle)
            panel.set_xticks([])
            panel.set_yticks([])
        elif column == "clear_percent":
            panel.hist(values, bins=[10.0 * k for k in range(11)], color=sheet.muted, rwidth=0.86)
        else:
            _whole_numbers(panel, values, sheet)
        panel.set_ylabel("pairs" if len(values) else "")
        panel.grid(axis="y")
    return figure


def _whole_numbers(panel: Axes, values: np.ndarray, sheet: Sheet) -> None:
    """A bar for each whole number, of the values nearest to it."""
    numbers, counts = np.unique(np.rint(values), return_counts=True)
    panel.bar(numbers, counts, width=0.72, color=sheet.muted)
    panel.set_xlim(numbers.min() - 0.8, max(numbers.max(), numbers.min() + 3) + 0.8)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
