"""What extraction starts from: the table of pairs and the manifests of raw items."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyband.catalog.items.dialects import parse_item
from anyband.chips.screening import Pair
from anyband.products import OPTICAL
from anyband.runtime import UserError


def read_pairs(table: Path, scenes: Path) -> list[Pair]:
    """Pairs of one site, their items parsed.

    Args:
        table: CSV with `pair`, the number, and a column per product that holds an item id; `label` may hold several,
            separated by blanks.
        scenes: folder of the manifests, `{product}.json`.

    Raises:
        UserError: a manifest or an item that the table names is missing.
    """
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    optical = [product for product in OPTICAL if product in rows[0]]
    items = {product: _items(scenes / f"{product}.json") for product in (*optical, "label")}

    def find(row: Mapping[str, str], product: str, item_id: str) -> dict[str, Any]:
        found = items[product].get(item_id)
        if found is None:
            raise UserError(f"{table}: pair {row['pair']} names {product} item {item_id!r}, not in its manifest")
        return found

    return [
        Pair(
            number=int(row["pair"]),
            optical={p: parse_item(find(row, p, row[p])) for p in optical if row.get(p)},
            labels=tuple(
                parse_item(find(row, "label", item_id)) for item_id in (row.get("label") or "").split() or [""]
            ),
        )
        for row in rows
    ]


def _items(manifest: Path) -> dict[str, dict[str, Any]]:
    if not manifest.is_file():
        raise UserError(f"{manifest} does not exist: run the search step")
    return {item["id"]: item for item in json.loads(manifest.read_text(encoding="utf-8"))["items"]}
