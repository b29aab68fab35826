"""Chips chosen from the stores of several sites, how their arrays are read, and where these are held.

They are read hundreds of chips at a time, into memory, or beyond the budget into files that are written once and
mapped.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.store import Parts, band_groups, chip_entries, open_site, read_array, read_parts
from anyband.ground import Array, sample_nearest
from anyband.landcover import LABEL_PIXEL_M
from anyband.products import PRODUCTS
from anyband.runtime import UserError, atomic_path, check_disk, file_lock, remove

MEMORY_SHARE = 0.5
"""A split is held in memory up to this share of the memory available, times the job's share of the cores."""

CACHE_VARIABLE = "ANYBAND_CACHE"


def cache_folder(chips: Path) -> Path:
    """Where the mapped files of a dataset lie: beside its stores, or below `ANYBAND_CACHE`, on the node's own disk."""
    own = os.environ.get(CACHE_VARIABLE)
    if not own:
        return chips / ".cache"
    return Path(own) / f"{chips.name}-{hashlib.sha256(str(chips.resolve()).encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Plan:
    """An array that is to be read: `fill` writes all of an empty one of that `shape` and `dtype`."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: Callable[[Array], None]

    @property
    def bytes(self) -> int:
        """Size in memory or on disk."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


def hold_arrays(plans: Sequence[Plan], folder: Path, prefix: str, key: str) -> list[Array]:
    """The arrays in memory when they fit into the budget, else mapped from files in `folder` that are written once.

    Args:
        plans: of all arrays.
        folder: of the files, `{prefix}.{name}.{key}.npy`; those of the same prefix and another key are removed.
        prefix: what the arrays belong to.
        key: changes with the content.

    Raises:
        UserError: not enough space on the disk.
    """
    paths = [folder / f"{prefix}.{plan.name}.{key}.npy" for plan in plans]
    for path in folder.glob(f"{prefix}.*.npy"):
        if not path.name.endswith(f".{key}.npy"):
            remove(path)
    total, budget = sum(plan.bytes for plan in plans), memory_budget()
    if total <= budget and not all(path.is_file() for path in paths):
        return [_filled(plan, np.empty(plan.shape, plan.dtype)) for plan in plans]
    sys.stderr.write(
        f"{prefix}: {total / 1e9:.2f} GB are mapped from {folder} (memory for them: {budget / 1e9:.2f} GB)\n"
    )
    with file_lock(folder / f".{prefix}.lock"):
        return [_mapped(plan, path) for plan, path in zip(plans, paths, strict=True)]


def _filled(plan: Plan, array: Array) -> Array:
    plan.fill(array)
    return array


def _mapped(plan: Plan, path: Path) -> Array:
    """The file's array, read-only; a file that is missing, cut short or of another shape is written first."""
    try:
        found = np.asarray(np.load(path, mmap_mode="r"))  # a plain array: slices of a memmap cost more
        if (found.shape, found.dtype) == (plan.shape, plan.dtype):
            return found
    except (FileNotFoundError, ValueError, EOFError):
        pass
    check_disk(path, plan.bytes)
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=plan.dtype, shape=plan.shape)
        _reserve(temporary)
        plan.fill(array)
        array.flush()
    return np.asarray(np.load(path, mmap_mode="r"))


def _reserve(path: Path) -> None:
    """Take the disk space of a sparse file: writing to a map on a full disk would kill the process without a word."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def memory_budget() -> int:
    """Bytes that this job may hold as pixels: its share of the cores is its share of the memory."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(MEMORY_SHARE * available_memory() * min(torch.get_num_threads() / cores, 1))


def available_memory() -> int:
    """Bytes that can still be taken, by the system and by the control groups of this process (version 1 and 2)."""
    free = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo, groups = Path("/proc/meminfo"), Path("/proc/self/cgroup")
    if meminfo.is_file():
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free.append(int(fields["MemAvailable"].split()[0]) * 1024)
    if groups.is_file():
        for line in groups.read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            root = Path("/sys/fs/cgroup", "memory" if controllers == "memory" else "")
            if controllers in ("", "memory"):
                free += [_group_leaves(root / parent) for parent in (name[1:], *map(str, Path(name[1:]).parents))]
    return max(min(free), 0)


def _group_leaves(group: Path) -> int:
    """Bytes below the limit of a control group; cached files that it may drop do not count as used."""
    for limit, usage, droppable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = (group / limit).read_text().strip(), int((group / usage).read_text())
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        except OSError:
            continue
        return sys.maxsize if most == "max" else int(most) - used + int(statistics.get(droppable, 0))
    return sys.maxsize


UNSCORED = -1
"""Class index of a label pixel that nobody is asked about."""


@dataclass(frozen=True)
class Selection:
    """Some chips of one store: `rows` (n,) of its arrays."""

    path: Path
    group: Any
    rows: Array

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """What the store says about each of the chips."""
        listed = chip_entries(self.group)
        return [listed[row] for row in self.rows]

    def platforms(self, product: str) -> list[str]:
        """Name of the platform of `product` for each of the chips; in chips of own files "" where it saw nothing.

        Raises:
            UserError: a chip of a catalogue without that product.
        """
        for entry in self.entries:
            if product not in entry["platforms"] and not self.own:
                raise UserError(f"{self.path}: chip {entry['chip']} has no {product}: leave that product out")
        return [str(entry["platforms"].get(product, "")) for entry in self.entries]

    @property
    def own(self) -> bool:
        """Whether the chips are of a folder of files, where a sensor may have missed some."""
        return bool(self.group.attrs.get("source") == "folder")

    def seen_by(self, products: Collection[str]) -> "Selection":
        """The chips that any of some products saw."""
        if not self.own:
            return self
        kept = [any(product in entry["platforms"] for product in products) for entry in self.entries]
        return Selection(self.path, self.group, self.rows[kept])

    def fingerprint(self) -> str:
        """Changes when the store is written anew, or other chips are chosen; reads no pixels."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith("."))
        state = [(str(path.relative_to(self.path)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.sha256(repr((state, self.rows.tolist())).encode()).hexdigest()


def select_chips(path: Path, chips: Sequence[str]) -> Selection:
    """Find the chips called `chips` in the store at `path`.

    Raises:
        UserError: a missing or unfinished store, or a chip that it lacks.
    """
    group = open_site(path)
    known = {entry["chip"]: position for position, entry in enumerate(group.attrs["chips"])}
    absent = [chip for chip in chips if chip not in known]
    if absent:
        raise UserError(f"{path} lacks chip {absent[0]} of the table of splits: run the split step again")
    return Selection(path, group, np.array([known[chip] for chip in chips]))


@dataclass(frozen=True)
class BandGrid:
    """A band group that all stores have."""

    product: str
    pixel_m: int
    bands: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its group in a store."""
        return f"{self.product}/{self.pixel_m}m"


def common_grids(sites: Sequence[Selection], product: str) -> list[BandGrid]:
    """The band groups of a product, finest first.

    Raises:
        UserError: a store without the product, or stores of different bands.
    """
    found = {site.path.name: band_groups(site.group, product) for site in sites}
    return [BandGrid(product, *grid) for grid in _common(found, f"{product}: pixel sizes and bands")]


def common_side(sites: Sequence[Selection]) -> int:
    """Side of the chips of all stores in metres.

    Raises:
        UserError: stores of different sides.
    """
    return int(_common({site.path.name: site.group.attrs["chip_m"] for site in sites}, "chip_m"))


def _common(found: dict[str, Any], what: str) -> Any:
    """The value that all stores share; `found` is by name of store."""
    first, expected = next(iter(found.items()))
    for name, value in found.items():
        if value != expected:
            raise UserError(f"{what} {value} in {name}, {expected} in {first}: extract both again")
    return expected


def content_key(sites: Sequence[Selection], codes: tuple[int, ...]) -> str:
    """Changes with what the plans of these chips would read, and with the code that reads it."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(codes).encode())
    for site in sites:
        digest.update(site.fingerprint().encode())
    return digest.hexdigest()[:16]


def label_plan(sites: Sequence[Selection], codes: tuple[int, ...], chip_m: int) -> Plan:
    """(N, y, x) int8 index of the class in `codes` on the 10 m grid, -1 where no listed class or not jointly clear."""
    index = np.full(256, UNSCORED, np.int8)
    index[list(codes)] = np.arange(len(codes))

    def read(site: Selection) -> Parts:
        parts = (read_parts(site.group, name, site.rows) for name in ("label", "clear"))
        for (where, label), (_, clear) in zip(*parts, strict=True):
            yield where, np.where(clear == 1, index[label], np.int8(UNSCORED))

    return _plan("label", sites, (chip_m // LABEL_PIXEL_M,) * 2, "int8", read)


def values_plan(sites: Sequence[Selection], grid: BandGrid, chip_m: int) -> Plan:
    """(N, band, y, x) integers of a band group as stored."""
    shape = len(grid.bands), chip_m // grid.pixel_m, chip_m // grid.pixel_m

    def read(site: Selection) -> Parts:
        return read_parts(site.group, f"{grid.name}/values", site.rows)

    return _plan(f"{grid.product}-{grid.pixel_m}m", sites, shape, PRODUCTS[grid.product].encoding.dtype, read)


def clear_plan(sites: Sequence[Selection], grid: BandGrid, chip_m: int) -> Plan:
    """(N, y, x) bool, the product's own quality layer on the grid of a band group."""
    size = chip_m // grid.pixel_m

    def read(site: Selection) -> Parts:
        quality = f"{grid.product}/qa"
        spacing = float(site.group[quality].attrs["pixel_m"])
        corner = read_array(site.group, f"{quality}/offset_m", site.rows)
        target = read_array(site.group, f"{grid.name}/offset_m", site.rows)
        for where, clear in read_parts(site.group, f"{quality}/clear", site.rows):
            layer = clear.astype(bool)
            yield where, sample_nearest(layer, spacing, corner[where], grid.pixel_m, target[where], size)

    return _plan(f"{grid.product}-{grid.pixel_m}m-clear", sites, (size, size), "bool", read)


def _plan(
    name: str,
    sites: Sequence[Selection],
    shape: tuple[int, ...],
    dtype: str,
    read: Callable[[Selection], Parts],
) -> Plan:
    """All chips of all sites, one site after the other; a site's parts say where in the site they belong."""

    def fill(array: Array) -> None:
        first = 0
        for site in sites:
            for where, values in read(site):
                array[first + where] = values
            first += len(site.rows)

    return Plan(name, (sum(len(site.rows) for site in sites), *shape), np.dtype(dtype), fill)
