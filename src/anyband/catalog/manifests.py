"""What was asked of a catalogue for a site, and what it said: one manifest of raw items a product and site.

Everything downstream reads manifests only, so a run can be repeated although the catalogue moves on.
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from anyband.catalog.sites import Site
from anyband.runtime import UserError, write_text

_SIGNATURE = re.compile(r"[?&](sig|signature|x-amz-signature|x-amz-security-token)=", re.IGNORECASE)  # Azure, Amazon


def site_query(site: Site, collection: str, days: tuple[date, date] | None) -> dict[str, Any]:
    """Search parameters for one collection over a site; `days` are the first and the last one, UTC."""
    query: dict[str, Any] = {"collections": [collection], "bbox": [round(value, 7) for value in site.bbox]}
    if days:
        query["datetime"] = f"{days[0].isoformat()}T00:00:00Z/{days[1].isoformat()}T23:59:59Z"
    return query


def write_manifest(path: Path, endpoint: str, query: Mapping[str, Any], items: list[dict[str, Any]]) -> None:
    """Write the answer to a query; a file that differs in its retrieval time only is left alone."""
    manifest: dict[str, Any] = {"endpoint": endpoint, "query": dict(query), "items": items}
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if {key: kept.get(key) for key in manifest} == manifest:
            return
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    # One line an item: indenting all of it takes longer than the search.
    lines = ",\n".join(json.dumps(item, sort_keys=True, ensure_ascii=False) for item in items)
    head = json.dumps({"endpoint": endpoint, "query": dict(query), "retrieved": now}, sort_keys=True)
    write_text(path, f'{head[:-1]}, "items": [\n{lines}\n]}}\n')


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Raw items of a manifest.

    Raises:
        UserError: it is not there or not a manifest.
    """
    try:
        items: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["items"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a manifest of scenes: run the search step again") from None
    return items


def unsigned(value: Any, secrets: Collection[str] = ()) -> Any:
    """An item, or a part of it, whose addresses lost their signatures, which are secrets and expire, and `secrets`."""
    if isinstance(value, dict):
        return {key: unsigned(entry, secrets) for key, entry in value.items()}
    if isinstance(value, list):
        return [unsigned(entry, secrets) for entry in value]
    if not isinstance(value, str):
        return value
    if "://" in value and (any(secret in value for secret in secrets) or _SIGNATURE.search(value)):
        value = value.split("?")[0]
    return "..." if any(secret in value for secret in secrets) else value
