"""Synthetic sensors, made from what a real one measured: fewer bands, wider bands, coarser pixels.

Each step is again a linear functional of the same scene, so the description that goes with it is exact: dropping a
band leaves a sensor without it, the mean of neighbouring bands is a band whose response is the mean of theirs, and
pixels of a larger point spread are those of a sensor with a larger sampling distance (`anyband.degrade`).
"""

import torch

from anyband.degrade import coarsen
from anyband.models.core.band_stack import some_bands
from anyband.models.proposed.merge_bands import Runs, averaged, by_wavelength, lower_nm, upper_nm
from anyband.observation import BandGroup
from anyband.sensors import Band
from anyband.sensors.band import REFLECTANCE

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
