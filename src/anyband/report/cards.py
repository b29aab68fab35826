"""Cards made from the run: one for each dataset (Croissant), one for each model of the proposed method (STAC MLM).

They say what the files of the run already say, in the vocabularies that catalogues read; nothing is invented. Their
form is in `template/*.json.j2`.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyband import __version__
from anyband.report.page import fill
from anyband.report.read import DataRecord

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
    settings = json.loads((run / "settings.json").read_text())
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
