"""Cards made from the run: one for each dataset (Croissant), one for each model of the proposed method (STAC MLM).

They say what the files of the run already say, in the vocabularies that catalogues read; nothing is invented.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyband import __version__
from anyband.report.read import DataRecord

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
CROISSANT = "http://mlcommons.org/croissant/"
TERMS = ("citeAs", "column", "extract", "field", "fileObject", "isLiveDataset", "recordSet", "source")
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": CROISSANT,
    "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, **{term: f"cr:{term}" for term in TERMS},
}  # fmt: skip
CHIP_FIELDS = {
    "site": ("sc:Text", "place"),
    "chip": ("sc:Text", "name of the chip, unique in its place"),
    "block": ("sc:Text", "cell of the UTM grid, zone:column:row; a block lies in one split"),
    "split": ("sc:Text", "train, val, test or buffer"),
    "x": ("sc:Float", "upper left corner, m east in the chip's UTM zone"),
    "y": ("sc:Float", "upper left corner, m north in the chip's UTM zone"),
    "epsg": ("sc:Integer", "EPSG code of the chip's UTM zone"),
}
FLOAT = {"data_type": "float32"}
WORLD = [-180.0, -90.0, 180.0, 90.0]


def dataset_card(data: DataRecord, table: Path) -> dict[str, Any]:
    """A dataset in the terms of Croissant 1.0: what, where, when, which labels, which splits, limits.

    Args:
        data: the dataset.
        table: its table of chips and splits, `splits/{dataset}.csv`.
    """
    settings, splits = data.settings, data.splits["split"].value_counts()
    origin = f"simulated by {data.simulated}" if data.simulated else "real scenes"
    west, south, east, north = _bounds(data)
    box = f"{south} {west} {north} {east}"
    counts = ", ".join(
        f"{int(splits[split])} {split}" for split in ("train", "val", "test", "buffer") if split in splits
    )
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": f"{CROISSANT}1.0",
        "name": f"anyband-{data.name}",
        "description": f"Paired Sentinel-2, Landsat and HLS chips of {settings.chip_m} m with land-cover labels, "
        f"{origin}; found through {', '.join(data.endpoints) or 'an unknown catalogue'}.",
        "url": next(iter(data.endpoints), ""),
        "creator": {"@type": "sc:Organization", "name": "anyband"},
        "citeAs": f"anyband {__version__}, dataset {data.name}",
        "datePublished": data.retrieved[:10],
        "version": "1.0.0",
        "license": "made by the simulator of anyband" if data.simulated else "of the providers of the scenes",
        "temporalCoverage": f"{settings.start}/{settings.end}",
        "spatialCoverage": {"@type": "sc:Place", "geo": {"@type": "sc:GeoShape", "box": box}},
        "variableMeasured": [f"{code}: {name}" for code, name in settings.classes.items()],
        "size": f"{len(data.splits)} chips at {data.splits['site'].nunique()} places: {counts}",
        "isLiveDataset": False,
        "measurementTechnique": f"chips clear to {100 * settings.chip_min_clear:.0f} % in both scenes, "
        f"at most {settings.max_day_gap} days apart; labels are a land-cover product, not ground truth",
        "distribution": [_splits_file(data, table)],
        "recordSet": [_chips(data)],
        "identifier": hashlib.sha256(json.dumps(_items(data)).encode()).hexdigest(),
    }


def _splits_file(data: DataRecord, table: Path) -> dict[str, Any]:
    """The table of chips as a file of the distribution, by its place in the results."""
    return {
        "@type": "cr:FileObject",
        "@id": f"splits-{data.name}",
        "name": table.name,
        "description": f"Every chip with its block and split; its pixels are in chips/{data.name}/<site>.zarr.",
        "contentUrl": f"splits/{table.name}",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
    }


def _chips(data: DataRecord) -> dict[str, Any]:
    """One record for each chip, read from the table."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"chips/{column}",
            "name": column,
            "description": description,
            "dataType": kind,
            "source": {"fileObject": {"@id": f"splits-{data.name}"}, "extract": {"column": column}},
        }
        for column, (kind, description) in CHIP_FIELDS.items()
    ]
    return {"@type": "cr:RecordSet", "@id": "chips", "name": "chips", "description": "A row per chip.", "field": fields}


def _items(data: DataRecord) -> list[str]:
    return sorted(item["id"] for manifest in data.manifests.values() for item in manifest["items"])


def _bounds(data: DataRecord) -> list[float]:
    """West, south, east, north of the scenes; the whole world where no item says."""
    boxes = [item["bbox"] for m in data.manifests.values() for item in m["items"] if item.get("bbox")]
    if not boxes:
        return WORLD
    west, south, east, north = zip(*(box[:2] + box[-2:] for box in boxes), strict=True)
    return [min(west), min(south), max(east), max(north)]


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
    names = [f"{band['product']} {band['name']}" for band in settings["statistics"]["bands"]]
    west, south, east, north = _bounds(data)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    weights = run / "model.safetensors"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, FILE],
        "id": f"{settings['method']}-seed-{settings['seed']}",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "links": [],
        "properties": {
            "datetime": None,
            "start_datetime": f"{data.settings.start}T00:00:00Z",
            "end_datetime": f"{data.settings.end}T23:59:59Z",
            "description": "Land cover from whatever optical bands are given; use on scenes like those of its dataset."
            + (" Trained on simulated scenes: no map of real ground should be made with it." if data.simulated else ""),
            "mlm:name": settings["method"],
            "mlm:architecture": settings["model"],
            "mlm:framework": "PyTorch",
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:pretrained": False,
            "mlm:pretrained_source": None,
            "mlm:total_parameters": int(cost["parameters"]),
            "mlm:hyperparameters": {"seed": settings["seed"], **settings["options"]},
            "mlm:input": [_input(names)],
            "mlm:output": [_output(data, settings["classes"])],
            "anyband:test_miou": {key: round(float(value), 6) for key, value in score.items()},
            "anyband:trained_on": cost.get("trained_on", []),
        },
        "assets": {
            "weights": {
                "href": (href / weights.name).as_posix(),
                "type": "application/octet-stream",
                "title": "weights (safetensors)",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "safetensors",
                "file:size": weights.stat().st_size,
            }
        },
    }


def _input(names: list[str]) -> dict[str, Any]:
    return {
        "name": "bands at their own grids, surface reflectance",
        "bands": names,
        "input": {
            "shape": [-1, -1, -1, -1],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "pre_processing_function": None,
    }


def _output(data: DataRecord, codes: list[int]) -> dict[str, Any]:
    result = {"shape": [-1, len(codes), -1, -1], "dim_order": ["batch", "class", "height", "width"]}
    return {
        "name": "land cover",
        "tasks": ["semantic-segmentation"],
        "result": {**result, **FLOAT},
        "classification:classes": [
            {"value": code, "name": "".join(c if c.isalnum() else "-" for c in data.settings.classes[code])}
            for code in codes
        ],
        "post_processing_function": None,
    }
