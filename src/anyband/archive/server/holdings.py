"""What the archive has: the items of all sites, and the files behind the addresses that it publishes."""

import copy
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from anyband.archive.server.item_index import ItemIndex
from anyband.archive.server.provider_apis import Api
from anyband.archive.server.stac_api import NotFoundError
from anyband.runtime import UserError
from anyband.testing import traps
from anyband.testing.faults import AZURE_HOST, CALM, GONE, Faults, lasting_faults
from anyband.testing.made import FILES, MADE, make
from anyband.testing.providers.common import ADDRESS, Published
from anyband.testing.trap_tools import site_of

CACHED_BYTES = 128 * 2**20  # of files that were made on the fly


class Holdings:
    """The folders of simulated sites below one root. Sites are renamed into place, so a visible one is complete."""

    def __init__(self, root: Path, trap_names: tuple[str, ...] = (), faults: Faults = CALM) -> None:
        """Serve the sites in `root`.

        Raises:
            UserError: `root` is not a folder, or an unknown trap.
        """
        if not root.is_dir():
            raise UserError(f"{root} is not a folder of simulated sites: run the simulate step first")
        self.root = root
        self.traps = traps.check(trap_names)
        self.faults = faults
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._shelves: dict[str, tuple[ItemIndex, dict[str, str]]] = {}
        self._lock = threading.RLock()

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """All items as stored, then changed by the traps."""
        paths = sorted(self.root.glob("[!.]*/items/*/*.json"))
        return traps.spring(self.traps, [json.loads(path.read_bytes()) for path in paths], traps.STORED)

    def index(self, api: Api) -> ItemIndex:
        """The items of one API, in its dialect; written at the first request that needs them."""
        return self._shelf(api)[0]

    def published(self, api: Api) -> dict[str, str]:
        """Paths below the archive's host of the files that an API has under addresses of its own, by bucket and key."""
        return self._shelf(api)[1]

    def _shelf(self, api: Api) -> tuple[ItemIndex, dict[str, str]]:
        with self._lock:
            if api.name not in self._shelves:
                own = set(api.stored.values())
                mine = (item for item in self.items if item["collection"] in own)
                published = newest(api.publish(copy.deepcopy(item)) for item in mine)
                items = traps.spring(self.traps, [entry.item for entry in published], traps.EMITTED)
                for item in items if self.faults.tokens else ():
                    move_to_azure(item)
                self._shelves[api.name] = ItemIndex(items), join_files(published)
            return self._shelves[api.name]

    @cached_property
    def _lasting(self) -> dict[str, str]:
        """What is always wrong with files, by their paths below `files/`."""
        found = lasting_faults(self.faults, self.items) if self.faults != CALM else {}
        return {stored_part(href.removeprefix(ADDRESS)): kind for href, kind in found.items()}

    def lasting_fault(self, path: str) -> str | None:
        """What is always wrong with a file, or with what is made from it; None for nothing."""
        return self._lasting.get(stored_part(path))

    def content(self, path: str) -> Path | bytes:
        """What is behind `files/{site}/{path}` or `made/{changes}/{site}/{path}`.

        Raises:
            NotFoundError: no such file; unknown or half-written sites have none.
        """
        if self.lasting_fault(path) == GONE:
            raise NotFoundError(f"the archive holds no file {path}")
        if path.startswith(MADE):
            return self._make(path)
        return self._stored(path.removeprefix(FILES))

    def _stored(self, path: str) -> Path:
        site, *parts = PurePosixPath(path).parts or ("",)
        file = self.root.joinpath(site, "files", *parts)
        if site.startswith((".", "/")) or ".." in parts or not file.is_file():
            raise NotFoundError(f"the archive holds no file {path}")
        return file

    def _make(self, path: str) -> bytes:
        """A file that is made from a stored one; the most recent ones are kept."""
        changes, stored = path.removeprefix(MADE).split("/", 1)[0], stored_part(path)
        with self._lock:
            if path in self._made:
                self._made.move_to_end(path)
                return self._made[path]
        try:
            content = make(self._stored(stored), changes)
        except KeyError as error:
            raise NotFoundError(f"no file can be made by {error}: {path}") from None
        with self._lock:
            self._made[path] = content
            while sum(map(len, self._made.values())) > CACHED_BYTES and len(self._made) > 1:
                self._made.popitem(last=False)
        return content


def move_to_azure(item: dict[str, Any]) -> None:
    """Let the files of an item lie where a token is needed."""
    for asset in item["assets"].values():
        if asset["href"].startswith(ADDRESS):
            asset["href"] = f"http://{AZURE_HOST}/{asset['href'].removeprefix(ADDRESS)}"


def stored_part(path: str) -> str:
    """`{site}/{path}` of `files/{site}/{path}` or of a file that is made from it."""
    if path.startswith(MADE):
        return path.removeprefix(MADE).partition("/")[2]
    return path.removeprefix(FILES)


def newest(published: Iterable[Published]) -> list[Published]:
    """Without items of a site that were published again under the same id."""
    kept: dict[tuple[str, str, str], Published] = {}
    for entry in published:
        item = entry.item
        paths = list(entry.files.values())
        site = stored_part(paths[0]).split("/")[0] if paths else site_of(item)
        key = (item["collection"], item["id"], site)
        if key not in kept or _version(item) >= _version(kept[key].item):
            kept[key] = entry
    return list(kept.values())


def _version(item: dict[str, Any]) -> str:
    properties = item["properties"]
    return str(properties.get("s2:generation_time") or properties.get("created") or "")


def join_files(published: Iterable[Published]) -> dict[str, str]:
    """Files of all items by bucket and key.

    Raises:
        UserError: two scenes have the same address.
    """
    files: dict[str, str] = {}
    for entry in published:
        for key, path in entry.files.items():
            if files.setdefault(key, path) != path:
                other = f"{path} and {files[key]}"
                raise UserError(f"item {entry.item['id']}: two sites have a scene of one tile and day: {other}")
    return files
