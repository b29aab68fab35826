"""Sensors: spectral responses, bands with their ground sampling distance, and the registry of known platforms."""

from anyband.sensors.band import Band, BandSet, Sensor, SpectralResponse
from anyband.sensors.platforms import get_sensor, load_sensor, platforms

__all__ = ["Band", "BandSet", "Sensor", "SpectralResponse", "get_sensor", "load_sensor", "platforms"]
