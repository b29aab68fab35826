"""The bandpass adjustment of HLS: one regression line per pair of like bands, after resampling.

OLI = a MSI + b for each pair of bands and each Sentinel-2 (Claverie et al. 2018, Remote Sensing of Environment 219;
HLS V2.0 user guide, table 5). HLS products are in terms of OLI already. Bands that have no like one on the other sensor
are not predicted.
"""

import torch
from torch import Tensor

from anyband.apply.harmonisers import HarmoniseTask
from anyband.apply.harmonisers.resample import resample
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors.platforms import MSI_TO_OLI

OLI = dict.fromkeys(MSI_TO_OLI["sentinel-2a"], (1.0, 0.0))


def to_oli(platform: str, product: str) -> dict[str, tuple[float, float]]:
    """Lines from a product's bands to OLI's, by concept.

    Raises:
        UserError: HLS has no adjustment for it.
    """
    if product in ("landsat", "hls_s30", "hls_l30"):
        return OLI
    if product == "sentinel2" and platform in MSI_TO_OLI:
        return MSI_TO_OLI[platform]
    raise UserError(f"--method bandpass: HLS has no adjustment for {product} of {platform}, take --method analytic")


class Bandpass:
    """Resampling, then a line per band."""

    def __init__(self, task: HarmoniseTask) -> None:
        """Pair the bands.

        Raises:
            UserError: no adjustment, or no like bands.
        """
        first, last = to_oli(task.platform, task.product), to_oli(task.target.platform, task.target.product)
        concepts = {band.concept: n for n, band in enumerate(task.source) if band.concept in first}
        self.bands = tuple(band for band in task.target.bands if band.concept in concepts and band.concept in last)
        if not self.bands:
            raise UserError(f"--method bandpass: {task.platform} and {task.target.platform} have no band in common")
        self.concepts = [band.concept for band in self.bands]
        # x -> OLI -> target: (a x + b - b') / a'
        lines = [(*first[concept], *last[concept]) for concept in self.concepts]
        self.gain = torch.tensor([a / a_target for a, _, a_target, _ in lines])
        self.bias = torch.tensor([(b - b_target) / a_target for _, b, a_target, b_target in lines])
        self.resampling = task.resampling

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        values, valid, bands = resample(observation, query, self.resampling)
        place = {band.concept: n for n, band in enumerate(bands)}
        chosen = [place[concept] for concept in self.concepts]
        made = values[:, chosen] * self.gain[:, None, None] + self.bias[:, None, None]
        return made, valid[:, chosen].all(dim=1)
