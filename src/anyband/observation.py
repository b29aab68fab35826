"""What a model sees: groups of bands on their native grids, with validity, description and position.

Positions are metres from the chip's upper-left corner, x to the right and y down.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

import torch
from torch import Tensor

from anyband.sensors import BandSet

SCENE = ("sun_zenith", "sun_azimuth", "view_zenith", "day_of_year")
"""What may be known of an acquisition as a whole: angles in degrees, the azimuth clockwise from up the image, which is
north until an image is turned (a map's grid is off by its convergence, a few degrees at most), and the day from 1 on.
"""


def scene_row(
    when: datetime | None,
    sun_zenith: float | None = None,
    sun_azimuth: float | None = None,
    view_zenith: float | None = None,
) -> tuple[float, ...]:
    """A row of `BandGroup.scene`, in the order of `SCENE`; NaN for None."""
    day = None if when is None else when.timetuple().tm_yday
    return tuple(float("nan") if fact is None else float(fact) for fact in (sun_zenith, sun_azimuth, view_zenith, day))


def _nothing_known() -> Tensor:
    return torch.full((1, len(SCENE)), float("nan"))


@dataclass(frozen=True)
class BandGroup:
    """Bands of one product that share a pixel grid, for a batch of chips.

    Attributes:
        product: "sentinel2", "landsat", "hls_s30", ...
        values: (B, C, H, W) float32, surface reflectance in [0, 1.6] or kelvin; 0 where not valid, never NaN.
        valid: (B, C, H, W) bool.
        band_sets: the distinct band descriptions in the batch (S2A, S2B, ...), each of C bands.
        band_set_index: (B,) int64, which of `band_sets` describes each sample.
        pixel_m: spacing of the grid in metres.
        offset_m: (B, 2) float32, (dx, dy) metres of the group's upper-left corner from the chip's.
        scene: (B, 4) float32 in the order of `SCENE`, NaN for what is not known; one row stands for all samples.
    """

    product: str
    values: Tensor
    valid: Tensor
    band_sets: tuple[BandSet, ...]
    band_set_index: Tensor
    pixel_m: float
    offset_m: Tensor
    scene: Tensor = field(default_factory=_nothing_known)

    def __post_init__(self) -> None:
        """Refuse tensors that do not belong together.

        Raises:
            ValueError: naming the product.
        """
        batch, channels = self.values.shape[:2]
        if self.valid.shape != self.values.shape or self.valid.dtype != torch.bool:
            raise ValueError(f"{self.product}: valid must be bool and of the values' shape {tuple(self.values.shape)}")
        if any(len(band_set) != channels for band_set in self.band_sets):
            raise ValueError(f"{self.product}: {channels} channels, but a band set of another length")
        if self.band_set_index.shape != (batch,) or self.offset_m.shape != (batch, 2):
            raise ValueError(f"{self.product}: band_set_index must be ({batch},) and offset_m ({batch}, 2)")
        if self.scene.shape not in ((1, len(SCENE)), (batch, len(SCENE))):
            raise ValueError(f"{self.product}: scene must be ({batch}, {len(SCENE)})")
        object.__setattr__(self, "scene", self.scene.expand(batch, -1))

    def part(self, samples: slice, device: torch.device) -> "BandGroup":
        """Some samples of the batch, on a device."""
        names = ("values", "valid", "band_set_index", "offset_m", "scene")
        return replace(self, **{name: getattr(self, name)[samples].to(device) for name in names})

    def select_bands(self, indices: tuple[int, ...]) -> "BandGroup":
        """The same group with only the bands at `indices`, in that order."""
        chosen = list(indices)
        return replace(
            self,
            values=self.values[:, chosen],
            valid=self.valid[:, chosen],
            band_sets=tuple(band_set.select(indices) for band_set in self.band_sets),
        )


@dataclass(frozen=True)
class Observation:
    """All band groups of a batch of chips, in any order."""

    groups: tuple[BandGroup, ...]

    @property
    def batch(self) -> int:
        """Number of chips."""
        return self.groups[0].values.shape[0]

    @property
    def products(self) -> frozenset[str]:
        """Products that are present."""
        return frozenset(group.product for group in self.groups)

    def of(self, product: str) -> tuple[BandGroup, ...]:
        """The groups of one product, finest grid first."""
        return tuple(sorted((g for g in self.groups if g.product == product), key=lambda g: g.pixel_m))

    def only(self, products: frozenset[str]) -> "Observation":
        """The observation restricted to `products`."""
        return Observation(tuple(group for group in self.groups if group.product in products))

    def part(self, samples: slice, device: torch.device) -> "Observation":
        """Some samples of the batch, on a device."""
        return Observation(tuple(group.part(samples, device) for group in self.groups))


@dataclass(frozen=True)
class QueryGrid:
    """Where a map is asked for: `height` x `width` pixels of `pixel_m` metres from the chip's upper-left corner."""

    pixel_m: float
    height: int
    width: int
