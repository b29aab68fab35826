"""From the results folder to `report.html` and `report_data/`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report import narrative, provenance
from anyband.report.data_folder import write_data
from anyband.report.figures.experiment import block_map, data_graphics, experiment_graphics
from anyband.report.figures.panels import best_baseline, build_panels, difference_colours
from anyband.report.figures.results import Style
from anyband.report.page import Claims, Head, Item, PanelSet, Section, render
from anyband.report.palette import CLASS_COLOURS, method_colours
from anyband.report.records import Compared, DataRecord, read_data
from anyband.report.tables import agreement, costs, data_ledger, scores, timing, tuning_ledger
from anyband.report.tables.table import Table, by_method
from anyband.report.tables.transfers import decomposed, missing_factors
from anyband.runtime import UserError, write_text
from anyband.statistics.protocol import label
from anyband.statistics.write import FRAMES

CLAIMS_NOTE = (
    "Sentences from fixed templates, printed only when their conditions hold. “No difference shown” never means equal."
)


def write_report(config: Config, results: Path, out: Path, data_folder: Path) -> None:
    """Write the page and the folder beside it.

    Args:
        config: the whole configuration.
        results: folder of all stages.
        out: the HTML file.
        data_folder: receives tables (CSV, LaTeX), figures (SVG, PDF), claims, provenance and the methods text.

    Raises:
        UserError: a comparison or the table of splits is missing.
    """
    names = {experiment.dataset for experiment in config.experiments.values()}
    data = {name: read_data(results, name, config.datasets[name]) for name in sorted(names)}
    compared = {
        name: read_comparison(results, name, data[experiment.dataset])
        for name, experiment in config.experiments.items()
    }
    methods = list(dict.fromkeys(method for entry in compared.values() for method in entry.design["methods"]))
    style = Style(method_colours(methods), {method: label(method) for method in methods})
    origin = provenance.collect(config, list(data.values()), _evidence_files(compared, data, results), results)
    sections: list[Section] = []
    for name, entry in compared.items():
        several = len(compared) > 1
        sections += experiment_sections(config, results, name, entry, style, prefix=f"{name}: " if several else "")
    sections += [*_data_sections(data, style), *_origin_sections(config, compared, results, origin)]
    heads = [_head(entry, len(compared) > 1) for entry in compared.values()]
    page = render(heads, sections, methods, _foot(origin))
    write_data(data_folder, sections, style, compared, origin, config, results)
    write_text(out, page)


def read_comparison(results: Path, name: str, data: DataRecord) -> Compared:
    """Read what the comparison step wrote."""
    folder = results / "comparison" / name
    for file in (*(f"{frame}.csv" for frame in FRAMES), "design.json", "claims.json"):
        if not (folder / file).is_file():
            raise UserError(f"{folder / file} is missing: run the comparison of {name} again")
    frames = {frame: pd.read_csv(folder / f"{frame}.csv", dtype={"unit": str}) for frame in FRAMES}
    design = json.loads((folder / "design.json").read_text())
    return Compared(frames, design, json.loads((folder / "claims.json").read_text()), data, folder)


def experiment_sections(
    config: Config, results: Path, name: str, entry: Compared, style: Style, prefix: str
) -> list[Section]:
    """Result, conditions, classes, uncertainty, maps, calibration and cost of one experiment."""
    design, frames = entry.design, entry.frames
    tables = {t.key: replace(t, key=f"{name}-{t.key}") for t in scores.all_tables(frames, design)}
    tables |= {t.key: replace(t, key=f"{name}-{t.key}") for t in _budget_tables(config, results, name, entry)}
    graphics = experiment_graphics(frames, design, style)
    evidence = [f"{name}-headline", f"{name}-forest", f"{name}-sensitivity"]
    sensors = [f"{name}-fusion", f"{name}-gap-closed", f"{name}-gap-closed-figure"]
    listed = [claim | {"evidence": evidence} for claim in entry.claims["claims"]]
    listed += [claim | {"evidence": sensors} for claim in entry.claims["sensor_claims"]]
    claims = Claims(listed, entry.claims["reason"])
    panels = _panel_set(results, name, entry, style)
    tested = set(config.experiments[name].conditions)

    def section(key: str, title: str, *items: Item | None, **words: Any) -> Section:
        return Section(f"section-{name}-{key}", prefix + title, [item for item in items if item is not None], **words)

    sections = [
        section("result", "Result", tables.get("headline"), graphics.get("forest"), tables.get("secondary"),
                remark=narrative.resolution(design)),
        section("claims", "Claims", claims, tables.get("sensitivity"), graphics.get("pairs"),
                paragraphs=[CLAIMS_NOTE]),
        section("sensors", "Sensors at test time", tables.get("conditions"), graphics.get("conditions"),
                tables.get("fusion"), tables.get("zero-shot"), tables.get("other-sensors")),
        section("transfer", "From sensor to sensor", graphics.get("transfer"), tables.get("transfer"),
                graphics.get("decomposition"), tables.get("decomposition"),
                paragraphs=[text for text in (decomposed(frames), missing_factors(design, tested)) if text]),
        section("unseen", "Sensors never trained on", graphics.get("gap-closed"), tables.get("gap-closed")),
        section("robustness", "Robustness", graphics.get("degradation"), tables.get("robustness")),
        section("images", "Translated images", tables.get("image-scores")),
        section("classes", "Classes", tables.get("per-class"), tables.get("class-f1"), graphics.get("confusions")),
        section("uncertainty", "Where the uncertainty comes from", graphics.get("units"), graphics.get("blocks"),
                block_map(frames, design, entry.data, style), tables.get("variance"),
                paragraphs=[text] if (text := narrative.advice(frames)) else []),
        section("maps", "Maps", panels),
        section("calibration", "Calibration", tables.get("calibration"), graphics.get("reliability"),
                tables.get("class-calibration"), tables.get("calibration-other")),
        section("cost", "Cost and tuning", tables.get("cost"), graphics.get("cost"), tables.get("tuning"),
                graphics.get("learning"),
                paragraphs=[tuning_ledger.fairness(tuning_ledger.read_ledger(results, name), design)]),
    ]  # fmt: skip
    return [part for part in sections if part.items]


def _budget_tables(config: Config, results: Path, name: str, entry: Compared) -> list[Table]:
    """What every method was given: cost, and trials where it was tuned."""
    found = tuning_ledger.read_ledger(results, name)
    memory = timing.training_memory(timing.read_benchmarks(results, config), name)
    tables = [costs.cost(entry.frames, entry.design, memory, tuning_ledger.trials(found))]
    if found is not None:
        tables.append(tuning_ledger.ledger_table(found, entry.design, config, name))
    return [table for table in tables if table.rows]


def _panel_set(results: Path, name: str, entry: Compared, style: Style) -> PanelSet | None:
    """The qualitative figure; None without predictions."""
    panels = build_panels(results, name, entry.data, entry.frames, entry.design, style.colours)
    rival = best_baseline(entry.frames["general"])
    if not panels or rival is None:
        return None
    labels, proposed = entry.design["labels"], entry.design["proposed"]
    colours = ["#{:02x}{:02x}{:02x}".format(*c) for c in difference_colours(style.colours, proposed, rival).values()]
    words = ["both right", f"only {labels[proposed]} right", f"only {labels[rival]} right", "both wrong"]
    classes = [
        (CLASS_COLOURS[int(code)], info["name"])
        for code, info in entry.design["classes"].items()
        if int(code) in CLASS_COLOURS
    ]
    caption = (
        "Chips chosen by rule, not by eye: from the test blocks with the best, the median and the worst difference of "
        f"{labels[proposed]} to {labels[rival]} (the best baseline), and one drawn with a fixed random seed; in each "
        "the clearest chip. Sentinel-2 and Landsat share one stretch and keep their own pixels. Predictions of seed "
        f"{entry.design['seeds'][0]} from the inputs named under each map, with the share of scored pixels that agrees "
        f"with the labels. A side is {entry.data.settings.chip_m} m."
    )
    return PanelSet(f"{name}-panels", "What the methods draw", caption, panels, classes,
                    list(zip(colours, words, strict=True)))  # fmt: skip


def _head(entry: Compared, several: bool) -> Head:
    """First screen of an experiment."""
    design, frames = entry.design, entry.frames
    proposed = design["labels"][design["proposed"]]
    rivals = sum(method not in (design["proposed"], "majority") for method in design["methods"])
    title = f"{proposed} against {form.in_words(rivals, 'other method')} for land cover from Sentinel-2 and Landsat"
    notice = narrative.simulated_notice(entry.data)
    return Head(
        title=f"{design['experiment']}: {title}" if several else title,
        compared=narrative.compared(design, frames, entry.data),
        notices=[notice] if notice else [],
        outcome=narrative.outcome(design, frames),
        figures=_key_figures(design, frames),
        notes=[*design["notes"], *([entry.claims["reason"]] if entry.claims["reason"] else [])],
    )


def _key_figures(design: Mapping[str, Any], frames: Mapping[str, pd.DataFrame]) -> list[tuple[str, str, str]]:
    """Four numbers: score, difference, resolution, design."""
    general = by_method(frames["general"])
    proposed, labels, rival = design["proposed"], design["labels"], best_baseline(frames["general"])
    if rival is None or proposed not in general or form.missing(general[proposed]["miou"]):
        return []
    own, other = general[proposed], general[rival]
    return [
        (form.points(own["miou"]), f"{labels[proposed]}, points mIoU",
         form.interval(own["miou_lower"], own["miou_upper"])),
        (form.signed_points(other["difference"]), f"over {labels[rival]}, the best baseline",
         form.interval(other["difference_lower"], other["difference_upper"], signed=True)),
        (form.points(design["resolution_floor"]), "smallest resolvable difference", "points, 80 % power"),
        (f"{len(design['seeds'])} × {len(design['blocks'])}", "seeds × test blocks",
         f"{form.plural(len(design['conditions']), 'sensor condition')}"),
    ]  # fmt: skip


def _data_sections(data: Mapping[str, DataRecord], style: Style) -> list[Section]:
    sections = []
    for name, record in data.items():
        title = "Data" if len(data) == 1 else f"Data: {name}"
        items: list[Item] = [*data_ledger.data_tables(record), *agreement.audit_tables(record)]
        items[2:2] = data_graphics(record, style)
        sections.append(Section(f"data-{name}", title, items))
    return sections


def _origin_sections(
    config: Config, compared: Mapping[str, Compared], results: Path, origin: Mapping[str, Any]
) -> list[Section]:
    """Methods text, time, versions and hashes."""
    paragraphs = [
        paragraph
        for name, entry in compared.items()
        for paragraph in narrative.methods_text(
            entry.design, config.experiments[name], config.methods, entry.data, entry.frames
        )
    ]
    sections = [Section("methods", "Methods", (), paragraphs)]
    jobs = timing.read_benchmarks(results, config)
    if len(jobs):
        sections.append(Section("time", "Time", [timing.timing_table(jobs)]))
    return [*sections, Section("provenance", "Versions and hashes", provenance.provenance_tables(origin))]


def _evidence_files(compared: Mapping[str, Compared], data: Mapping[str, DataRecord], results: Path) -> list[Path]:
    files = [results / "splits" / f"{name}{suffix}" for name in data for suffix in (".csv", ".leakage.json")]
    files += [path for name in data if (path := results / "audit" / f"{name}.json").is_file()]
    return files + [path for entry in compared.values() for path in entry.folder.glob("*.csv")]


def _foot(origin: Mapping[str, Any]) -> str:
    commit = f", commit {origin['git_commit'][:12]}" if origin["git_commit"] else ""
    return (
        f"Written by anyband {origin['anyband']}{commit}; configuration {origin['config_sha256'][:12]}. Every table "
        "and figure is also in report_data/ as CSV, LaTeX, SVG and PDF."
    )
