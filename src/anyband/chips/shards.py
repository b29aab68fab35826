"""The arrays of a chip store: one chunk a chip, up to 64 chips a shard, every shard written once and whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.ground import Array
from anyband.runtime import remove

SHARD_CHIPS = 64

LEVEL = 3
"""Of the compression by zstd."""


@dataclass(frozen=True)
class Shards:
    """Where the shards of an array are, without zarr: opening an array takes as long as reading ten of its chips.

    Attributes:
        folder: of the array.
        chips: chunks of a shard, those of the last one counted as if it were full.
        dtype: of the values, little endian.
        dimensions: of the array; all but the first are whole in every chunk.
    """

    folder: Path
    chips: int
    dtype: str
    dimensions: int

    @classmethod
    def of(cls, array: Any) -> "Shards":
        """The shards of an array in a local store made by `create_chips`."""
        folder = Path(array.store.root) / str(array.path)
        return cls(folder, array.shards[0], array.dtype.newbyteorder("<").str, array.ndim)

    def write(self, start: int, chips: Iterable[Array]) -> None:
        """Write the chips from `start` on, a whole shard or what is there of the last one, each used before the next.

        The file is put together here, by the specification of zarr's sharding codec: zarr itself spends three times as
        much on a shard of small chunks as their compression takes, and holds the interpreter's lock meanwhile.
        """
        import google_crc32c
        from numcodecs import Blosc  # type: ignore[import-untyped]

        path = self.path(start)
        path.parent.mkdir(parents=True, exist_ok=True)
        codec = Blosc("zstd", LEVEL, Blosc.BITSHUFFLE)
        index = np.full((self.chips, 2), 2**64 - 1, "<u8")  # offset and length of every chunk; none
        with path.open("wb") as file:
            for chip, pixels in enumerate(chips):
                packed = codec.encode(np.ascontiguousarray(pixels, self.dtype))
                index[chip] = file.tell(), len(packed)
                file.write(packed)
            table = index.tobytes()
            table += google_crc32c.value(table).to_bytes(4, "little")
            file.write(table)

    def path(self, start: int) -> Path:
        """The file of the shard that begins with chip `start`."""
        number, rest = divmod(start, self.chips)
        if rest:
            raise ValueError(f"chip {start} does not begin a shard of {self.chips} chips")
        return self.folder.joinpath("c", str(number), *("0",) * (self.dimensions - 1))


def create_chips(
    group: Any,
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    dims: tuple[str, ...],
    attributes: Mapping[str, Any],
    fill: float = 0,
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
        compressors=BloscCodec(cname="zstd", clevel=LEVEL, shuffle="bitshuffle"),
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
        shards = Shards.of(self._array)
        for start in range(0, len(values), shard):
            shards.write(self._written + start, values[start : start + shard])
        self._written += len(values)


def keep_chips(group: Any, folder: Path, kept: Sequence[int]) -> None:
    """Rewrite every array of chips below `group`, which lies in `folder`, with the chips `kept` alone, in this order.

    Needed only when a file turned out to be unusable after other chips had been written.
    """
    for name, old in list(_chip_arrays(group)):
        shape, dims = (len(kept), *old.shape[1:]), old.metadata.dimension_names
        new = create_chips(group, f"{name}-kept", shape, old.dtype, dims, old.attrs.asdict(), int(old.fill_value))
        shards = Shards.of(new)
        for start in range(0, len(kept), shards.chips):
            wanted = kept[start : start + shards.chips]
            shards.write(start, np.concatenate([old[first:end] for first, end in _runs(wanted)]))
        remove(folder / name)
        (folder / f"{name}-kept").rename(folder / name)


def checksums(chips: Iterable[Array]) -> Array:
    """CRC-32C (chip,) uint32 of every chip's stored integers, in the order of the array, little endian."""
    return np.array([checksum(chip) for chip in chips], np.uint32)


def checksum(chip: Array) -> int:
    """CRC-32C of one chip's stored integers, little endian."""
    import google_crc32c

    plain: Any = np.ascontiguousarray(chip, chip.dtype.newbyteorder("<")).view()
    plain.flags.writeable = False  # the library takes nothing else without a copy
    return int(google_crc32c.value(plain))


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
