"""The spectral library of the hidden surface: groups of reflectance spectra as low-rank factors.

Rows are ordered group by group; inside a group by (set, stage, level). A *set* is one plant (traits and soil), one
soil, one roof. Vegetation has four stages and seven leaf-area levels, soil four moisture levels, all else one row.
Sources of every group are in data/spectral_library.json, written by rebuild_library.py together with the factors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from anyband.sensors import SpectralResponse
from anyband.simulation import DATA

# A plant, soil or roof of a place is mixed from two of the library, the first with at least this share.
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class MaterialGroup:
    """Where the rows of one kind of material lie.

    Attributes:
        first: row of set 0, stage 0, level 0.
        sets: number of plants, soils, roofs.
        stages: phenological stages of each (1 for what does not grow).
        levels: leaf-area or moisture levels of each stage.
    """

    first: int
    sets: int
    stages: int
    levels: int

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.sets * self.stages * self.levels

    def row(self, chosen: NDArray[np.int64], stage: int = 0, level: int = 0) -> NDArray[np.int64]:
        """Rows of the sets `chosen` (any shape; taken modulo the number of sets) at one stage and level."""
        return self.first + ((np.asarray(chosen) % self.sets) * self.stages + stage) * self.levels + level


@dataclass(frozen=True, eq=False)
class SpectralLibrary:
    """Reflectance spectra as coefficient @ basis.

    Attributes:
        wavelength_nm: (W,) float64, 400 to 2500 nm in steps of 5 nm.
        basis: (r, W) float32.
        coefficient: (R, r) float32; spectrum of row i is coefficient[i] @ basis, reflectance.
        groups: name of the material -> its rows.
        lai_levels: leaf area index (m2/m2) of the vegetation levels.
        moisture_levels: 0 dry to 1 saturated, of the soil levels.
    """

    wavelength_nm: NDArray[np.float64]
    basis: NDArray[np.float32]
    coefficient: NDArray[np.float32]
    groups: dict[str, MaterialGroup]
    lai_levels: tuple[float, ...]
    moisture_levels: tuple[float, ...]

    @property
    def rows(self) -> int:
        """Number of spectra."""
        return int(self.coefficient.shape[0])

    def band_values(self, responses: Sequence[SpectralResponse]) -> NDArray[np.float32]:
        """Reflectance of every row in every band, float32 (rows, bands), never negative.

        Raises:
            ValueError: a response lies outside 400 to 2500 nm.
        """
        weights = np.stack([response.quadrature(self.wavelength_nm) for response in responses], axis=1)
        values = self.coefficient @ (self.basis.astype(np.float64) @ weights).astype(np.float32)
        return np.maximum(values, np.float32(0.0))

    def of_place(self, seed: int) -> SpectralLibrary:
        """The library of one place: the same rows, each set mixed with another of its kind.

        Two places never share a spectrum, so a model cannot learn the finite library by heart and meet the same rows in
        a place held out. The mix of two plants, soils or roofs is again a possible one, and stage and level keep
        their meaning.
        """
        rng = np.random.default_rng([seed, 77])
        mixed = self.coefficient.copy()
        for group in self.groups.values():
            block = self.coefficient[group.first : group.first + group.count]
            block = block.reshape(group.sets, group.stages * group.levels, -1)
            share = rng.uniform(LEAST_SHARE, 1.0, (group.sets, 1, 1)).astype(np.float32)
            partner = rng.integers(0, group.sets, group.sets)
            out = share * block + (np.float32(1.0) - share) * block[partner]
            mixed[group.first : group.first + group.count] = out.reshape(group.count, -1)
        return replace(self, coefficient=mixed)


@lru_cache(maxsize=1)
def load_library() -> SpectralLibrary:
    """Reads the library that comes with the package."""
    table = json.loads((DATA / "spectral_library.json").read_text())
    with np.load(DATA / "spectral_library.npz") as archive:
        return SpectralLibrary(
            wavelength_nm=archive["wavelength_nm"].astype(np.float64),
            basis=archive["basis"],
            coefficient=archive["coefficient"].astype(np.float32),
            groups={name: MaterialGroup(**value) for name, value in table["groups"].items()},
            lai_levels=tuple(table["lai_levels"]),
            moisture_levels=tuple(table["moisture_levels"]),
        )
