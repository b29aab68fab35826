"""What one STAC item means: an acquisition whose assets can be read without asking the item again."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyband.runtime import UserError

Affine6 = tuple[float, float, float, float, float, float]

ANGLES = ("sun_zenith", "sun_azimuth", "view_zenith")
"""Attributes of an acquisition that hold its angles."""


class UnusableItemError(UserError):
    """An item lacks something or contradicts itself; the message names the item and the asset or property.

    `reason` is the word for it in the table of dropped scenes.
    """

    reason = "unusable"


class ContradictionError(UnusableItemError):
    """What an item says of a file is not what the file says."""

    reason = "contradiction"


@dataclass(frozen=True)
class BandAsset:
    """One raster of one band.

    Physical value (unit 1, surface reflectance) = DN * `scale` + `offset`, except where DN is `nodata`.

    Attributes:
        band: name of the band in the sensor registry, whatever the provider calls it.
        asset: key of the asset in the item.
        href: unsigned address.
        pixel_m: nominal pixel spacing, m.
        transform: affine (a, b, c, d, e, f) in the acquisition's `epsg`, None where the item does not say.
        shape: rows and columns, None where the item does not say.
        scale, offset: from our own table; contradicting metadata is an error, missing metadata is not.
        nodata: DN without data.
        store_shift: to be added to every DN other than `nodata` to bring all products of this kind to one encoding.
        index, count: which band of the file it is, from 1, and how many the file has.
    """

    band: str
    asset: str
    href: str
    pixel_m: float
    transform: Affine6 | None
    shape: tuple[int, int] | None
    scale: float
    offset: float
    nodata: int
    store_shift: int = 0
    index: int = 1
    count: int = 1


@dataclass(frozen=True)
class QualityAsset:
    """The quality layer of an acquisition; `decoder` is a key of `qa.DECODERS`."""

    asset: str
    decoder: str
    href: str
    pixel_m: float
    transform: Affine6 | None
    shape: tuple[int, int] | None


@dataclass(frozen=True)
class Acquisition:
    """One scene of one product, in terms that do not depend on the catalogue.

    Attributes:
        product: sentinel2, landsat, hls_s30, hls_l30, label, or that of another sensor of the registry.
        platform: "sentinel-2a", "landsat-9" and so on; "" for the label, and for HLS of a catalogue that leaves it
            to the files (`header.with_platform` reads it there).
        collection, item_id: where it came from; the collection is "" for an item outside of any.
        datetime: UTC; start of the datatake (Sentinel-2, S30), scene centre (Landsat, L30), start of the year (label).
        footprint: GeoJSON geometry of the valid data, longitude and latitude in degrees; across the antimeridian
            the longitudes go on beyond 180 or below -180.
        epsg: CRS of the files.
        bands: assets by name of the band in the sensor registry.
        qa: quality layer, None for the label.
        sun_zenith, sun_azimuth: degrees, azimuth clockwise from north; None where the item does not say.
        view_zenith: degrees; None where the item does not say.
        baseline: Sentinel-2 processing baseline ("04.00"), else None.
        cloud_cover: percent by the provider's own algorithm; not comparable between products.
        tile: MGRS tile ("32TQM") or WRS-2 path and row ("193029"), "" for the label.
        tier: Landsat collection category ("T1"), else None.
        produced: processing time as published; the newest version of a scene has the greatest one.
        simulated: version of the simulator that made the scene, None for real ones.
    """

    product: str
    platform: str
    collection: str
    item_id: str
    datetime: dt.datetime
    footprint: Mapping[str, Any]
    epsg: int
    bands: Mapping[str, BandAsset]
    qa: QualityAsset | None
    sun_zenith: float | None = None
    sun_azimuth: float | None = None
    view_zenith: float | None = None
    baseline: str | None = None
    cloud_cover: float | None = None
    tile: str = ""
    tier: str | None = None
    produced: str = ""
    simulated: str | None = None
