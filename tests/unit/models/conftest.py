"""Observations and statistics for tests of models."""

from collections.abc import Callable
from typing import Any

import pytest

from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.observation import Observation
from handmade import SETS, covariance, make_group


@pytest.fixture
def observe() -> Callable[..., Observation]:
    def make(
        products: tuple[str, ...] = ("sentinel2", "landsat"), side_m: float = 240.0, batch: int = 2, seed: int = 0
    ) -> Observation:
        groups = []
        for product in products:
            for pixel_m, bands in SETS[product]:
                offset = 15.0 if product == "landsat" else 0.0
                groups.append(make_group(product, bands, pixel_m, side_m, batch, seed + len(groups), offset))
        return Observation(tuple(groups))

    return make


@pytest.fixture
def statistics() -> Statistics:
    bands = []
    for product, sets in SETS.items():
        for _, bands_of in sets:
            for band in bands_of:
                level = 0.05 + 0.1 * (band.response.centre_nm > 700)
                bands.append(BandMoments(product, band.name, band.response.centre_nm, band.quantity, level, level / 2))
    return Statistics(tuple(bands), (100, 50, 20, 10), covariance(bands))


@pytest.fixture
def small() -> dict[str, Any]:
    return {"dim": 16, "depth": 1, "heads": 2, "fine": 8, "convolutions": 1, "moments": 2}
