"""The arrays of a chip store: one chunk a chip, up to 64 chips a shard, every shard written once and whole."""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.encoding import Array
from anyband.runtime import remove

SHARD_CHIPS = 64

_LEVEL = 3  # of the compression by zstd


def create_chips(
    group: Any,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    dims: tuple[str, ...],
    attributes: Mapping[str, Any],
    fill: int = 0,
    capacity: int | None = None,
) -> Any:
    """An array without content, chip by chunk; `capacity` is the most chips it may come to hold, `shape[0]` if None.

    Chunks that hold nothing but the fill value are written too: an absent chunk always means damage.
    """
    from zarr.codecs import BloscCodec

    chips = shape[0] if capacity is None else capacity
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(1, *shape[1:]),
        shards=(min(max(chips, 1), SHARD_CHIPS), *shape[1:]),
        compressors=BloscCodec(cname="zstd", clevel=_LEVEL, shuffle="bitshuffle"),
        fill_value=fill,
        dimension_names=dims,
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )


def put(group: Any, name: str, array: Array, dims: tuple[str, ...], attributes: Mapping[str, Any]) -> None:
    """Write a small array as one chunk."""
    target = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=tuple(max(size, 1) for size in array.shape),
        compressors=None,
        dimension_names=dims,
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
    if array.size:
        target[...] = array


def write_shard(array: Any, start: int, chips: Iterable[Array]) -> int:
    """Write the chips from `start` on, a whole shard or what is there of the last one, each used before the next.

    Returns the CRC-32C of the file.

    The file is put together here, by the specification of zarr's sharding codec: zarr itself spends three times as much
    on a shard of small chunks as their compression takes, and holds the interpreter's lock meanwhile.
    """
    import google_crc32c
    from numcodecs import Blosc  # type: ignore[import-untyped]

    path = _shard_path(array, start)
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = Blosc("zstd", _LEVEL, Blosc.BITSHUFFLE)
    index = np.full((array.shards[0], 2), 2**64 - 1, "<u8")  # offset and length of every chunk; none
    crc = 0
    with path.open("wb") as file:
        for chip, pixels in enumerate(chips):
            packed = codec.encode(np.ascontiguousarray(pixels, array.dtype.newbyteorder("<")))
            index[chip] = file.tell(), len(packed)
            file.write(packed)
            crc = google_crc32c.extend(crc, packed)
        table = index.tobytes()
        table += google_crc32c.value(table).to_bytes(4, "little")
        file.write(table)
    return int(google_crc32c.extend(crc, table))


def has_shard(array: Any, start: int, crc: int) -> bool:
    """Whether the shard from chip `start` on is there with this CRC-32C."""
    import google_crc32c

    path = _shard_path(array, start)
    return path.is_file() and google_crc32c.value(path.read_bytes()) == crc


def _shard_path(array: Any, start: int) -> Path:
    number, rest = divmod(start, array.shards[0])
    if rest:
        raise ValueError(f"chip {start} does not begin a shard of {array.shards[0]} chips")
    key = str(array.metadata.encode_chunk_key((number, *(0,) * (array.ndim - 1))))
    return Path(array.store.root) / str(array.path) / key


class Appender:
    """Chips that are added to the end of an array; they wait until a shard is full."""

    def __init__(self, array: Any) -> None:
        """Add to `array`, which holds nothing yet."""
        self._array, self._waiting, self._written = array, [], 0  # type: Any, list[Array], int

    def add(self, values: Array) -> None:
        """Take more chips."""
        if len(values):
            self._waiting.append(values)
        shard = self._array.shards[0]
        if sum(map(len, self._waiting)) >= shard:
            together = np.concatenate(self._waiting)
            whole = len(together) // shard * shard
            self._write(together[:whole])
            self._waiting = [together[whole:].copy()]

    def close(self) -> None:
        """Write what still waits."""
        if self._waiting:
            self._write(np.concatenate(self._waiting))
            self._waiting = []

    def _write(self, values: Array) -> None:
        shard = self._array.shards[0]
        self._array.resize((self._written + len(values), *self._array.shape[1:]))
        for start in range(0, len(values), shard):
            write_shard(self._array, self._written + start, values[start : start + shard])
        self._written += len(values)


def keep_chips(group: Any, folder: Path, kept: Sequence[int], aside: Path) -> None:
    """Rewrite every array of chips below `group`, which lies in `folder`, with the chips `kept` alone, in this order.

    Needed only when a file turned out to be unusable after other chips had been written. The arrays as they were go
    to the folder `aside`.
    """
    for name, old in list(_chip_arrays(group)):
        copy = create_chips(
            group,
            f"{name}-kept",
            (len(kept), *old.shape[1:]),
            old.dtype,
            old.metadata.dimension_names,
            old.attrs.asdict(),
            int(old.fill_value),
        )
        for start in range(0, len(kept), copy.shards[0]):
            wanted = kept[start : start + copy.shards[0]]
            write_shard(copy, start, np.concatenate([old[first:end] for first, end in _runs(wanted)]))
        remove(aside / name)
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(aside / name)
        (folder / f"{name}-kept").rename(folder / name)


def checksums(chips: Iterable[Array]) -> Array:
    """CRC-32 (chip,) uint32 of every chip's stored integers, in the order of the array, little endian."""
    return np.array([checksum(chip) for chip in chips], np.uint32)


def checksum(chip: Array) -> int:
    """CRC-32 of one chip's stored integers, little endian."""
    plain: Any = np.ascontiguousarray(chip, chip.dtype.newbyteorder("<"))
    return zlib.crc32(plain)


def _chip_arrays(group: Any) -> Iterator[tuple[str, Any]]:
    for name, child in group.members(max_depth=None):
        dims = getattr(child.metadata, "dimension_names", None)
        if dims and dims[0] == "chip" and len(dims) > 2:
            yield name, child


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and end of every stretch of successive numbers."""
    first = previous = indices[0]
    for index in indices[1:]:
        if index != previous + 1:
            yield first, previous + 1
            first = index
        previous = index
    yield first, previous + 1
