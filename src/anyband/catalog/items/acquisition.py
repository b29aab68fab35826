"""What one STAC item means: an acquisition whose assets can be read without asking the item again."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyband.raster.asset import BandAsset, QualityAsset

ANGLES = ("sun_zenith", "sun_azimuth", "view_zenith")
"""Attributes of an acquisition that hold its angles."""


@dataclass(frozen=True)
class Acquisition:
    """One scene of one product, in terms that do not depend on the catalogue.

    Attributes:
        product: sentinel2, landsat, hls_s30, hls_l30, label, or that of another sensor of the registry.
        platform: "sentinel-2a", "landsat-9" and so on; "" for the label, and for HLS of a catalogue that leaves it
            to the files (`hls.with_platform` reads it there).
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
