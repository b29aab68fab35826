"""Independent random streams, one for every thing that must not share its chance with another."""

import hashlib

import numpy as np


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """Random generator that depends on `seed` and on every one of `keys`, and on nothing else.

    Surfaces use (place, "surface"), scenes (place, sensor, date): two sensors then see the same ground through skies,
    noises and registration errors that have nothing in common.
    """
    text = "/".join(str(key) for key in (seed, *keys))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little"))
