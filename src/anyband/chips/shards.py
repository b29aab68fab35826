"""The files of an array of chips: up to 64 chips a shard, a chunk a chip, every shard written once and whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.ground import Array

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
        """The shards of an array in a local store made by `arrays.create_chips`."""
        folder = Path(array.store.root) / str(array.path)
        return cls(folder, array.shards[0], array.dtype.newbyteorder("<").str, array.ndim)

    def write(self, start: int, chips: Iterable[Array]) -> int:
        """Write the chips from `start` on, a whole shard or what is there of the last one, each used before the next.

        Returns the CRC-32C of the file.

        The file is put together here, by the specification of zarr's sharding codec: zarr itself spends three times as
        much on a shard of small chunks as their compression takes, and holds the interpreter's lock meanwhile.
        """
        import google_crc32c
        from numcodecs import Blosc  # type: ignore[import-untyped]

        path = self.path(start)
        path.parent.mkdir(parents=True, exist_ok=True)
        codec = Blosc("zstd", LEVEL, Blosc.BITSHUFFLE)
        index = np.full((self.chips, 2), 2**64 - 1, "<u8")  # offset and length of every chunk; none
        crc = 0
        with path.open("wb") as file:
            for chip, pixels in enumerate(chips):
                packed = codec.encode(np.ascontiguousarray(pixels, self.dtype))
                index[chip] = file.tell(), len(packed)
                file.write(packed)
                crc = google_crc32c.extend(crc, packed)
            table = index.tobytes()
            table += google_crc32c.value(table).to_bytes(4, "little")
            file.write(table)
        return int(google_crc32c.extend(crc, table))

    def has(self, start: int, crc: int) -> bool:
        """Whether the shard from chip `start` on is there with this CRC-32C."""
        import google_crc32c

        path = self.path(start)
        return path.is_file() and google_crc32c.value(path.read_bytes()) == crc

    def path(self, start: int) -> Path:
        """The file of the shard that begins with chip `start`."""
        number, rest = divmod(start, self.chips)
        if rest:
            raise ValueError(f"chip {start} does not begin a shard of {self.chips} chips")
        return self.folder.joinpath("c", str(number), *("0",) * (self.dimensions - 1))
