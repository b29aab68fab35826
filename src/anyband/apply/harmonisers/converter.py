"""What a converter is, and the registry of them. A new one is one file and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band, Sensor, get_sensor
from anyband.sensors.platforms import products


class Converter(Protocol):
    """Predicts the bands of a target sensor."""

    bands: tuple[Band, ...]
    """Bands that it can predict, in the order of the values."""

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        ...


@dataclass(frozen=True)
class Task:
    """What is to be converted.

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


def converter(method: str, task: Task) -> Converter:
    """The converter called `method`, made for a task.

    Raises:
        UserError: no such method, or one that cannot do the task.
    """
    from anyband.apply.harmonisers import bandpass, gaussian, learned, translated

    known: dict[str, Callable[[Task], Converter]] = {
        "bandpass": bandpass.make,
        "analytic": gaussian.make,
        "translation": translated.make,
        "learned": learned.make,
    }
    if method not in known:
        raise UserError(f"--method {method!r} does not exist; known: {', '.join(known)}")
    return known[method](task)


def target_sensor(name: str) -> Sensor:
    """The sensor of a platform ("sentinel-2a"); of one with several products, the one that it is not resampled in.

    Raises:
        UserError: no such platform.
    """
    found = [product for product in products(name.lower()) if not product.startswith("hls_")]
    if not found:
        raise UserError(f"--to {name!r} is not in the registry of sensors; known: sentinel-2a, landsat-9 and so on")
    return get_sensor(name.lower(), found[0])
