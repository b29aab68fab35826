"""Statistics of the training pixels, computed once and kept with the model."""

from collections.abc import Iterable

import numpy as np
import torch

from anyband.chips.loader import ChipTable
from anyband.models.statistics import BandStatistics, Statistics
from anyband.observation import BandGroup
from anyband.runtime import UserError


def measure(table: ChipTable, products: Iterable[str]) -> Statistics:
    """Mean and standard deviation of every band over valid pixels, and pixels per class.

    The description of a band (its centre) is that of the platform that comes first in the data.

    Raises:
        UserError: a band without one valid pixel.
    """
    sums: dict[tuple[str, str], list[torch.Tensor]] = {}
    groups: dict[tuple[str, str], tuple[BandGroup, int]] = {}
    wanted = sorted(products, reverse=True)  # sentinel2 before landsat, and stable
    for indices in table.ordered_batches(64):
        for product in wanted:
            for group in table.observation(indices, {product}).of(product):
                valid = group.valid.double()
                values = group.values.double() * valid
                moments = torch.stack([m.sum(dim=(0, 2, 3)) for m in (valid, values, values**2)])
                for channel, band in enumerate(group.band_sets[0]):
                    groups.setdefault((product, band.name), (group, channel))
                    sums.setdefault((product, band.name), []).append(moments[:, channel])
    bands = []
    for (product, name), (group, channel) in groups.items():
        count, first, second = torch.stack(sums[product, name]).sum(dim=0).tolist()
        if count == 0:
            raise UserError(f"{product} band {name} has no valid pixel in the training split")
        mean = first / count
        band = group.band_sets[0].bands[channel]
        std = max(second / count - mean**2, 0.0) ** 0.5
        bands.append(BandStatistics(product, name, band.response.centre_nm, band.quantity, mean, std))
    counts = np.bincount(table.label[table.label >= 0].ravel(), minlength=len(table.classes))
    return Statistics(tuple(bands), tuple(int(count) for count in counts))
