"""Sensors: spectral responses, bands with their ground sampling distance, and the registry of known platforms."""

from anyband.sensors.band import Band, BandSet, Sensor
from anyband.sensors.platforms import get_sensor, load_sensor, platforms
from anyband.sensors.response import SpectralResponse

__all__ = ["Band", "BandSet", "Sensor", "SpectralResponse", "get_sensor", "load_sensor", "platforms"]
