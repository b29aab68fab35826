"""Bands averaged into wider ones: those that the encoder cannot tell apart, and those of synthetic sensors.

A hyperspectral sensor has dozens of bands where training had one, and a product may carry a band twice. The mean of
such bands is again a band, whose response is the mean of theirs (`superpose`), so nothing is approximated but the
places where one of them is missing. Counted one by one they would outvote the others, and the posterior would take
their common error for noise that averages out.

A synthetic sensor is made from what a real one measured: fewer bands, wider bands, coarser pixels. Each step is a
linear functional of the same scene, so the description that goes with it is exact: dropping a band leaves a sensor
without it, and pixels of a larger point spread are those of a sensor with a larger sampling distance
(`anyband.degrade`).
"""

from dataclasses import replace
from functools import lru_cache

import torch

from anyband.degrade import coarsen
from anyband.models.core.band_stack import some_bands
from anyband.models.proposed.codes import SHORTEST_PERIOD
from anyband.observation import BandGroup
from anyband.sensors import Band, BandSet
from anyband.sensors.band import REFLECTANCE, superpose

Runs = tuple[tuple[int, ...], ...]
SAME = 0.9
"""Least share of the wavelengths of two bands, taken together, that both cover if they are the same band twice."""


def resolved(group: BandGroup) -> BandGroup:
    """The group with the same bands, and those closer than the spectral code can tell apart, averaged.

    Groups without such bands are returned as they are; those of Sentinel-2, Landsat and HLS have none.
    """
    return averaged(group, neighbours(group.band_sets[0].bands))


def averaged(group: BandGroup, runs: Runs) -> BandGroup:
    """The group with the bands of every run averaged into one; as it is where each run has one band.

    A pixel of the mean counts the bands that saw it.
    """
    bands = group.band_sets[0].bands
    if len(runs) == len(bands):
        return group
    share = torch.zeros(len(runs), len(bands), dtype=group.values.dtype, device=group.values.device)
    for row, run in enumerate(runs):
        share[row, list(run)] = 1 / len(run)
    if bool(group.valid.all()):
        values = torch.einsum("rc,bchw->brhw", share, group.values)
        valid = torch.ones_like(values, dtype=torch.bool)
    else:
        seen = group.valid.to(share)
        weight = torch.einsum("rc,bchw->brhw", share, seen)
        valid = weight > 0
        values = torch.einsum("rc,bchw->brhw", share, group.values * seen) / weight.where(valid, 1.0)
    return replace(group, values=values, valid=valid, band_sets=tuple(merged(each, runs) for each in group.band_sets))


@lru_cache(maxsize=1024)
def neighbours(bands: tuple[Band, ...]) -> Runs:
    """Indices of bands to average, by wavelength from below: the same band again, and what fits the shortest period."""
    runs: list[list[int]] = []
    for index in by_wavelength(bands):
        joined = [bands[i] for i in (*runs[-1], index)] if runs else []
        if joined and len({_kind(band) for band in joined}) == 1 and _inseparable(joined):
            runs[-1].append(index)
        else:
            runs.append([index])
    return tuple(tuple(run) for run in runs)


def by_wavelength(bands: tuple[Band, ...]) -> list[int]:
    """Indices of bands by kind, and within a kind by wavelength from below."""
    return sorted(range(len(bands)), key=lambda i: (_kind(bands[i]), lower_nm(bands[i]), upper_nm(bands[i])))


def _kind(band: Band) -> tuple[str, float, float]:
    return band.quantity, band.gsd_m, band.pixel_m


def _inseparable(bands: list[Band]) -> bool:
    lows, highs = [lower_nm(band) for band in bands], [upper_nm(band) for band in bands]
    low, high = min(lows), max(highs)
    narrow = high < low * (1 + SHORTEST_PERIOD)
    same = min(highs) - max(lows) >= SAME * (high - low)
    return bands[0].quantity == REFLECTANCE and (narrow or same)


def lower_nm(band: Band) -> float:
    """Wavelength where a band begins, nm."""
    return band.response.centre_nm - band.response.fwhm_nm / 2


def upper_nm(band: Band) -> float:
    """Wavelength where a band ends, nm."""
    return band.response.centre_nm + band.response.fwhm_nm / 2


@lru_cache(maxsize=1024)
def merged(band_set: BandSet, runs: Runs) -> BandSet:
    """The description of the means; cached, so that what is known of a band is computed once."""
    return BandSet(band_set.platform, tuple(_mean([band_set.bands[i] for i in run]) for run in runs))


def _mean(bands: list[Band]) -> Band:
    if len(bands) == 1:
        return bands[0]
    response = superpose([band.response for band in bands], [1.0] * len(bands))
    return replace(bands[0], name="+".join(band.name for band in bands), response=response)


LEAST_BANDS = 3  # of a synthetic sensor
WIDEST = 0.4  # of a wider band, over its lowest wavelength; a panchromatic band is at 0.6
COARSER = (1.5, 2.0, 3.0)  # sampling distance over that of the finest band

Groups = tuple[BandGroup, ...]


def synthetic_sensor(groups: Groups, wider: float, coarser: float) -> Groups:
    """What another sensor would have measured in place of this acquisition.

    Args:
        groups: of one acquisition.
        wider: chance that neighbouring bands are averaged into wider ones, after some were dropped.
        coarser: chance that all bands get a coarser sampling distance.

    Returns:
        Its groups, the finest first.
    """
    made = some_bands(groups, LEAST_BANDS)
    if bernoulli(wider):
        made = tuple(wider_bands(group) for group in made)
    if bernoulli(coarser):
        factor = COARSER[int(torch.randint(len(COARSER), ()))]
        made = coarsen(made, factor * min(band.gsd_m for group in made for band in group.band_sets[0]), "")
    return made


def bernoulli(chance: float) -> bool:
    """Draw whether something of this chance happens; what cannot happen draws nothing."""
    return chance > 0 and bool(torch.rand(()) < chance)


def wider_bands(group: BandGroup) -> BandGroup:
    """The group with each pair of neighbouring reflectance bands averaged with chance one half, up to `WIDEST`."""
    return averaged(group, random_runs(group.band_sets[0].bands))


def random_runs(bands: tuple[Band, ...]) -> Runs:
    """Indices of bands to average, by wavelength from below."""
    runs: list[list[int]] = []
    for index in by_wavelength(bands):
        if runs and _may_join([bands[i] for i in runs[-1]], bands[index]) and bernoulli(0.5):
            runs[-1].append(index)
        else:
            runs.append([index])
    return tuple(tuple(run) for run in runs)


def _may_join(run: list[Band], band: Band) -> bool:
    alike = all((b.quantity, b.gsd_m) == (REFLECTANCE, band.gsd_m) for b in (*run, band))
    return alike and upper_nm(band) < (1 + WIDEST) * min(lower_nm(b) for b in run)
