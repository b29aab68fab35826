"""What the archive has: the items and the files of all sites."""

import json
import threading
from functools import cached_property
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from anyband.archive.server.item_index import Item, ItemIndex, RequestError
from anyband.archive.server.stac_api import Api
from anyband.runtime import UserError


class Holdings:
    """The folders of simulated sites below one root. Sites are renamed into place, so a visible one is complete."""

    def __init__(self, root: Path) -> None:
        """Serve the sites in `root`.

        Raises:
            UserError: `root` is not a folder.
        """
        if not root.is_dir():
            raise UserError(f"{root} is not a folder of simulated sites: run the simulate step first")
        self.root = root
        self._indexes: dict[str, ItemIndex] = {}
        self._lock = threading.Lock()

    @cached_property
    def items(self) -> list[Item]:
        """All items as stored."""
        return [json.loads(path.read_bytes()) for path in sorted(self.root.glob("[!.]*/items/*/*.json"))]

    def index(self, api: Api) -> ItemIndex:
        """The items of one API; made at the first request that needs them."""
        with self._lock:
            if api.name not in self._indexes:
                self._indexes[api.name] = ItemIndex(api.publish(self.items))
            return self._indexes[api.name]

    def file(self, path: str) -> Path:
        """The file behind `{site}/{path}`.

        Raises:
            RequestError: no such file; unknown or half-written sites have none.
        """
        site, *parts = PurePosixPath(path).parts or ("",)
        file = self.root.joinpath(site, "files", *parts)
        if site.startswith((".", "/")) or ".." in parts or not file.is_file():
            raise RequestError(HTTPStatus.NOT_FOUND, f"the archive holds no file files/{path}")
        return file
