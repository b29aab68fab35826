"""From the results folder to `report.html` and `report_data/`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report import narrative, provenance
from anyband.report.content import Section
from anyband.report.export import write_data
from anyband.report.page import Head, render
from anyband.report.read import Compared, DataRecord, read_comparisons, read_data
from anyband.report.render import Style
from anyband.report.topics import (
    classes,
    cost_and_tuning,
    degradation,
    headline,
    map_panels,
    reliability,
    scenes,
    sensor_to_sensor,
    sensors_at_hand,
    split_tables,
    timing,
    uncertainty,
)
from anyband.runtime import write_text
from anyband.statistics.protocol import MAJORITY

TOPICS = (
    headline.RESULT,
    headline.CLAIMS,
    sensors_at_hand.SENSORS,
    sensor_to_sensor.TRANSFER,
    sensor_to_sensor.UNSEEN,
    degradation.ROBUSTNESS,
    degradation.IMAGES,
    classes.CLASSES,
    uncertainty.UNCERTAINTY,
    map_panels.MAPS,
    reliability.CALIBRATION,
    cost_and_tuning.COST,
)
"""Sections about an experiment, in the order of the page; what stands in each is said in the module of the topic."""


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
    names = sorted({experiment.dataset for experiment in config.experiments.values()})
    data = {name: read_data(results, name, config.datasets[name]) for name in names}
    compared = read_comparisons(results, config, data)
    origin = provenance.collect(config, list(data.values()), _evidence_files(compared, data, results), results)
    sections = [
        *(section for entry in compared for section in experiment_sections(entry, several=len(compared) > 1)),
        *(data_section(record, compared[0].style, several=len(data) > 1) for record in data.values()),
        Section("methods", "Methods", (), [words for entry in compared for words in narrative.methods_text(entry)]),
        *timing.time_sections(results, config),
        Section("provenance", "Versions and hashes", provenance.provenance_tables(origin)),
    ]
    heads = [_head(entry, len(compared) > 1) for entry in compared]
    page = render(heads, sections, list(compared[0].style.colours), _foot(origin))
    write_data(data_folder, sections, compared, origin)
    write_text(out, page)


def experiment_sections(entry: Compared, several: bool) -> list[Section]:
    """The sections about one experiment that have anything to show; `several`: its name stands in the headings."""
    name = entry.name
    title = f"{name}: {{}}" if several else "{}"
    sections = [topic.section(entry, entry.style, f"section-{name}-{{}}", title, f"{name}-{{}}") for topic in TOPICS]
    return [section for section in sections if section.items]


def data_section(record: DataRecord, style: Style, several: bool) -> Section:
    """The section about one dataset."""
    name = record.name
    patterns = (f"{{}}-{name}", f"{{}}: {name}" if several else "{}", f"{{}}-{name}")
    first, second = (topic.section(record, style, *patterns) for topic in (scenes.SCENES, split_tables.SPLITS))
    return replace(first, items=[*first.items, *second.items])


def _head(entry: Compared, several: bool) -> Head:
    """First screen of an experiment."""
    rivals = sum(method not in (entry.proposed, MAJORITY) for method in entry.design["methods"])
    against = form.in_words(rivals, "other method")
    title = f"{entry.label(entry.proposed)} against {against} for land cover from Sentinel-2 and Landsat"
    notice = narrative.simulated_notice(entry.data)
    return Head(
        title=f"{entry.design['experiment']}: {title}" if several else title,
        compared=narrative.compared(entry),
        notices=[notice] if notice else [],
        outcome=narrative.outcome(entry),
        figures=_key_figures(entry),
        notes=[*entry.design["notes"], *([entry.claims["reason"]] if entry.claims["reason"] else [])],
    )


def _key_figures(entry: Compared) -> list[tuple[str, str, str]]:
    """Four numbers: score, difference, resolution, design."""
    own, other = entry.general.get(entry.proposed), entry.general.get(entry.rival or "")
    if own is None or other is None or form.missing(own["miou"]):
        return []
    design, interval = entry.design, form.interval(own["miou_lower"], own["miou_upper"])
    difference = form.interval(other["difference_lower"], other["difference_upper"], signed=True)
    over = f"over {other['label']}, the best baseline"
    size = f"{len(design['seeds'])} × {len(design['blocks'])}"
    return [
        (form.points(own["miou"]), f"{own['label']}, points mIoU", interval),
        (form.signed_points(other["difference"]), over, difference),
        (form.points(design["resolution_floor"]), "smallest resolvable difference", "points, 80 % power"),
        (size, "seeds × test blocks", form.plural(len(design["conditions"]), "sensor condition")),
    ]


def _evidence_files(compared: Sequence[Compared], data: Mapping[str, DataRecord], results: Path) -> list[Path]:
    files = [results / "splits" / f"{name}{suffix}" for name in data for suffix in (".csv", ".leakage.json")]
    files += [results / "audit" / f"{name}.json" for name in data]
    return files + [path for entry in compared for path in entry.folder.glob("*.csv")]


def _foot(origin: Mapping[str, Any]) -> str:
    commit = f", commit {origin['git_commit'][:12]}" if origin["git_commit"] else ""
    return (
        f"Written by anyband {origin['anyband']}{commit}; configuration {origin['config_sha256'][:12]}. Every table "
        "and figure is also in report_data/ as CSV, LaTeX, SVG and PDF."
    )
