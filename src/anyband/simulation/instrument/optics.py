"""Two imaging instruments as built: perturbed spectral responses, point spread, registration, gain and noise.

Nothing here is known downstream: models and processors get the published responses and nominal sampling distances.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.sensors import SpectralResponse
from anyband.simulation.rng import stream

Field = NDArray[np.float32]

# Unit-to-unit and in-orbit uncertainty of a spectral response, nm: drawn between these, either sign.
RESPONSE_SHIFT_NM = (1.0, 2.0)
# Radiometric calibration: fixed per unit and band, and from scene to scene (both within the 3 % goal of MSI and OLI).
UNIT_GAIN_SD, SCENE_GAIN_SD = 0.012, 0.004
# Shot noise makes up this share of the noise variance at the reference radiance (assumption); the rest is constant.
SHOT_SHARE = 0.7
# Solar irradiance outside the atmosphere at 1 AU, W m-2 um-1, by wavelength in nm: SOLAR_IRRADIANCE in the metadata of
# Sentinel-2A products. It only scales noise, so values between are interpolated.
SOLAR_WAVELENGTH = (442.7, 492.4, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 945.1, 1613.7, 2202.4)
SOLAR_IRRADIANCE = (
    1884.69, 1959.66, 1823.24, 1512.06, 1424.64, 1287.61, 1162.08, 1041.63, 955.32, 812.92, 245.59, 85.25,
)  # fmt: skip


def solar_irradiance(wavelength_nm: float) -> float:
    """Solar irradiance outside the atmosphere, W m-2 um-1, at a wavelength in nm (443 to 2202 nm, held outside)."""
    return float(np.exp(np.interp(wavelength_nm, SOLAR_WAVELENGTH, np.log(SOLAR_IRRADIANCE))))


@dataclass(frozen=True)
class Instrument:
    """What an imaging instrument does to the light, beside its spectral bands.

    Attributes:
        signal_to_noise: per concept, (reference radiance W m-2 sr-1 um-1, signal-to-noise ratio there).
        psf_sigma: standard deviation of the Gaussian point spread in units of the ground sampling distance.
        geolocation_sd_m: deviation of a scene's registration per axis, m.
        band_shift_sd: deviation of a band's registration against the scene, in sampling distances.
    """

    signal_to_noise: dict[str, tuple[float, float]]
    psf_sigma: float
    geolocation_sd_m: float
    band_shift_sd: float


def sigma_from_mtf(mtf_at_nyquist: float) -> float:
    """Sigma, in sampling distances, of a Gaussian point spread with this modulation transfer at Nyquist."""
    return math.sqrt(-2 * math.log(mtf_at_nyquist)) / math.pi


# MSI: reference radiances and specified signal-to-noise ratios of the Sentinel-2 mission requirements; measured ones
# are better (Gascon et al. 2017), which leaves room for what is not modelled (stripes, resampling). MTF at Nyquist
# 0.28, the middle of the 0.15 to 0.30 required and about what is measured. OLI: signal-to-noise at typical radiance
# measured in orbit (Morfitt et al. 2015, Remote Sens. 7:2208); sigma 13.3 m of its edge response.
# Registration: 5.1 m CE90 between Sentinel-2 scenes and < 6 m CE90 Landsat to Sentinel-2 (HLS V2.0 User Guide;
# Rengarajan et al. 2024), CE90 = 2.146 sigma of each axis' difference.
MSI = Instrument(
    signal_to_noise={
        "coastal": (129.0, 129.0),
        "blue": (128.0, 154.0),
        "green": (128.0, 168.0),
        "red": (108.0, 142.0),
        "red_edge_1": (74.5, 117.0),
        "red_edge_2": (68.0, 89.0),
        "red_edge_3": (67.0, 105.0),
        "nir_broad": (103.0, 172.0),
        "nir_narrow": (52.5, 72.0),
        "water_vapour": (9.0, 114.0),
        "swir1": (4.0, 100.0),
        "swir2": (1.5, 100.0),
    },
    psf_sigma=sigma_from_mtf(0.28),
    geolocation_sd_m=1.7,
    band_shift_sd=0.05,
)
OLI = Instrument(
    signal_to_noise={
        "coastal": (40.0, 237.0),
        "blue": (40.0, 367.0),
        "green": (30.0, 304.0),
        "red": (22.0, 227.0),
        "nir_narrow": (14.0, 201.0),
        "swir1": (4.0, 267.0),
        "swir2": (1.7, 327.0),
    },
    psf_sigma=13.3 / 30,
    geolocation_sd_m=2.2,
    band_shift_sd=0.03,
)


def true_response(response: SpectralResponse, platform: str, band: str) -> SpectralResponse:
    """The response a unit really has: the published one moved by 1 to 2 nm, always the same for a unit and band."""
    rng = stream(0, "response", platform, band)
    return response.shifted(float(rng.uniform(*RESPONSE_SHIFT_NM) * rng.choice((-1.0, 1.0))))


def unit_gain(platform: str, band: str) -> float:
    """Calibration gain of a unit and band, near 1."""
    return float(1 + stream(0, "gain", platform, band).normal(0, UNIT_GAIN_SD))


def noise_terms(wavelength_nm: float, reference: tuple[float, float], cos_sun: float) -> tuple[float, float]:
    """Constant and signal-proportional part of the noise variance of top-of-atmosphere reflectance.

    Args:
        wavelength_nm: centre of the band.
        reference: radiance (W m-2 sr-1 um-1) and the signal-to-noise ratio there.
        cos_sun: cosine of the sun's zenith angle; a low sun makes less radiance of the same reflectance.

    Returns:
        (a, b): variance = a + b * reflectance.
    """
    radiance, ratio = reference
    level = math.pi * radiance / (solar_irradiance(wavelength_nm) * cos_sun)
    variance = (level / ratio) ** 2
    return (1 - SHOT_SHARE) * variance, SHOT_SHARE * variance / level


def add_noise(rng: np.random.Generator, top: Field, terms: tuple[float, float]) -> Field:
    """Add sensor noise to a reflectance at the top of the atmosphere, in place; returns `top`."""
    constant, shot = (np.float32(term) for term in terms)
    top += np.sqrt(constant + shot * np.maximum(top, 0)) * rng.standard_normal(top.shape, dtype=np.float32)
    return top
