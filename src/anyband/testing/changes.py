"""Changed copies of the archive's items, and of the files behind them.

Changed files are made on the fly from a stored GeoTIFF, with other pixels or tags. Their addresses say what was done:
`made/{change}+{change}/{site}/{path}` for the stored `files/{site}/{path}`. Tiling, compression, CRS, transform and all
tags that are not the point of a change stay as stored.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from anyband.archive.item_index import Item, start_time

FILES, MADE = "files/", "made/"
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


ADDED_DN = 1000  # in the pixels of Sentinel-2 baselines 04.00 and later

Pixels = NDArray[Any]
Profile = dict[str, Any]


def _without_offset(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Take the added 1000 off; what would be negative becomes 0, as in the files of Earth Search."""
    return np.where(pixels > ADDED_DN, pixels - np.minimum(pixels, ADDED_DN), 0).astype(pixels.dtype), profile


def _with_offset(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Add 1000 wherever there are data, as a reprocessing to baseline 04.00 or later does."""
    raised = np.minimum(pixels.astype(np.uint32) + ADDED_DN, np.iinfo(pixels.dtype).max)
    return np.where(pixels == 0, 0, raised).astype(pixels.dtype), profile


def _untagged(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Leave out the nodata tag."""
    return pixels, profile | {"nodata": None}


def _west(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Data in the western half only."""
    kept = np.broadcast_to(np.arange(pixels.shape[1]) < pixels.shape[1] // 2, pixels.shape)
    return np.where(kept, pixels, _fill(profile)).astype(pixels.dtype), profile


def _triangle(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Data above the diagonal from the lower left to the upper right only."""
    rows, columns = (np.arange(size) / size for size in pixels.shape)
    kept = rows[:, None] + columns[None, :] < 1
    return np.where(kept, pixels, _fill(profile)).astype(pixels.dtype), profile


def _fill(profile: Mapping[str, Any]) -> float:
    return 0 if profile["nodata"] is None else float(profile["nodata"])


CHANGES: dict[str, Callable[[Pixels, Profile], tuple[Pixels, Profile]]] = {
    "without-offset": _without_offset,
    "with-offset": _with_offset,
    "untagged": _untagged,
    "west": _west,
    "triangle": _triangle,
}


def made(path: str, change: str) -> str:
    """Path below the archive's host of a file after one more change."""
    if path.startswith(MADE):
        changes, _, stored = path.removeprefix(MADE).partition("/")
        return f"{MADE}{changes}+{change}/{stored}"
    return f"{MADE}{change}/{path.removeprefix(FILES)}"


def make(stored: Path, changes: str) -> bytes:
    """Content of a stored GeoTIFF after some changes, `+` between them.

    Raises:
        KeyError: an unknown change.
        rasterio.errors.RasterioError: not a raster.
    """
    with rasterio.open(stored) as source:
        profile, pixels = dict(source.profile), source.read(1)
        tags, scales = source.tags(), source.scales
    for name in changes.split("+"):
        pixels, profile = CHANGES[name](pixels, profile)
    compression = {"zstd_level": 1} if profile.get("compress") == "zstd" else {}
    with MemoryFile() as memory:
        with memory.open(**profile | {"predictor": 2} | compression) as target:
            target.write(pixels, 1)
            target.update_tags(**{name: value for name, value in tags.items() if name != "AREA_OR_POINT"})
            if scales != (1.0,):
                target.scales = scales
        return bytes(memory.read())
