"""What the traps share: finding items, their sites and files, and writing changed copies of them."""

import copy
import re
from collections.abc import Iterable, Sequence
from typing import Any

from anyband.archive.server.item_index import Item, start_time
from anyband.testing.made import FILES, MADE, made

_ARCHIVE = re.compile(rf"http://[^/]+/(?=(?:{FILES}|{MADE}[^/]+/)(?P<site>[^/]+)/)")


def site_of(item: Item) -> str:
    """Site that an item's files belong to, "" for an item without any file of the archive."""
    found = (_ARCHIVE.match(asset["href"]) for asset in item["assets"].values())
    return next((match["site"] for match in found if match), "")


def stored_part(path: str) -> str:
    """`{site}/{path}` of `files/{site}/{path}` or of a file that is made from it."""
    if path.startswith(MADE):
        return path.removeprefix(MADE).partition("/")[2]
    return path.removeprefix(FILES)


def first_scenes(items: Sequence[Item], *collections: str) -> list[Item]:
    """The earliest item of every site in each of the collections."""
    first: dict[tuple[str, str], Item] = {}
    for item in sorted(items, key=lambda item: (start_time(item), item["id"])):
        if item["collection"] in collections:
            first.setdefault((site_of(item), item["collection"]), item)
    return list(first.values())


def renamed(item: Item, *changes: tuple[str, str]) -> Item:
    """A copy with other words in id, properties, links and titles, but the same files."""
    hrefs = {key: asset["href"] for key, asset in item["assets"].items()}
    twin = copy.deepcopy(item)

    def replace(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replace(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [replace(entry) for entry in value]
        for old, new in changes if isinstance(value, str) else ():
            value = value.replace(old, new)
        return value

    twin = {key: replace(value) for key, value in twin.items()}
    for key, href in hrefs.items():
        twin["assets"][key]["href"] = href
    return twin


def change_files(item: Item, change: str, keys: Iterable[str] | None = None) -> None:
    """Let an item point to files that are made from its own (see `made`); None for all of the archive's files."""
    for key in list(item["assets"]) if keys is None else keys:
        asset = item["assets"][key]
        found = _ARCHIVE.match(asset["href"])
        if found:
            asset["href"] = found[0] + made(asset["href"][found.end() :], change)
