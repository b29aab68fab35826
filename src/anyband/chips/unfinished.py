"""What a killed extraction leaves for the next one: a hidden folder beside the store that it makes.

Layout of `.{store}.unfinished`::

    lock        held by the process that works here
    identity    what all results in it follow from
    journal/    results of finished work, a file each
    bands/      arrays of bands with the shards that an earlier process wrote
    store/      the store as far as it is; all but the arrays of bands is written anew from the journal

If the checksum of a file of the journal is wrong (SIGKILL cannot tear one, a power cut can), nothing here is believed,
for later results follow from earlier ones. A shard whose checksum is wrong is read again.
"""

import fcntl
import hashlib
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anyband.runtime import UserError, remove

T = TypeVar("T")

CHECKSUM_BYTES = 4


@dataclass(frozen=True)
class Journal:
    """Results of finished work by name, in files that are there whole or not at all; any process may write."""

    folder: Path

    def get(self, name: str) -> Any:
        """What an earlier `put` kept under a name; None if there is nothing."""
        from numcodecs import Blosc  # type: ignore[import-untyped]

        file = self._file(name)
        return pickle.loads(Blosc().decode(file.read_bytes()[CHECKSUM_BYTES:])) if file.is_file() else None

    def put(self, name: str, value: Any) -> None:
        """Keep a result."""
        from numcodecs import Blosc

        packed = Blosc("zstd", 1, Blosc.BITSHUFFLE).encode(pickle.dumps(value))
        file = self._file(name)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(_checksum(packed) + packed)
        temporary.replace(file)

    def once(self, name: str, work: Callable[[], T]) -> T:
        """The result of `work` (not None), which is done only if no earlier process has finished it."""
        value: T | None = self.get(name)
        if value is None:
            value = work()
            self.put(name, value)
        return value

    def is_damaged(self) -> bool:
        """Whether the checksum of any file is wrong."""
        contents = (file.read_bytes() for file in self.folder.glob("*") if not file.suffix)
        return any(content[:CHECKSUM_BYTES] != _checksum(content[CHECKSUM_BYTES:]) for content in contents)

    def _file(self, name: str) -> Path:
        return self.folder / hashlib.sha256(name.encode()).hexdigest()


def _checksum(content: bytes) -> bytes:
    import google_crc32c

    return int(google_crc32c.value(content)).to_bytes(CHECKSUM_BYTES, "little")


@contextmanager
def unfinished_folder(path: Path, identity: str) -> Iterator[Path]:
    """The folder in which the store `path` is made; afterwards `store/` in it becomes `path`, and the folder goes.

    After a failure it stays, and what is in it is used again if `identity` is the same.

    Raises:
        UserError: another process makes the same store.
    """
    folder = path.parent / f".{path.name}.unfinished"
    with _locked(folder, path):
        _begin(folder, identity)
        yield folder
        remove(path)
        (folder / "store").rename(path)
        remove(folder)


@contextmanager
def _locked(folder: Path, path: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be; it goes with its process, however that ends."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("w")
        except FileNotFoundError:  # the process before us just finished and took the folder away
            continue
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"another process is making {path}: wait for it, or stop it") from None
            if _is(lock.fileno(), folder / "lock"):
                yield
                return


def _is(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at `path`."""
    return path.is_file() and os.path.samestat(os.fstat(descriptor), path.stat())


def _begin(folder: Path, identity: str) -> None:
    """Leave in the folder what can be used again."""
    written, journal = folder / "identity", folder / "journal"
    if not written.is_file() or written.read_text() != identity or Journal(journal).is_damaged():
        written.unlink(missing_ok=True)  # first, for this may be interrupted too
        for entry in folder.iterdir():
            if entry.name != "lock":
                remove(entry)
        written.write_text(identity)
    _set_bands_aside(folder)
    journal.mkdir(exist_ok=True)


def _set_bands_aside(folder: Path) -> None:
    """Move arrays of bands from the store to `bands`, which holds them already if the store has a shortened copy."""
    for array in sorted((folder / "store").glob("*/*m/values")):
        aside = folder / "bands" / array.relative_to(folder / "store")
        if not aside.exists():
            aside.parent.mkdir(parents=True, exist_ok=True)
            array.rename(aside)
    remove(folder / "store")
