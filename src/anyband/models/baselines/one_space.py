"""One space: every acquisition in the bands of Sentinel-2, and one encoder for all of them.

What users of foundation models do with another sensor: no conversion, each band of Sentinel-2 gets the values of the
band at hand that is nearest in wavelength, and what Sentinel-2 does not measure (a temperature) has a slot of its own.
One encoder per pixel reads the slots, whichever sensor filled them; acquisitions are averaged with learned weights, per
cell and per query pixel, as in the proposed method. Slots are standardised and whitened as Sentinel-2's bands.
"""

import torch
from torch import Tensor

from anyband.models.baselines.input_fusion import StackOptions
from anyband.models.core.band_stack import on_stack_grid, pixel_layers, resample, stack_grid
from anyband.models.core.method import AcquisitionMethod
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.regrid import FeatureMap
from anyband.models.core.whitening import Whitening
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band


class OneSpace(AcquisitionMethod):
    """The nearest band of any acquisition in each slot; one encoder, and the gates of `anyband`."""

    label = "One input space"
    role = "baseline"
    family = "one input space"
    colours = ("#0102f8", "#4e47fd")
    marker = "H"
    cite = "anyband"
    options_type = StackOptions
    options: StackOptions
    any_product = True
    mean: Tensor
    std: Tensor

    def __init__(self, options: StackOptions, statistics: Statistics, classes: int) -> None:
        """One slot for each band of Sentinel-2, and one for each quantity that only another product has.

        Raises:
            UserError: training without Sentinel-2.
        """
        super().__init__(options, statistics, classes)
        home = statistics.of(self.products[:1])
        if not home:
            raise UserError(f"one-space: its slots are the bands of {self.products[0]}, which training is without")
        others = {band.quantity: band for band in reversed(statistics.bands)}
        self.blocks = (home, *((band,) for kind, band in others.items() if kind not in {b.quantity for b in home}))
        self.slots = tuple(band for block in self.blocks for band in block)
        self.register_buffer("mean", torch.tensor([slot.mean for slot in self.slots]), persistent=False)
        self.register_buffer("std", torch.tensor([max(slot.std, 1e-6) for slot in self.slots]), persistent=False)
        self.maps = [Whitening(statistics.covariance_of(block[0].product, block)) for block in self.blocks]
        self.layers = pixel_layers(len(self.slots) + len(self.blocks), options.hidden, options.features)
        self.add_fusion(options.features)

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features of one acquisition on the 10 m grid."""
        values, seen = self.fill(observation, query)
        standard = ((values - self.mean) / self.std).where(seen, 0.0)
        sizes = [len(block) for block in self.blocks]
        parts, valid = torch.split(standard, sizes, dim=-1), torch.split(seen, sizes, dim=-1)
        if self.options.whiten:
            parts = tuple(whiten(*part) for whiten, *part in zip(self.maps, parts, valid, strict=True))
        present = torch.cat([part.any(dim=-1, keepdim=True) for part in valid], dim=-1).float()
        return on_stack_grid(self.layers(torch.cat((*parts, present), dim=-1)), present.amax(dim=-1, keepdim=True))

    def fill(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Values of the slots, 0 where nothing is of their quantity, and whether they were seen (B, H, W, S)."""
        (product,) = observation.products
        groups = observation.of(product)
        parts = [resample(group, stack_grid(query), linear=True) for group in groups]
        values, valid = (torch.cat(kind, dim=-1) for kind in zip(*parts, strict=True))
        nothing = torch.zeros_like(values[..., :1])  # the place of a slot that no band can fill
        values, valid = torch.cat((values, nothing), dim=-1), torch.cat((valid, nothing.bool()), dim=-1)
        index = []
        for sample in range(observation.batch):
            sets = [group.band_sets[int(group.band_set_index[sample])] for group in groups]
            bands = [band for band_set in sets for band in band_set]
            index.append([nearest_band(slot, bands) for slot in self.slots])
        place = torch.tensor(index, device=values.device)[:, None, None].expand(*values.shape[:3], -1)
        return values.gather(-1, place), valid.gather(-1, place)


def nearest_band(slot: BandMoments, bands: list[Band]) -> int:
    """Which of `bands` is of the slot's quantity and nearest to it in wavelength; their number where none is."""
    same = [place for place, band in enumerate(bands) if band.quantity == slot.quantity]
    return min(same, key=lambda place: abs(bands[place].response.centre_nm - slot.centre_nm), default=len(bands))
