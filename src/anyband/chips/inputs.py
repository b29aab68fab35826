"""What extraction starts from: the table of pairs and the manifests of raw items."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyband.catalog.dialects import COLLECTIONS, parse_item
from anyband.chips.judge import Pair
from anyband.runtime import UserError

OPTICAL = ("sentinel2", "landsat", "hls_s30", "hls_l30")


def read_pairs(table: Path, scenes: Path) -> list[Pair]:
    """Pairs of one site, their items parsed.

    Args:
        table: CSV with a column per product that holds item ids, and `pair`, the number.
        scenes: folder of the manifests, `{collection}.json`.

    Raises:
        UserError: a manifest or an item that the table names is missing.
    """
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    items = {product: _items(scenes / f"{COLLECTIONS[product]}.json") for product in (*OPTICAL, "label")}
    return [
        Pair(
            number=int(row["pair"]),
            optical={product: parse_item(_find(items, product, row, table)) for product in OPTICAL if row.get(product)},
            label=_find(items, "label", row, table),
        )
        for row in rows
    ]


def _items(manifest: Path) -> dict[str, dict[str, Any]]:
    if not manifest.is_file():
        raise UserError(f"{manifest} does not exist: run the search step")
    return {item["id"]: item for item in json.loads(manifest.read_text(encoding="utf-8"))["items"]}


def _find(
    items: Mapping[str, Mapping[str, dict[str, Any]]], product: str, row: Mapping[str, str], table: Path
) -> dict[str, Any]:
    found = items[product].get(row.get(product, ""))
    if found is None:
        raise UserError(f"{table}: pair {row['pair']} names {product} item {row.get(product)!r}, not in its manifest")
    return found
