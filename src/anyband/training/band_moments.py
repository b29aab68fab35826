"""Statistics of the training pixels, computed once and kept with the model."""

from collections.abc import Iterable

import numpy as np
import torch
from scipy.linalg import block_diag
from torch import Tensor

from anyband.chips.dataset import ChipDataset
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.regrid import apply_separable, moment_weights
from anyband.observation import BandGroup
from anyband.runtime import UserError
from anyband.sensors import Band

CELL_M = 60.0
"""Ground on which bands of all pixel sizes meet for their covariance: the coarsest pixel of Sentinel-2."""
COVERED = 0.99  # share of a cell that every band must have seen


def measure(table: ChipDataset, products: Iterable[str]) -> Statistics:
    """Mean and standard deviation of every band over valid pixels, covariance of all bands, and pixels per class.

    The description of a band (its centre) is that of the platform that comes first in the data. The covariance is that
    of means over cells of 60 m which all bands saw, about their joint means; where no chip was seen by all products,
    that of each product, and none between them.

    Raises:
        UserError: a band without one valid pixel, or no cell that all bands saw.
    """
    sums: dict[tuple[str, str], list[Tensor]] = {}  # of every batch: count, sum, sum of squares
    known: dict[tuple[str, str], Band] = {}
    joint: list[Tensor] = []
    wanted = sorted(products, reverse=True)  # sentinel2 before landsat, and stable
    for indices in table.ordered_batches(64):
        observation = table.observation(indices, set(wanted))
        ordered = [group for product in wanted for group in observation.of(product)]
        for group in ordered:
            valid = group.valid.double()
            values = group.values.double() * valid
            moments = torch.stack([m.sum(dim=(0, 2, 3)) for m in (valid, values, values**2)])
            for channel, band in enumerate(group.band_sets[0]):
                known.setdefault((group.product, band.name), band)
                sums.setdefault((group.product, band.name), []).append(moments[:, channel])
        if observation.products == set(wanted):
            joint.append(_products(ordered, table.chip_m))
    bands = []
    for (product, name), band in sorted(known.items(), key=lambda entry: wanted.index(entry[0][0])):
        count, first, second = torch.stack(sums[product, name]).sum(dim=0).tolist()
        if count == 0:
            raise UserError(f"{product} band {name} has no valid pixel in the training split")
        mean = first / count
        std = max(second / count - mean**2, 0.0) ** 0.5
        bands.append(BandMoments(product, name, band.response.centre_nm, band.quantity, mean, std))
    counts = np.bincount(table.label[table.label >= 0].ravel(), minlength=len(table.classes))
    together = torch.stack(joint).sum(dim=0) if joint else torch.zeros(1, 1)
    if float(together[-1, -1]) == 0 and len(table.having(wanted)) == 0:
        apart = [np.array(measure(table, {product}).covariance) for product in wanted]
        covariance = tuple(tuple(row) for row in block_diag(*apart).tolist())
    else:
        covariance = _covariance(together, wanted)
    return Statistics(tuple(bands), tuple(int(count) for count in counts), covariance)


def _products(groups: list[BandGroup], chip_m: float) -> Tensor:
    """Sums of products (C + 1, C + 1) float64 of the cell means of all bands and of a band that is 1 everywhere."""
    means, covered = zip(*(_cell_means(group, round(chip_m / CELL_M)) for group in groups), strict=True)
    both = torch.cat(means, dim=-1), torch.cat(covered, dim=-1)
    kept = both[0][(both[1] > COVERED).all(dim=-1)]
    with_one = torch.cat((kept, torch.ones_like(kept[:, :1])), dim=-1).double()
    return with_one.T @ with_one


def _cell_means(group: BandGroup, cells: int) -> tuple[Tensor, Tensor]:
    """Means over the ground of each cell and observed shares, both (B, cells, cells, C)."""
    dx, dy = group.offset_m.unbind(1)
    height, width = group.values.shape[2:]
    rows = moment_weights(height, group.pixel_m, dy, cells, CELL_M, 1)
    columns = moment_weights(width, group.pixel_m, dx, cells, CELL_M, 1)
    valid = group.valid.float().permute(0, 2, 3, 1)
    values = apply_separable(rows, columns, group.values.permute(0, 2, 3, 1) * valid)
    seen = apply_separable(rows, columns, valid)
    return values / seen.clamp_min(1e-6), seen


def _covariance(total: Tensor, products: list[str]) -> tuple[tuple[float, ...], ...]:
    """Covariance from the sums of `_products`.

    Raises:
        UserError: no cell that all bands saw.
    """
    count = float(total[-1, -1])
    if count == 0:
        raise UserError(f"no ground in the training split was seen in every band of {', '.join(products)}")
    mean = total[-1, :-1] / count
    covariance = total[:-1, :-1] / count - torch.outer(mean, mean)
    return tuple(tuple(row) for row in covariance.tolist())
