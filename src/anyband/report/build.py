"""From the results folder to `report.html` and `report_data/`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report import provenance
from anyband.report.content import Head, Section, fill, render, sentence
from anyband.report.export import write_data
from anyband.report.read import Compared, DataRecord, read_comparisons, read_data
from anyband.report.render import Style
from anyband.report.topics import (
    classes,
    cost_and_tuning,
    gain,
    headline,
    map_panels,
    reliability,
    sensor_to_sensor,
    sensors_at_hand,
    split_tables,
    uncertainty,
)
from anyband.runtime import own_files, write_text
from anyband.statistics.protocol import MAJORITY

TOPICS = (
    headline.RESULT,
    headline.CLAIMS,
    gain.GAIN,
    sensors_at_hand.SENSORS,
    sensor_to_sensor.TRANSFER,
    sensor_to_sensor.UNSEEN,
    sensors_at_hand.ROBUSTNESS,
    sensors_at_hand.IMAGES,
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
        Section("methods", "Methods", (), [words for entry in compared for words in methods_text(entry)]),
        cost_and_tuning.TIME.section(cost_and_tuning.read_benchmarks(results, config), compared[0].style),
        provenance.PROVENANCE.section(origin, compared[0].style),
    ]
    sections = [section for section in sections if section.items or section.key == "methods"]
    heads = [_head(entry, len(compared) > 1) for entry in compared]
    page = render(heads, sections, list(compared[0].style.colours), sentence("foot", origin=origin))
    write_data(data_folder, sections, compared, origin)
    write_text(out, page)


def experiment_sections(entry: Compared, several: bool) -> list[Section]:
    """The sections about one experiment; `several`: its name stands in the headings."""
    name = entry.name
    title = f"{name}: {{}}" if several else "{}"
    return [topic.section(entry, entry.style, f"section-{name}-{{}}", title, f"{name}-{{}}") for topic in TOPICS]


def data_section(record: DataRecord, style: Style, several: bool) -> Section:
    """The section about one dataset."""
    name = record.name
    title = f"{{}}: {name}" if several else "{}"
    return split_tables.DATA.section(record, style, f"{{}}-{name}", title, f"{{}}-{name}")


def _head(entry: Compared, several: bool) -> Head:
    """First screen of an experiment."""
    rivals = sum(method not in (entry.proposed, MAJORITY) for method in entry.design["methods"])
    against = form.in_words(rivals, "other method")
    title = f"{entry.label(entry.proposed)} against {against} for land cover from Sentinel-2 and Landsat"
    return Head(
        title=f"{entry.design['experiment']}: {title}" if several else title,
        compared=what_was_compared(entry),
        notices=[sentence("simulated", entry=entry.data)] if entry.data.simulated else [],
        outcome=outcome(entry),
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
    return files + [path for entry in compared for path in own_files(entry.folder, "*.csv")]


def what_was_compared(entry: Compared) -> str:
    """One sentence: methods, data, seeds, blocks."""
    chips = {split: entry.data.chips(split) for split in ("train", "test")}
    trained = len([method for method in entry.design["methods"] if method != MAJORITY])
    area = len(chips["test"]) * (entry.data.settings.chip_m / 1000) ** 2
    return sentence("compared", entry=entry, trained=trained, area=area, **chips)


def outcome(entry: Compared) -> str:
    """The headline in one or two sentences."""
    own = entry.general.get(entry.proposed, {"miou": None})
    other = entry.general[entry.rival] if entry.rival else {}
    floor, p = entry.design["resolution_floor"], form.p_value(other.get("p_holm"))
    return sentence("outcome", label=entry.label(entry.proposed), own=own, other=other, floor=floor, p=p)


def methods_text(entry: Compared) -> list[str]:
    """Paragraphs for the methods section of a paper, filled from the run."""
    text = fill(
        "methods.txt.j2",
        entry=entry,
        design=entry.design,
        data=entry.data,
        settings=entry.data.settings,
        training=entry.experiment.training,
        own=_own_settings(entry),
        twins=headline.twins(entry.design),
        baselines=[entry.label(method) for method in entry.ranked() if entry.role(method) == "baseline"],
        form=form,
    )
    return [re.sub(r"\n+", " ", paragraph) for paragraph in text.strip("\n").split("\n\n")]


def _own_settings(entry: Compared) -> list[str]:
    """Methods with settings of optimisation of their own, and these."""
    own = []
    for method in entry.design["methods"]:
        settings = entry.config.methods.get(method)
        changed = {"learning rate": settings.learning_rate, "weight decay": settings.weight_decay} if settings else {}
        words = [f"{name} {value:.3g}" for name, value in changed.items() if value is not None]
        own += [f"{entry.label(method)} ({', '.join(words)})"] if words else []
    return own
