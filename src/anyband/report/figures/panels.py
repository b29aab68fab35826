"""The qualitative panels of one experiment: chips chosen by rule, with the prediction of every method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anyband.report import formatting as form
from anyband.report.figures import maps
from anyband.report.figures.maps import Bytes, Panel, Tile
from anyband.report.palette import rgb
from anyband.report.records import DataRecord

CONDITIONS = ("S2+L9", "S2", "L9", "S30+L30", "S30", "L30")  # the first one that a method takes is shown


def build_panels(
    results: Path,
    experiment: str,
    data: DataRecord,
    frames: Mapping[str, pd.DataFrame],
    design: Mapping[str, Any],
    colours: Mapping[str, tuple[str, str]],
) -> list[Panel]:
    """Read the chosen chips and the predictions of every method's first seed; `colours` are the page's, by method.

    Returns:
        Panels, or nothing when there is no baseline to compare with or no predictions were kept.
    """
    rival = best_baseline(frames["general"])
    predictions = _read_predictions(results / "runs" / experiment, design)
    proposed = str(design["proposed"])
    if rival is None or rival not in predictions or proposed not in predictions:
        return []
    panels = []
    test = data.chips("test")
    for reason, block, difference in maps.choose_blocks(frames["units"], proposed, rival):
        chips = test[test["block"] == block]
        store = data.stores.get(str(chips["site"].iloc[0])) if len(chips) else None
        available = [chip for chip in chips["chip"] if all(chip in kept for kept in predictions.values())]
        if store is None or not available:
            continue
        site = str(chips["site"].iloc[0])
        chip = maps.choose_chip(store, available)
        names = [entry["chip"] for entry in store["chips"]]
        content = maps.read_chip(results / "chips" / data.name / f"{site}.zarr", chip, names)
        shown = {method: kept[chip] for method, kept in predictions.items()}
        words = f"{reason} {design['labels'][proposed]}" if reason.endswith("for") else reason
        panels.append(Panel(words, block, chip, difference, _tiles(content, shown, (proposed, rival), design, colours)))
    return panels


def best_baseline(general: pd.DataFrame) -> str | None:
    """Baseline with the highest endpoint; None when there is none."""
    baselines = general[(general["role"] == "baseline") & general["miou"].notna()]
    return None if baselines.empty else str(baselines.sort_values("miou", ascending=False)["method"].iloc[0])


def _read_predictions(runs: Path, design: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, Bytes]]]:
    """Method -> chip -> (condition, predicted codes) of the first seed."""
    found = {}
    for method in design["methods"]:
        path = runs / method / f"seed-{design['seeds'][0]}" / "predictions.npz"
        if not path.is_file():
            continue
        with np.load(path) as archive:
            condition = next((name for name in CONDITIONS if name in archive.files), None)
            if condition:
                maps_of_method = archive[condition]
                found[method] = {str(chip): (condition, maps_of_method[i]) for i, chip in enumerate(archive["chip"])}
    return found


def _tiles(
    content: Mapping[str, Bytes],
    shown: Mapping[str, tuple[str, Bytes]],
    pair: tuple[str, str],
    design: Mapping[str, Any],
    colours: Mapping[str, tuple[str, str]],
) -> Sequence[Tile]:
    """True colours, reference, difference map and prediction of the proposed method; then the other predictions."""
    labels, (proposed, rival) = design["labels"], pair
    scored = (content["clear"] > 0) & np.isin(content["label"], [int(code) for code in design["classes"]])
    reference = np.where(scored, content["label"], 0).astype(np.uint8)
    codes = maps.difference_map(content["label"], scored, shown[proposed][1], shown[rival][1])
    first, second = (_share(codes == value, scored) for value in (maps.ONLY_FIRST, maps.ONLY_SECOND))
    explained = f"only {labels[proposed]} right on {first} %, only {labels[rival]} right on {second} % of scored pixels"
    difference = maps.palette_png(codes, difference_colours(colours, proposed, rival))
    tiles = [
        Tile("Sentinel-2, 10 m", "Sentinel-2 true colour", maps.colour_png(content["sentinel2"])),
        Tile("Landsat, 30 m", "Landsat true colour", maps.colour_png(content["landsat"])),
        Tile("Labels", "reference labels, unscored pixels left out", maps.class_png(reference)),
        Tile(f"Difference to {labels[rival]}", explained, difference),
    ]
    for method in (proposed, rival, *(method for method in shown if method not in pair)):
        condition, predicted = shown[method]
        right = _share(predicted == content["label"], scored)
        alt = f"classes predicted by {labels[method]} from {condition}"
        tiles.append(Tile(f"{labels[method]}, {condition}: {right} %", alt, maps.class_png(predicted)))
    return tiles


def _share(mask: NDArray[np.bool_], scored: NDArray[np.bool_]) -> str:
    """Share of scored pixels in percent."""
    return form.points(float(mask[scored].mean()) if scored.any() else None)


def difference_colours(
    colours: Mapping[str, tuple[str, str]], proposed: str, rival: str
) -> dict[int, tuple[int, int, int]]:
    """Colours of the difference map: each method's own on this page where it alone is right."""
    return {
        maps.BOTH_RIGHT: rgb("#e9e6df"),
        maps.ONLY_FIRST: rgb(colours[proposed][0]),
        maps.ONLY_SECOND: rgb(colours[rival][0]),
        maps.BOTH_WRONG: rgb("#8d8a83"),
    }
