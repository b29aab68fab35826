"""What every step shares: one-line errors, atomic writes, threads and progress bars."""

import argparse
import difflib
import errno
import glob
import io
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class UserError(Exception):
    """A mistake in the input; the message is one line that names the culprit and what to do."""

    def __str__(self) -> str:
        """One line, whatever names from outside are in it."""
        return " ".join(super().__str__().splitlines())


_OPTIONS: dict[str, dict[str, Any]] = {
    "site": {"type": str, "help": "name of the site"},
    "longitude": {"type": float, "help": "centre of the site, degrees east"},
    "latitude": {"type": float, "help": "centre of the site, degrees north"},
    "scenes": {"help": "folder of the manifests of raw items"},
    "pairs": {"help": "table of pairs, CSV"},
    "chips": {"nargs": "+", "help": "chip stores of all sites, in one folder"},
    "split": {"help": "table of splits, CSV"},
    "seed": {"type": int, "help": "of all random draws"},
    "threads": {"type": int, "default": 1, "required": False, "help": "cores to use"},
    "out": {"help": "file or folder to write"},
}
"""Options that several steps have; a path unless `type` says otherwise."""


def parse_options(
    description: str | None, *shared: str, settings: Any = None, **own: str | dict[str, Any]
) -> argparse.Namespace:
    """The command line of a step; all options are required.

    Args:
        description: what the step does.
        shared: names of `_OPTIONS`.
        settings: the class of `--settings`, one line of JSON.
        own: further options: the help of a path, or the arguments of `add_argument` that differ from a path's.
    """
    parser = argparse.ArgumentParser(description=description)
    if settings is not None:
        parser.add_argument("--settings", required=True, type=settings.model_validate_json, help="one line of JSON")
    for name, entry in ({name: _OPTIONS[name] for name in shared} | own).items():
        told = {"help": entry} if isinstance(entry, str) else entry
        parser.add_argument(f"--{name.replace('_', '-')}", **{"required": True, "type": Path} | told)
    return parser.parse_args()


def nearest(word: str, known: Iterable[object]) -> str:
    """The end of a message: the known word that is most like `word`, or all of them."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


def step_main(function: Callable[[], None]) -> None:
    """Run a step and turn expected failures into one line on stderr and exit status 1.

    A full disk and an interrupted pipe are expected too: they say nothing about the code. What was closed before the
    start takes what is said, and says it to nobody.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (until the end)
    try:
        function()
    except UserError as error:
        sys.exit(f"anyband: {error}")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" ({error.filename})" if error.filename else ""
            sys.exit(f"anyband: no space left on the disk{where}: free some and run again, nothing is half-written")
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
            sys.exit(f"anyband: {error.filename} is closed to you ({error.strerror}): change its permissions")
        raise


WEEK_S = 7 * 24 * 3600.0

TEXT = frozenset(
    """
    method label site chip block unit condition band class_name first second rival rival_label source target reader
    source_method target_method trained_on sentinel2 landsat hls_s30 hls_l30 broadband narrowband hyperspectral
    platform_sentinel2 platform_landsat baseline reason detail options note
    """.split()  # noqa: SIM905
)
"""Columns of our tables that hold names and other words, whatever they look like."""


def check_output(option: str, path: Path, inputs: Iterable[Path]) -> None:
    """Make sure that a file can be written, and is none of those that it is made from, by whatever name.

    A link is replaced by the file, never followed, and one line on stderr says so.

    Raises:
        UserError: a folder, a place that cannot be written to, or an input.
    """
    if path.is_dir():
        raise UserError(f"{option} {path} is a folder: name a file in it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"{option} {path}: {folder} is no folder that can be written to")
    inputs = list(inputs)
    if path.exists() and any(file.exists() and path.samefile(file) for file in inputs):
        raise UserError(f"{option} {path} is a file that is read: name another one")
    if path.is_symlink() and inputs:
        sys.stderr.write(f"anyband: {option} {path} is a link, it is replaced; {path.resolve()} stays as it is\n")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it becomes `path` (file or folder), on failure it goes away.

    A folder that exists already under `path` is replaced. What writers that were killed left behind is swept: of this
    machine at once, of others, whose processes cannot be seen from here, when they have not touched it for a week.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        machine, _, process = leftover.name.split(".")[-2].rpartition("-")
        if not _alive(int(process)) if machine == _machine() else _abandoned(leftover):
            remove(leftover)
    temporary = path.parent / f".{path.name}.{_machine()}-{os.getpid()}.partial"
    remove(temporary)
    try:
        yield temporary
        if path.exists() and temporary.is_dir() != path.is_dir():
            kinds = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
            raise UserError(f"{path} is {kinds[0]}, and {kinds[1]} is to be written there: move it away")
        if path.is_dir():
            remove(path)
        temporary.replace(path)
    finally:
        remove(temporary)


def _machine() -> str:
    """Name of this host, without dots, and of its space of process numbers: those of a container are its own."""
    try:
        space = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname().replace('.', '_')}-{space}"


def _abandoned(path: Path) -> bool:
    """Whether nobody has written there for a week."""
    try:
        return time.time() - path.stat().st_mtime > WEEK_S
    except FileNotFoundError:
        return False


def _alive(process: int) -> bool:
    """Whether a process of that number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def file_lock(path: Path, mode: int = 0o666) -> Iterator[None]:
    """Let one process (or thread) at a time pass; the system lifts the lock of a process that ends in any way.

    On a file system that knows no locks all pass at once: only for work that is then done twice, not wrongly.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, mode), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                raise
        yield


def remove(path: Path) -> None:
    """Delete a file or a folder if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> bool:
    """Write `text` atomically; leave the file alone when it already holds it, and say whether it was written."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def write_json(path: Path, value: Any) -> bool:
    """Write `value` as sorted, indented JSON, atomically and only when it changes."""
    return write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def write_csv(path: Path, frame: "pd.DataFrame") -> bool:
    """Write a data frame without its index, atomically and only when it changes."""
    return write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def own_files(folder: Path, pattern: str) -> list[Path]:
    """What steps wrote below a folder, sorted; not what desktops leave there: `._x.csv`, `.DS_Store`, `x (1).csv`."""
    found = ((path, path.relative_to(folder).parts) for path in folder.glob(pattern))
    return sorted(path for path, parts in found if not any(part.startswith(".") or " " in part for part in parts))


def read_own(path: Path) -> str:
    """Text that a step wrote, whole lines of UTF-8.

    Raises:
        UserError: no such file, a folder, not text, or nothing or only a part of it is there.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        problem = "is missing"
    except UnicodeDecodeError:
        problem = "is not text"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    else:
        if text.endswith("\n"):
            return text
        problem = "ends in the middle of a line" if text else "is empty"
    raise UserError(f"{path} {problem}: delete it, if it is there, and run again")


def read_csv(path: Path, *names: str) -> "pd.DataFrame":
    """A table that a step wrote; columns `TEXT` and `names` stay as written (`NA`, `null`, `007`), empty is missing.

    Raises:
        UserError: as `read_own`, or it is no table.
    """
    import pandas as pd

    text, kept = read_own(path), TEXT | set(names)
    try:
        columns = pd.read_csv(io.StringIO(text), nrows=0).columns
        missing = {column: [""] if column in kept else ["", "nan", "NaN"] for column in columns}
        types = {column: str for column in columns if column in kept}
        table = pd.read_csv(io.StringIO(text), dtype=types, keep_default_na=False, na_values=missing)
        if list(table.columns) != list(columns) or not isinstance(table.index, pd.RangeIndex):
            raise ValueError("rows are longer than its first line")
        return table
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is not a readable table ({reason}): delete it and run again") from None


def read_json(path: Path) -> Any:
    """A document that a step wrote.

    Raises:
        UserError: no such file, or it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem = "is missing"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValueError:
        problem = "is not JSON, or only a part of it"
    raise UserError(f"{path} {problem}: delete it, if it is there, and run again")


def progress(iterable: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """Show a progress bar on stderr while `iterable` is walked."""
    from tqdm import tqdm

    return tqdm(iterable, desc=label, total=total, file=sys.stderr, mininterval=1.0, dynamic_ncols=True)


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether SIGTERM came, as a scheduler sends it at the time limit; the process goes on until it asks."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)


def visible_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads(requested: int) -> int:
    """Threads a job may really use.

    Snakemake divides the cores that the user names (`ANYBAND_CORES`), which may be more than the machine has:
    the job's share of the named cores is turned into the same share of the visible ones.
    """
    visible = visible_cores()
    named = max(int(os.environ.get("ANYBAND_CORES", visible)), 1)
    return max(1, min(requested, visible, round(requested * visible / max(named, visible))))


def set_threads(requested: int) -> int:
    """Limit torch to the job's share of the machine, divided by the processes of `torchrun`, and return that number."""
    import torch

    threads = max(1, usable_threads(requested) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    torch.set_num_threads(threads)
    return threads


def check_disk(path: Path, needed_bytes: int) -> None:
    """Raise UserError when the file system of `path` has less than `needed_bytes` free."""
    existing = Path(path).resolve()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        gigabytes = f"{free / 1e9:.1f} GB free, {needed_bytes / 1e9:.1f} GB needed"
        raise UserError(f"{existing} has {gigabytes}: free some space")
