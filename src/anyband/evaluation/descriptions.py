"""Wrong and absent descriptions of bands. Pixels, grids and the names of bands stay as they are.

A name is what a file calls its channel. Methods with a fixed order of channels read it and nothing else, so wrong
responses do not touch them; methods that read responses are told nothing by it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from anyband.observation import BandGroup
from anyband.sensors import Band, BandSet, SpectralResponse
from anyband.sensors.band import REFLECTANCE, TEMPERATURE

Groups = tuple[BandGroup, ...]

RANGE_NM = {REFLECTANCE: (400.0, 2500.0), TEMPERATURE: (8000.0, 14_000.0)}
"""All that is known of a band without a response: the range in which its quantity is measured."""

UNSTATED_GSD_M = 30.0
"""What every band without a sampling distance says: the same for all, so it tells nothing."""

_FLAT = {name: SpectralResponse(np.array(span), np.ones(2), source="absent") for name, span in RANGE_NM.items()}


def describe(groups: Groups, change: Callable[[int, BandSet, Band], Band]) -> Groups:
    """The groups with every band's description changed; `change` gets the index of the band set, the set, the band."""
    return tuple(
        replace(
            group,
            band_sets=tuple(
                BandSet(s.platform, tuple(change(i, s, band) for band in s)) for i, s in enumerate(group.band_sets)
            ),
        )
        for group in groups
    )


def hide_responses(groups: Groups) -> Groups:
    """Bands with a flat response over the whole range of their quantity, the same for all, and no concept."""
    return describe(groups, lambda i, s, band: replace(band, response=_FLAT[band.quantity], concept="unknown"))


def hide_distances(groups: Groups) -> Groups:
    """Bands that all state the same sampling distance."""
    return describe(groups, lambda i, s, band: replace(band, gsd_m=UNSTATED_GSD_M))


def swap_responses(groups: Groups) -> Groups:
    """Bands that state the response and concept of another band of their acquisition.

    In order of wavelength and among bands of one quantity, each takes those of the band half the row further on. The
    only band of a quantity keeps its own.
    """
    described: dict[tuple[int, str], Band] = {}
    bands = [band for group in groups for band in group.band_sets[0]]
    donor: dict[str, str] = {}
    for quantity in {band.quantity for band in bands}:
        row = sorted((b for b in bands if b.quantity == quantity), key=lambda b: (b.response.centre_nm, b.name))
        donor |= {band.name: row[(i + len(row) // 2) % len(row)].name for i, band in enumerate(row)}
    for group in groups:
        for index, band_set in enumerate(group.band_sets):
            described |= {(index, band.name): band for band in band_set}

    def change(index: int, band_set: BandSet, band: Band) -> Band:
        name = donor[band.name]
        other = described.get((index, name), described[0, name])
        return replace(band, response=other.response, concept=other.concept)

    return describe(groups, change)
