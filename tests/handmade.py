"""Hand-made band groups: small grids, Gaussian bands, no files."""

from collections.abc import Sequence

import numpy as np
import torch

from anyband.models.core.normalisation import BandMoments
from anyband.observation import BandGroup
from anyband.sensors import Band, BandSet, SpectralResponse


def _bands(text: str) -> tuple[tuple[str, int, int], ...]:
    """Name, centre and width in nm of every band of a list."""
    entries = (entry.split() for entry in text.split(","))
    return tuple((name, int(centre), int(width)) for name, centre, width in entries)


S2_10 = _bands("B02 492 66, B03 560 36, B04 665 31, B08 833 106")
S2_20 = _bands("B05 704 15, B06 741 15, B07 783 20, B8A 865 21, B11 1614 91, B12 2202 175")
S2_60 = _bands("B01 443 20, B09 945 20")
L9_30 = _bands("coastal 443 16, blue 482 60, green 561 57, red 655 37, nir08 865 28, swir16 1609 85, swir22 2201 187")
# The names of HLS V2.0; B01 to B04, S30's B8A, B11, B12 and L30's B05 to B07 are the bands that both have.
S30_30 = _bands(
    "B01 443 16, B02 482 60, B03 561 57, B04 655 37, B05 704 15, B06 741 15, B07 783 20, B08 833 106, B8A 865 28,"
    "B11 1609 85, B12 2201 187"
)
L30_30 = tuple((f"B0{i}", centre, fwhm) for i, (_, centre, fwhm) in enumerate(L9_30, start=1))


def band_set(entries: tuple[tuple[str, float, float], ...], pixel_m: float, platform: str = "test") -> BandSet:
    bands = [
        Band(name, name, SpectralResponse.gaussian(centre, fwhm), gsd_m=pixel_m, pixel_m=pixel_m)
        for name, centre, fwhm in entries
    ]
    return BandSet(platform, tuple(bands))


SETS = {
    "sentinel2": ((10.0, band_set(S2_10, 10)), (20.0, band_set(S2_20, 20)), (60.0, band_set(S2_60, 60))),
    "landsat": ((30.0, band_set(L9_30, 30)),),
    "hls_s30": ((30.0, band_set(S30_30, 30)),),
    "hls_l30": ((30.0, band_set(L30_30, 30)),),
}


def make_group(
    product: str, bands: BandSet, pixel_m: float, side_m: float, batch: int, seed: int, offset_m: float = 0.0
) -> BandGroup:
    size = int(side_m / pixel_m)
    random = torch.Generator().manual_seed(seed)
    values = torch.rand(batch, len(bands), size, size, generator=random) * 0.5
    return BandGroup(
        product=product,
        values=values,
        valid=torch.ones_like(values, dtype=torch.bool),
        band_sets=(bands,),
        band_set_index=torch.zeros(batch, dtype=torch.int64),
        pixel_m=pixel_m,
        offset_m=torch.full((batch, 2), offset_m),
    )


def covariance(bands: Sequence[BandMoments]) -> tuple[tuple[float, ...], ...]:
    """Covariance of smooth spectra: half brightness, half alike within 15 % of the wavelength."""
    place, spread = np.log([band.centre_nm for band in bands]), np.array([band.std for band in bands])
    kinds = np.array([band.quantity for band in bands])
    alike = 0.5 + 0.5 * np.exp(-np.abs(np.subtract.outer(place, place)) / 0.15)
    related = np.outer(spread, spread) * alike * (kinds[:, None] == kinds)
    return tuple(tuple(row) for row in related.tolist())
