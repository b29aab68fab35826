"""The folder beside the page: every table, figure, claim and card in files that programs read."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anyband.config import Config
from anyband.report.bibliography import bibtex
from anyband.report.cards import dataset_card, model_card
from anyband.report.figures.results import Style
from anyband.report.page import Section
from anyband.report.palette import THEME
from anyband.report.records import Compared
from anyband.report.svg import standalone
from anyband.report.tables.table import Graphic, Table, by_method
from anyband.runtime import atomic_path, write_csv, write_json, write_text


def write_data(
    folder: Path, sections: Sequence[Section], style: Style, compared: Mapping[str, Compared],
    origin: Mapping[str, Any], config: Config, results: Path,
) -> None:  # fmt: skip
    """Write `report_data/` as a whole."""
    with atomic_path(folder) as temporary:
        for item in (item for section in sections for item in section.items):
            if isinstance(item, Table):
                write_csv(temporary / "tables" / f"{item.key}.csv", item.frame())
                write_text(temporary / "tables" / f"{item.key}.tex", item.latex())
            elif isinstance(item, Graphic):
                write_text(temporary / "figures" / f"{item.key}.svg", standalone(item.wide, style.colours, THEME))
                (temporary / "figures" / f"{item.key}.pdf").write_bytes(item.pdf)
        for name, entry in compared.items():
            shutil.copytree(entry.folder, temporary / "comparison" / name)
            _write_cards(temporary / "cards", name, entry, results)
        write_json(temporary / "claims.json", {name: entry.claims for name, entry in compared.items()})
        write_json(temporary / "provenance.json", origin)
        write_json(temporary / "config.json", config.model_dump(mode="json"))
        methods = next(section for section in sections if section.key == "methods")
        write_text(temporary / "methods.txt", "\n\n".join(methods.paragraphs) + "\n")
        used = [config.methods[m].model for e in compared.values() for m in e.design["methods"] if m in config.methods]
        write_text(temporary / "references.bib", bibtex(used, str(origin["anyband"]), origin["git_commit"]))


def _write_cards(folder: Path, name: str, entry: Compared, results: Path) -> None:
    """A card of the dataset, and one of every trained run of the proposed method whose weights are at hand."""
    splits = results / "splits" / f"{entry.data.name}.csv"
    write_json(folder / f"dataset-{entry.data.name}.json", dataset_card(entry.data, splits))
    proposed = str(entry.design["proposed"])
    general = by_method(entry.frames["general"])
    if proposed not in general:
        return
    score = {key: general[proposed][key] for key in ("miou", "miou_lower", "miou_upper")}
    for seed in entry.design["seeds"]:
        run = results / "runs" / name / proposed / f"seed-{seed}"
        if (run / "model.safetensors").is_file() and (run / "settings.json").is_file():
            cost = json.loads((run / "cost.json").read_text())
            card = model_card(run.relative_to(results), run, entry.data, cost, score)
            write_json(folder / f"model-{name}-{proposed}-seed-{seed}.json", card)
