"""The folder beside the page: every table, figure, claim and card in files that programs read."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anyband.report.bibliography import bibtex
from anyband.report.cards import dataset_card, model_card
from anyband.report.content import Graphic, Section, Table
from anyband.report.read import Compared
from anyband.report.render import standalone
from anyband.runtime import atomic_path, write_csv, write_json, write_text


def write_data(
    folder: Path, sections: Sequence[Section], compared: Sequence[Compared], origin: Mapping[str, Any]
) -> None:
    """Write `report_data/` as a whole.

    Args:
        folder: to write.
        sections: of the page.
        compared: the experiments on the page.
        origin: what `provenance.collect` gives.
    """
    config, style = compared[0].config, compared[0].style
    with atomic_path(folder) as temporary:
        for item in (item for section in sections for item in section.items):
            if isinstance(item, Table):
                write_csv(temporary / "tables" / f"{item.key}.csv", item.frame())
                write_text(temporary / "tables" / f"{item.key}.tex", item.latex())
            elif isinstance(item, Graphic):
                write_text(temporary / "figures" / f"{item.key}.svg", standalone(item.wide, style.colours))
                (temporary / "figures" / f"{item.key}.pdf").write_bytes(item.pdf)
        for entry in compared:
            shutil.copytree(entry.folder, temporary / "comparison" / entry.name)
            _write_cards(temporary / "cards", entry)
        write_json(temporary / "claims.json", {entry.name: entry.claims for entry in compared})
        write_json(temporary / "provenance.json", origin)
        write_json(temporary / "config.json", config.model_dump(mode="json"))
        methods = next(section for section in sections if section.key == "methods")
        write_text(temporary / "methods.txt", "\n\n".join(methods.paragraphs) + "\n")
        used = [config.methods[m].model for e in compared for m in e.design["methods"] if m in config.methods]
        write_text(temporary / "references.bib", bibtex(used, str(origin["anyband"]), origin["git_commit"]))


def _write_cards(folder: Path, entry: Compared) -> None:
    """A card of the dataset, and one of every trained run of the proposed method whose weights are at hand."""
    data, results, proposed = entry.data, entry.results, entry.proposed
    card = dataset_card(data, results / "splits" / f"{data.name}.csv")
    write_json(folder / f"dataset-{data.name}.json", card)
    if proposed not in entry.general:
        return
    score = {key: entry.general[proposed][key] for key in ("miou", "miou_lower", "miou_upper")}
    for seed in entry.design["seeds"]:
        run = results / "runs" / entry.name / proposed / f"seed-{seed}"
        if (run / "model.safetensors").is_file() and (run / "settings.json").is_file():
            cost = json.loads((run / "cost.json").read_text())
            card = model_card(run.relative_to(results), run, data, cost, score)
            write_json(folder / f"model-{entry.name}-{proposed}-seed-{seed}.json", card)
