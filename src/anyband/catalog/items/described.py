"""Items that describe themselves: STAC 1.1 `bands`, or `eo:bands` with `raster:bands` before it.

Any satellite of the registry of sensors that has no dialect of its own may come in this form. One asset of the role
`data` may hold many bands; their order in `bands` is that in the file. The registry has the response of every band, and
a published wavelength that contradicts it is an error, as the pixels are then of something else.

`anyband.apply` reads items of satellites that are in no registry by the same descriptions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.raw_item import RawItem
from anyband.products import SATELLITES, Encoding
from anyband.raster.asset import BandAsset, QualityAsset
from anyband.raster.quality_layers import FILL, MASK_CLEAR
from anyband.sensors import get_sensor
from anyband.sensors.platforms import products

SAME_BAND_NM = 2.0
"""What a published centre may be off the registry's; narrow bands are sampled every few nanometres."""


@dataclass(frozen=True)
class BandDescription:
    """What an item says of one band of an asset.

    Attributes:
        name: of the band, or else made of the asset's key.
        asset: key of the asset.
        index, count: number of the band in the file, from 1, and how many bands the asset describes.
        centre_nm, fwhm_nm: centre and full width at half maximum, nm.
        gsd_m, scale, offset, nodata: None where the item does not say.
    """

    name: str
    asset: str
    index: int
    count: int
    centre_nm: float
    fwhm_nm: float
    gsd_m: float | None
    scale: float | None
    offset: float | None
    nodata: float | None


def described_bands(item: RawItem, key: str) -> list[BandDescription]:
    """The bands of an asset in their order; the asset's own fields hold for all of them, a band's come first.

    Raises:
        UnusableItemError: naming the asset and the band without a wavelength, or the field that is no number.
    """
    asset = item.assets[key]
    described = asset.get("bands") or asset.get("eo:bands") or ()
    rasters = asset.get("raster:bands") or ()
    if described and len(rasters) > len(described):
        raise item.unusable(f"asset {key}: {len(rasters)} raster:bands, but {len(described)} eo:bands")
    found = []
    for number, band in enumerate(described, start=1):
        fields = {**asset, **(rasters[number - 1] if number <= len(rasters) else {}), **band}
        name = str(band.get("name") or (key if len(described) == 1 else f"{key}-{number}"))
        gsd = fields.get("gsd") or item.properties.get("gsd") or fields.get("raster:spatial_resolution")
        found.append(
            BandDescription(
                name=name,
                asset=key,
                index=number,
                count=len(described),
                centre_nm=1000 * _micrometres(item, key, name, fields, "center_wavelength"),
                fwhm_nm=1000 * _micrometres(item, key, name, fields, "full_width_half_max"),
                gsd_m=item.as_number(gsd, f"asset {key}: gsd of band {name}") if gsd else None,
                scale=_number(item, key, fields, "scale"),
                offset=_number(item, key, fields, "offset"),
                nodata=_number(item, key, fields, "nodata"),
            )
        )
    return found


def _micrometres(item: RawItem, key: str, name: str, fields: Mapping[str, Any], field: str) -> float:
    """A wavelength or a width of a band, as the EO extension has them."""
    what = f"asset {key}: eo:{field} of band {name}"
    value = fields.get(f"eo:{field}", fields.get(field))
    if value is None:
        raise item.unusable(f"{what} is missing")
    number = item.as_number(value, what)
    if not 0 < number < 100:
        raise item.unusable(f"{what} is {value}, not in micrometres")
    return number


def _number(item: RawItem, key: str, fields: Mapping[str, Any], field: str) -> float | None:
    """Scale, offset or nodata, with the prefix of STAC 1.1 or without; nodata may be no number ("nan")."""
    value = fields.get(f"raster:{field}", fields.get(field))
    if value is None:
        return None
    if field == "nodata" and str(value).lower() == "nan":
        return math.nan
    return item.as_number(value, f"asset {key}: {field}")


def is_clear_mask(asset: Mapping[str, Any]) -> bool:
    """Whether the values of an asset are said to have the meaning that `quality_layers.mask_clear` gives them."""
    meanings = {entry.get("value"): entry.get("name") for entry in asset.get("classification:classes") or ()}
    return meanings.get(MASK_CLEAR) == "clear" and meanings.get(FILL["mask"]) == "no_data"


def product_of(item: RawItem) -> str | None:
    """Product of the registry that an item is of; None where there is none, or one with a dialect of its own."""
    known = products(item.text("platform").lower())
    return known[0] if len(known) == 1 and known[0] not in SATELLITES else None


def parse(item: RawItem) -> Acquisition:
    """Turn an item of a satellite of the registry into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset, band or property at fault.
    """
    product = product_of(item)
    if product is None:
        raise item.unusable("its platform is not in the registry of sensors")
    satellite = item.text("platform").lower()
    keys = [key for key, asset in item.assets.items() if "data" in asset.get("roles", ())]
    bands = {
        band.name: _known_band(item, band, product, satellite) for key in keys for band in described_bands(item, key)
    }
    if not bands:
        raise item.unusable("no asset of the role data")
    first = next(iter(bands.values()))
    epsg = item.require_epsg(first.asset)
    return item.acquisition(
        product,
        satellite,
        epsg,
        bands,
        _mask(item, epsg, first.pixel_m),
        produced=item.text("created"),
    )


def _known_band(item: RawItem, band: BandDescription, product: str, satellite: str) -> BandAsset:
    """A described band as that of the registry, with which it must agree; all of its encoding must be said."""
    sensor = get_sensor(satellite, product)
    if band.name not in sensor.names:
        raise item.unusable(f"asset {band.asset}: {satellite} has no band {band.name!r}")
    known = sensor.band(band.name)
    if abs(band.centre_nm - known.response.centre_nm) > SAME_BAND_NM:
        raise item.unusable(
            f"asset {band.asset}: band {band.name} at {band.centre_nm:g} nm, "
            f"the registry of sensors has {known.response.centre_nm:.1f} nm"
        )
    for name in ("scale", "offset", "nodata"):
        if getattr(band, name) is None:
            raise item.unusable(f"asset {band.asset} does not say its {name}")
    dtype = str(item.assets[band.asset].get("data_type") or "int16")
    encoding = Encoding(dtype, band.scale or 0.0, band.offset or 0.0, band.nodata or 0.0)
    epsg = item.require_epsg(band.asset)
    asset = item.band(band.name, band.asset, epsg, known.pixel_m, encoding, check=False)
    return replace(asset, index=band.index, count=band.count)


def _mask(item: RawItem, epsg: int, pixel_m: float) -> QualityAsset:
    """The asset of the role data-mask, whose values must have a known meaning."""
    for key, asset in item.assets.items():
        if "data-mask" in asset.get("roles", ()):
            if not is_clear_mask(asset):
                raise item.unusable(
                    f"asset {key}: its classes are not {FILL['mask']} no_data, {MASK_CLEAR} clear and others"
                )
            return item.quality(key, epsg, pixel_m, "mask")
    raise item.unusable("no asset of the role data-mask, so nothing is known to be clear")
