"""Integers that the products store: reflectance or kelvin to DN, each with its provider's scale, offset and nodata."""

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.sky.atmosphere import Field


def encode_sentinel2(values: Field, baseline: str) -> NDArray[np.uint16]:
    """DN = 10000 reflectance, plus 1000 from baseline 04.00 on; 0 is nodata, so darker pixels become 1."""
    offset = 1000 if baseline >= "04.00" else 0
    return np.asarray(np.clip(np.rint(values * np.float32(1e4)) + offset, 1, 65_534).astype(np.uint16))


def encode_landsat(values: Field) -> NDArray[np.uint16]:
    """Collection 2 surface reflectance: reflectance = 2.75e-5 DN - 0.2; 0 is nodata."""
    return np.asarray(np.clip(np.rint((values + np.float32(0.2)) / np.float32(2.75e-5)), 1, 65_535).astype(np.uint16))


def encode_temperature(kelvin: Field) -> NDArray[np.uint16]:
    """Collection 2 surface temperature: kelvin = 0.00341802 DN + 149; 0 is nodata."""
    return np.asarray(
        np.clip(np.rint((kelvin - np.float32(149)) / np.float32(0.00341802)), 1, 65_535).astype(np.uint16)
    )


def encode_hls(values: Field) -> NDArray[np.int16]:
    """HLS: reflectance = 1e-4 DN; -9999 is nodata."""
    return np.asarray(np.clip(np.rint(values * np.float32(1e4)), -9_998, 32_767).astype(np.int16))
