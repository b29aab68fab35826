"""The folder beside the page: every table, figure, claim and card in files that programs read."""

import hashlib
import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from anyband import __version__
from anyband.methods import card
from anyband.report.content import Graphic, Section, Table, fill
from anyband.report.read import Compared, DataRecord
from anyband.report.render import standalone
from anyband.runtime import atomic_path, read_json, write_csv, write_json, write_text


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
            cost = read_json(run / "cost.json")
            card = model_card(run.relative_to(results), run, data, cost, score)
            write_json(folder / f"model-{entry.name}-{proposed}-seed-{seed}.json", card)


CROISSANT = "http://mlcommons.org/croissant/"
CHIP_FIELDS = {
    "site": ("sc:Text", "place"),
    "chip": ("sc:Text", "name of the chip, unique in its place"),
    "block": ("sc:Text", "cell of the UTM grid, zone:column:row; a block lies in one split"),
    "split": ("sc:Text", "train, val, test or buffer"),
    "x": ("sc:Float", "upper left corner, m east in the chip's UTM zone"),
    "y": ("sc:Float", "upper left corner, m north in the chip's UTM zone"),
    "epsg": ("sc:Integer", "EPSG code of the chip's UTM zone"),
}
WORLD = (-180.0, -90.0, 180.0, 90.0)


def dataset_card(data: DataRecord, table: Path) -> dict[str, Any]:
    """A dataset in the terms of Croissant 1.0: what, where, when, which labels, which splits, limits.

    Args:
        data: the dataset.
        table: its table of chips and splits, `splits/{dataset}.csv`.
    """
    sizes = data.splits["split"].value_counts()
    items = sorted(item["id"] for manifest in data.manifests.values() for item in manifest["items"])
    return _card(
        "dataset",
        data,
        settings=data.settings,
        croissant=CROISSANT,
        version=__version__,
        counts=", ".join(f"{sizes[name]} {name}" for name in ("train", "val", "test", "buffer") if name in sizes),
        table=table,
        sha256=hashlib.sha256(table.read_bytes()).hexdigest(),
        fields=CHIP_FIELDS,
        identifier=hashlib.sha256(json.dumps(items).encode()).hexdigest(),
    )


def model_card(
    href: Path, run: Path, data: DataRecord, cost: Mapping[str, Any], score: Mapping[str, Any]
) -> dict[str, Any]:
    """A trained run as a STAC item with the Machine Learning Model extension.

    Args:
        href: the same folder as the card names it, relative to the results.
        run: folder with `settings.json` and `model.safetensors`.
        data: dataset that it was trained on.
        cost: content of its `cost.json`.
        score: `miou`, `miou_lower`, `miou_upper` of its method on the primary endpoint, over all seeds.
    """
    settings = read_json(run / "settings.json")
    names = {code: data.settings.classes[code] for code in settings["classes"]}
    return _card(
        "model",
        data,
        settings=settings,
        cost=cost,
        href=href,
        weights=run / "model.safetensors",
        bands=[f"{band['product']} {band['name']}" for band in settings["statistics"]["bands"]],
        hyperparameters={"seed": settings["seed"], **settings["options"]},
        classes=[
            {"value": code, "name": "".join(c if c.isalnum() else "-" for c in name)} for code, name in names.items()
        ],
        score={key: round(float(value), 6) for key, value in score.items()},
    )


def _card(name: str, data: DataRecord, **words: Any) -> dict[str, Any]:
    west, south, east, north = _bounds(data)
    text = fill(f"{name}.json.j2", data=data, west=west, south=south, east=east, north=north, **words)
    card: dict[str, Any] = json.loads(text)
    return card


def _bounds(data: DataRecord) -> tuple[float, float, float, float]:
    """West, south, east, north of the scenes; the whole world where no item says."""
    boxes = [item["bbox"] for m in data.manifests.values() for item in m["items"] if item.get("bbox")]
    if not boxes:
        return WORLD
    west, south, east, north = zip(*(box[:2] + box[-2:] for box in boxes), strict=True)
    return min(west), min(south), max(east), max(north)


REFERENCES = Path(__file__).parent / "template" / "references.bib"
"""Sources of the data and of the statistics, which every run uses."""


def bibtex(models: Iterable[str], version: str, commit: str | None) -> str:
    """Entries for the data, the statistics and the models of a run, and for this software.

    Args:
        models: names in the registry of models.
        version: of anyband.
        commit: of the source tree, or None.
    """
    software = f"""\
        @software{{anyband,
          author = {{{{The anyband developers}}}},
          title = {{{{anyband}}: a fair comparison of ways to use several multispectral sensors}},
          note = {{version {version}{f", commit {commit[:12]}" if commit else ""}}},
        }}
        """
    references = REFERENCES.read_text()
    known = {"anyband", *re.findall(r"^@\w+\{([^,]+),", references, re.MULTILINE)}
    cited = [textwrap.dedent(own).lstrip() for model in models if (own := card(model).cite) and own not in known]
    return "\n".join(dict.fromkeys([textwrap.dedent(software), references, *cited]))
