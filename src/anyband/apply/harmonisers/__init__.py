"""Harmonisers predict the bands of a target sensor from another's; a new one is a class and a line in `HARMONISERS`."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from torch import Tensor

from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band, Sensor, get_sensor
from anyband.sensors.platforms import products

HARMONISERS = {
    "bandpass": "bandpass.Bandpass",
    "analytic": "trained.Gaussian",
    "translation": "trained.Translated",
    "learned": "trained.Learned",
}
"""Module of this package and class of every method; each is made from a `HarmoniseTask`."""


class Harmoniser(Protocol):
    """Predicts the bands of a target sensor."""

    bands: tuple[Band, ...]
    """Bands that it can predict, in the order of the values."""

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        ...


@dataclass(frozen=True)
class HarmoniseTask:
    """What is to be predicted from what.

    Attributes:
        source: bands of the acquisition at hand.
        platform: satellite of the acquisition.
        product: product of the acquisition.
        target: sensor whose pixels are wanted.
        run: folder of a trained run, None where none was named.
        resampling: "cubic" or "linear", to a finer grid; to a coarser one pixels are averaged.
    """

    source: tuple[Band, ...]
    platform: str
    product: str
    target: Sensor
    run: Path | None = None
    resampling: str = "cubic"

    def needed_run(self, message: str) -> Path:
        """The run, or a UserError with `message` where none was named."""
        if self.run is None:
            raise UserError(message)
        return self.run


def harmoniser(method: str, task: HarmoniseTask) -> Harmoniser:
    """The harmoniser called `method`, made for a task.

    Raises:
        UserError: no such method, or one that cannot do the task.
    """
    if method not in HARMONISERS:
        raise UserError(f"--method {method!r} does not exist; known: {', '.join(HARMONISERS)}")
    module, name = HARMONISERS[method].split(".")
    made: Harmoniser = getattr(import_module(f"{__name__}.{module}"), name)(task)
    return made


def target_sensor(name: str) -> Sensor:
    """The sensor of a platform ("sentinel-2a"); of one with several products, the one that it is not resampled in.

    Raises:
        UserError: no such platform.
    """
    found = [product for product in products(name.lower()) if not product.startswith("hls_")]
    if not found:
        raise UserError(f"--to {name!r} is not in the registry of sensors; known: sentinel-2a, landsat-9 and so on")
    return get_sensor(name.lower(), found[0])
