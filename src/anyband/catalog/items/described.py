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
from anyband.raster.quality_layers import FILL, MASK_CLEAR, clear_values
from anyband.sensors import get_sensor
from anyband.sensors.platforms import products

WAVELENGTH, WIDTH = "center_wavelength", "full_width_half_max"
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
        unit: of the physical values, as published.
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
    unit: str = ""


def band_fields(item: RawItem, key: str) -> list[dict[str, Any]]:
    """What an item says of each band of an asset, in the order of the file; none where it says nothing of bands.

    `bands` of STAC 1.1, `eo:bands` and `raster:bands` before it are one list; the asset's own fields hold for all of
    its bands, and alone for the one of an asset without a list.

    Raises:
        UnusableItemError: the lists differ in length.
    """
    asset = item.assets[key]
    lists = {name: asset[name] for name in ("raster:bands", "eo:bands", "bands") if asset.get(name)}
    common = {name: value for name, value in asset.items() if name not in lists}
    if len({len(found) for found in lists.values()}) > 1:
        counts = ", but ".join(f"{len(found)} {name}" for name, found in lists.items())
        raise item.unusable(f"asset {key}: {counts}")
    if not lists:
        return [common] if any(name.endswith(WAVELENGTH) for name in asset) or classification(asset) else []
    return [
        {name: value for fields in (common, *entries) for name, value in fields.items() if value is not None}
        for entries in zip(*lists.values(), strict=True)
    ]


def is_described(asset: Mapping[str, Any]) -> bool:
    """Whether anything says of what wavelengths an asset is, be it of some of its bands."""
    said = (asset, *asset.get("bands", ()), *asset.get("eo:bands", ()))
    return any(name.endswith((WAVELENGTH, WIDTH)) for fields in said for name in fields)


def classification(fields: Mapping[str, Any]) -> bool:
    """Whether a band, or an asset, has numbers that are classes or bits."""
    return bool(fields.get("classification:classes") or fields.get("classification:bitfields"))


def described_bands(item: RawItem, key: str) -> list[BandDescription]:
    """The bands of an asset in their order, without those of classes.

    Raises:
        UnusableItemError: naming the asset and the band without a wavelength, or the field that is no number.
    """
    if not is_described(item.assets[key]):
        return []
    listed, found = band_fields(item, key), []
    for number, fields in enumerate(listed, start=1):
        if classification(fields):
            continue
        name = str(fields.get("name") or (key if len(listed) == 1 else f"{key}-{number}"))
        gsd = fields.get("gsd") or item.properties.get("gsd") or fields.get("raster:spatial_resolution")
        unit = fields.get("raster:unit") or fields.get("unit")
        found.append(
            BandDescription(
                name=name,
                asset=key,
                index=number,
                count=len(listed),
                centre_nm=1000 * _micrometres(item, key, name, fields, WAVELENGTH),
                fwhm_nm=1000 * _micrometres(item, key, name, fields, WIDTH),
                gsd_m=_positive(item, f"asset {key}: gsd of band {name}", gsd, math.inf, "metres") if gsd else None,
                scale=_number(item, key, fields, "scale"),
                offset=_number(item, key, fields, "offset"),
                nodata=_number(item, key, fields, "nodata"),
                unit=str(unit or ""),
            )
        )
    return found


def _positive(item: RawItem, what: str, value: Any, most: float, unit: str) -> float:
    number = item.as_number(value, what)
    if not 0 < number < most:
        raise item.unusable(f"{what} is {value}, not in {unit}")
    return number


def _micrometres(item: RawItem, key: str, name: str, fields: Mapping[str, Any], field: str) -> float:
    """A wavelength or a width of a band, as the EO extension has them; one in nanometres is found as the other's."""
    what = f"asset {key}: eo:{field} of band {name}"
    value = fields.get(f"eo:{field}", fields.get(field))
    if value is None:
        raise item.unusable(f"{what} is missing")
    return _positive(item, what, value, 100 if field == WAVELENGTH else math.inf, "micrometres")


def _number(item: RawItem, key: str, fields: Mapping[str, Any], field: str) -> float | None:
    """Scale, offset or nodata, with the prefix of STAC 1.1 or without; nodata may be no number ("nan", "-inf")."""
    value = fields.get(f"raster:{field}", fields.get(field))
    if value is None:
        return None
    if field == "nodata" and str(value).lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return math.nan  # infinite numbers are never taken for data
    return item.as_number(value, f"asset {key}: {field}")


def mask_bands(item: RawItem, key: str) -> list[tuple[int, dict[str, Any]]]:
    """Numbers (from 1) and fields of the bands of an asset that are said to hold classes or bits."""
    return [(number, fields) for number, fields in enumerate(band_fields(item, key), 1) if classification(fields)]


def said_clear(item: RawItem, key: str, fields: Mapping[str, Any]) -> tuple[int, ...]:
    """Values of a mask that mean clear ground, by its classes or bit fields.

    Raises:
        UnusableItemError: naming the class or the field that has no known meaning.
    """
    lists = [fields.get(f"classification:{name}") or [] for name in ("classes", "bitfields")]
    try:
        return clear_values(*lists)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        why = error if type(error) is ValueError else "a class or a bit without a whole number"
        raise item.unusable(f"asset {key}: the meaning of its mask is not known ({why})") from None


def is_clear_mask(item: RawItem, key: str) -> bool:
    """Whether the values of an asset are said to have the meaning that `quality_layers.mask_clear` gives them."""
    for number, fields in mask_bands(item, key):
        named = {str(entry.get("value")): entry.get("name") for entry in fields.get("classification:classes") or ()}
        return number == 1 and named.get(str(MASK_CLEAR)) == "clear" and named.get(str(FILL["mask"])) == "no_data"
    return False


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
            if not is_clear_mask(item, key):
                raise item.unusable(
                    f"asset {key}: its classes are not {FILL['mask']} no_data, {MASK_CLEAR} clear and others"
                )
            return item.quality(key, epsg, pixel_m, "mask")
    raise item.unusable("no asset of the role data-mask, so nothing is known to be clear")
