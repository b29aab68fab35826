"""Small hidden surfaces that the tests of the archive share; built once in a session."""

from functools import cache

import numpy as np

from anyband.sensors import SpectralResponse
from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.landscape import Landscape, build_landscape
from anyband.simulation.land.surface import compose

SIZE = 408
# Sentinel-2A: nominal centre and width of B02, B03, B04, B05, B07, B8A, B11, B12, nm (ESA user handbook).
BANDS = [(492, 66), (560, 36), (665, 31), (704, 15), (783, 20), (865, 21), (1614, 91), (2202, 175)]
RESPONSES = [SpectralResponse.gaussian(centre, width) for centre, width in BANDS]
MAY, JULY = 138, 208


@cache
def small_landscape(archetype: str, seed: int = 0) -> Landscape:
    """A landscape of 2 km."""
    return build_landscape(HiddenGrid(32632, 600_000.0, 5_400_000.0, 5.0, SIZE), archetype, seed)


def reflectance(landscape: Landscape, day_of_year: int, southern: bool = False) -> np.ndarray:
    """Reflectance (n, n, 8) of a landscape on one day, seen without atmosphere on level ground."""
    state = compose(landscape, day_of_year, southern)
    table = landscape.library.band_values(RESPONSES)
    share = state.fraction_b[..., None]
    mixed = (1 - share) * table[state.material_a] + share * table[state.material_b]
    return state.illumination[..., None] * mixed
