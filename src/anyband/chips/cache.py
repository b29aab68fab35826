"""Where the pixels of a split are held: in memory, or beyond the budget in files that are written once and mapped."""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.ground import Array
from anyband.runtime import atomic_path, check_disk, file_lock, remove

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
