"""Whitening: what every dense method does with the standardised bands of a product before it looks at them.

The bands of one product are highly correlated, and what tells classes apart is often a small contrast between two of
them. Multiplied by the inverse square root of their correlation over training pixels they are uncorrelated, of variance
1, and each still nearest to its own band (ZCA-cor whitening, Kessy et al. 2018, The American Statistician 72(4)). The
map is fixed and the same for every method. Where only some bands saw a pixel, the others have what Gaussian inference
from those expects (Rasmussen and Williams 2006, equation 2.23), or an absent band would look like a strange contrast.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.models.core.normalisation import NUGGET, BandMoments, Floats, Statistics, conditional, whitening
from anyband.observation import BandGroup
from anyband.sensors import Band

NUGGET_UNSEEN = 1e-2  # for products that training lacked: blended covariances say less of the contrasts of their bands


class Whitening:
    """The map of the bands of one product, for each set of bands that saw a pixel, computed once."""

    def __init__(self, covariance: Floats, nugget: float = NUGGET, *, given: int | None = None) -> None:
        """Map of bands with this covariance, in any unit; without `given`, which counts the first, all are there."""
        variance = np.diag(covariance).copy()
        unknown = variance <= 0  # of a quantity that training lacked
        spread = np.sqrt(np.where(unknown, 1.0, variance))
        correlation = covariance / np.outer(spread, spread) + np.diag(unknown.astype(float))
        self._correlation, whiten, axes = whitening(correlation, nugget)
        self._whiten = (axes @ whiten)[:given]
        self._known: dict[bytes, Tensor] = {}

    def __call__(self, standard: Tensor, seen: Tensor) -> Tensor:
        """Whitened bands (..., C) of standardised ones (..., C), 0 where no band was seen; `seen` is bool."""
        values, flags = standard.flatten(0, -2), seen.flatten(0, -2)
        whitened = torch.zeros_like(values)
        with torch.autocast(values.device.type, enabled=False):  # half precision would round small contrasts away
            for pattern, rows in patterns(flags):
                gain = self._gain(pattern).to(values)
                if len(rows) == len(values):
                    whitened = values @ gain.T
                else:
                    whitened[rows] = values[rows] @ gain.T
        return whitened.reshape(standard.shape)

    def _gain(self, seen: NDArray[np.bool_]) -> Tensor:
        """From standardised to whitened bands (C, C), with columns of 0 for those that were not seen."""
        key = seen.tobytes()
        if key not in self._known:
            gain = np.zeros((len(self._whiten), len(seen)))
            on = np.flatnonzero(seen)
            if len(on) == len(self._correlation):
                gain = self._whiten
            elif len(on):
                gain[:, on], _ = conditional(self._correlation, np.eye(len(self._correlation))[on], self._whiten, 0.0)
            self._known[key] = torch.from_numpy(gain.astype(np.float32))
        return self._known[key]


def patterns(flags: Tensor) -> Iterator[tuple[NDArray[np.bool_], Tensor]]:
    """The distinct rows (C,) of booleans (N, C), each with the indices of the rows that are like it.

    Rows are told apart by the sum of a fixed random number for each true flag; sorting whole rows takes far longer.
    """
    everything = torch.arange(len(flags), device=flags.device)
    if bool((flags == flags[:1]).all()):
        yield flags[0].cpu().numpy(), everything
        return
    numbers = torch.rand(flags.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sums = (flags.double() @ numbers.to(flags.device)).round(decimals=9)  # the order of summation may differ by row
    keys, index = torch.unique(sums, return_inverse=True)
    for number in range(len(keys)):
        rows = everything[index == number]
        yield flags[rows[0]].cpu().numpy(), rows


class AnyBands:
    """Standardised, and as told whitened, bands of whatever products: what any-sensor front ends are given.

    Bands that training had are whitened by the map of their product, whatever else is there; others among themselves,
    with the covariance that their wavelengths let expect.
    """

    def __init__(self, statistics: Statistics, whiten: bool) -> None:
        """Nothing is known yet of any product; maps are kept once made."""
        self.at, self._statistics, self._whiten = statistics.at, statistics, whiten
        self._home = {(band.product, band.name) for band in statistics.bands}
        self._maps: dict[tuple[str, tuple[Band, ...]], Whitening] = {}

    def whiten(self, standard: Tensor, seen: Tensor, groups: Sequence[BandGroup]) -> Tensor:
        """Bands (B, H, W, C) of the groups, in their order, each product whitened by itself."""
        if not self._whiten:
            return standard
        whitened = torch.zeros_like(standard)
        owners = [(group.product, band.name) for group in groups for band in group.band_sets[0]]
        sets = torch.stack([group.band_set_index for group in groups], dim=1)
        for chosen in torch.unique(sets, dim=0):
            samples = (sets == chosen).all(dim=1).nonzero()[:, 0]
            bands = [band for group, i in zip(groups, chosen.tolist(), strict=True) for band in group.band_sets[i]]
            parts: dict[tuple[str, bool], list[int]] = {}
            for channel, owner in enumerate(owners):
                parts.setdefault((owner[0], owner in self._home), []).append(channel)
            for (product, _), channels in parts.items():
                found = self._map(product, tuple(bands[channel] for channel in channels))
                made = found(standard[samples][..., channels], seen[samples][..., channels])
                whitened[samples[:, None], ..., torch.tensor(channels, device=samples.device)] = made.movedim(-1, 1)
        return whitened

    def _map(self, product: str, bands: tuple[Band, ...]) -> Whitening:
        """Map of a product's bands at hand; of those that training had beside them, what these tell is used."""
        if (product, bands) not in self._maps:
            names = {band.name for band in bands}
            home = self._statistics.of([product]) if (product, bands[0].name) in self._home else ()
            every: list[Band | BandMoments] = [*bands, *(entry for entry in home if entry.name not in names)]
            covariance = self._statistics.covariance_of(product, every)
            nugget = NUGGET if home else NUGGET_UNSEEN
            self._maps[product, bands] = Whitening(covariance, nugget, given=len(bands))
        return self._maps[product, bands]
