"""Reflectance depends on directions: the true dependence of each material, and the one correction that HLS makes.

Both use kernels, but not the same: the truth has a hot spot (Maignan et al. 2004, Remote Sens. Environ. 90:210) and
weights of its own for each kind of material and place; the correction is the c-factor with the fixed global weights of
Roy et al. 2016/2017 (Remote Sens. Environ. 176:255, 199:25; HLS V2.0 User Guide table 4) on Ross-Thick and
Li-Sparse-Reciprocal. So a corrected image is nearer to nadir, but not free of directions.
"""

import math

import numpy as np
from numpy.typing import NDArray

from anyband.simulation import read_table
from anyband.simulation.atmosphere import Geometry
from anyband.simulation.land.spectra import SpectralLibrary

_TABLE = read_table("brdf")
GLOBAL_WEIGHTS: dict[str, list[float]] = _TABLE["global_weights"]
"""(f_iso, f_geo, f_vol) by concept."""
TRUE_STRENGTH: dict[str, list[float]] = _TABLE["true_strength"]
PLANT_STRENGTH = (1.25, 1.0)
STRENGTH_LOG_SD = 0.25  # from place to place
REFERENCE = Geometry(35.0, 150.0, 0.0, 0.0)  # the library's spectra are taken to hold for this geometry
HOT_SPOT = math.radians(1.5)
CROWN_HEIGHT, CROWN_SHAPE = 2.0, 1.0  # h/b and b/r of Li-Sparse


def phase_angle(geometry: Geometry) -> float:
    """Angle between the directions to sun and sensor, radians."""
    return math.acos(max(-1.0, min(1.0, -geometry.cos_scattering)))


def ross_thick(geometry: Geometry, hot_spot: bool = False) -> float:
    """Volume-scattering kernel (Roujean et al. 1992), optionally with Maignan's hot-spot factor."""
    xi = phase_angle(geometry)
    factor = 1 + 1 / (1 + xi / HOT_SPOT) if hot_spot else 1.0
    numerator = ((math.pi / 2 - xi) * math.cos(xi) + math.sin(xi)) * factor
    return numerator / (geometry.cos_sun + geometry.cos_view) - math.pi / 4


def li_sparse(geometry: Geometry) -> float:
    """Surface-scattering kernel Li-Sparse-Reciprocal (Lucht et al. 2000) for h/b = 2 and b/r = 1."""
    sun, view = (math.radians(angle) for angle in (geometry.sun_zenith, geometry.view_zenith))
    turn = math.radians(geometry.sun_azimuth - geometry.view_azimuth)
    tan_sun, tan_view = CROWN_SHAPE * math.tan(sun), CROWN_SHAPE * math.tan(view)
    sun, view = math.atan(tan_sun), math.atan(tan_view)
    cos_phase = math.cos(sun) * math.cos(view) + math.sin(sun) * math.sin(view) * math.cos(turn)
    secants = 1 / math.cos(sun) + 1 / math.cos(view)
    distance = max(tan_sun**2 + tan_view**2 - 2 * tan_sun * tan_view * math.cos(turn), 0.0)
    cosine = CROWN_HEIGHT * math.sqrt(distance + (tan_sun * tan_view * math.sin(turn)) ** 2) / secants
    t = math.acos(max(-1.0, min(1.0, cosine)))
    overlap = (t - math.sin(t) * math.cos(t)) * secants / math.pi
    return overlap - secants + (1 + cos_phase) / (2 * math.cos(sun) * math.cos(view))


def c_factor(concept: str, seen: Geometry, nadir_sun_zenith: float) -> float:
    """Factor that takes a reflectance to nadir view and `nadir_sun_zenith` (degrees), as HLS does."""
    iso, geo, vol = GLOBAL_WEIGHTS[concept]
    target = Geometry(nadir_sun_zenith, 0.0, 0.0, 0.0)
    wanted, given = (iso + geo * li_sparse(g) + vol * ross_thick(g) for g in (target, seen))
    return wanted / given


def draw_strengths(rng: np.random.Generator, library: SpectralLibrary) -> NDArray[np.float32]:
    """True strength of (volume, surface) scattering of every row of a place's library, (rows, 2)."""
    strengths = np.empty((library.rows, 2), np.float32)
    for name, group in library.groups.items():
        factors = np.exp(rng.normal(0, STRENGTH_LOG_SD, 2))
        strengths[group.first : group.first + group.count] = np.array(TRUE_STRENGTH.get(name, PLANT_STRENGTH)) * factors
    return strengths


def true_factor(concept: str, seen: Geometry, strengths: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reflectance of every material in this direction relative to the library's reference geometry, (rows,)."""
    iso, geo, vol = GLOBAL_WEIGHTS[concept]
    volume, surface = vol / iso * strengths[:, 0], geo / iso * strengths[:, 1]
    given, reference = (1 + volume * ross_thick(g, hot_spot=True) + surface * li_sparse(g) for g in (seen, REFERENCE))
    return np.asarray(given / reference, np.float32)
