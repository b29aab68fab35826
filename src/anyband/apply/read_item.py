"""Raw items from files and addresses."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from anyband.runtime import UserError

TIMEOUT_S = 60
REMOTE = re.compile(r"^\w[\w+.-]+://")


def read_item(place: str) -> dict[str, Any]:
    """The raw item of a file or an address, with addresses of assets that do not depend on where it was found.

    Raises:
        UserError: nothing is there, or it is no STAC item.
    """
    text = _fetch(place) if REMOTE.match(place) else _read(Path(place))
    try:
        item = json.loads(text)
    except ValueError:
        raise UserError(f"{place} is not JSON: name one STAC item") from None
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        kind = item.get("type", "an object") if isinstance(item, dict) else "a list"
        raise UserError(f"{place} is {kind}, not a STAC item (a Feature with assets)")
    for asset in item["assets"].values():
        if asset.get("href"):
            asset["href"] = _absolute(str(asset["href"]), place)
    return item | {"id": str(item.get("id", Path(place).stem)), "properties": item.get("properties") or {}}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(f"item {path} cannot be read ({reason})") from None


def _fetch(address: str) -> str:
    import requests

    try:
        answer = requests.get(address, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        status = f"status {error.response.status_code}" if error.response is not None else type(error).__name__
        raise UserError(f"item {address.split('?')[0]} cannot be read ({status})") from None
    return answer.text


def _absolute(href: str, place: str) -> str:
    """An address or a path that can be opened from anywhere; relative ones count from the item."""
    if href.startswith("file://"):
        return href.removeprefix("file://")
    if REMOTE.match(href) or href.startswith("/"):
        return href
    return urljoin(place, href) if REMOTE.match(place) else str((Path(place).parent / href).resolve())
