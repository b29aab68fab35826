"""Items that describe themselves (STAC 1.1): every band with its wavelength, the encoding, the meaning of the mask.

Any satellite of the registry of sensors that has no dialect of its own may come in this form. One asset of the role
`data` may hold many bands; their order in `bands` is that in the file. The registry has the response of every band, and
a published wavelength that contradicts it is an error, as the pixels are then of something else.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.fields import (
    Encoding,
    RawItem,
    band_asset,
    cloud_cover,
    epsg,
    footprint,
    moment,
    number,
    quality_asset,
    simulated,
    sun_zenith,
    view_zenith,
)
from anyband.products import SATELLITES
from anyband.raster.asset import BandAsset, QualityAsset, UnusableItemError
from anyband.raster.quality_layers import FILL, MASK_CLEAR

SAME_BAND_NM = 2.0
"""What a published centre may be off the registry's; narrow bands are sampled every few nanometres."""


def product_of(item: RawItem) -> str | None:
    """Product of the registry that a described item is of; None where there is none, or a dialect of its own."""
    from anyband.sensors.platforms import products  # reads tables, which a search does without

    known = products(str(item.get("properties", {}).get("platform") or "").lower())
    return known[0] if len(known) == 1 and known[0] not in SATELLITES else None


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset, band or property at fault.
    """
    product = product_of(item)
    if product is None:
        raise UnusableItemError(f"item {item['id']}: its platform is not in the registry of sensors")
    satellite = str(item["properties"]["platform"]).lower()
    bands: dict[str, BandAsset] = {}
    for key, fields in item["assets"].items():
        if "data" in fields.get("roles", ()):
            bands |= _bands(item, key, product, satellite)
    if not bands:
        raise UnusableItemError(f"item {item['id']}: no asset of the role data")
    first = next(iter(bands.values()))
    code = epsg(item, first.asset)
    return Acquisition(
        product=product,
        platform=satellite,
        collection=str(item.get("collection") or ""),
        item_id=item["id"],
        datetime=moment(item),
        footprint=footprint(item),
        epsg=code,
        bands=bands,
        qa=_mask(item, first.pixel_m, code),
        sun_zenith=sun_zenith(item),
        sun_azimuth=number(item, "view:sun_azimuth"),
        view_zenith=view_zenith(item),
        cloud_cover=cloud_cover(item),
        produced=str(item["properties"].get("created") or ""),
        simulated=simulated(item),
    )


def _bands(item: RawItem, key: str, product: str, satellite: str) -> dict[str, BandAsset]:
    """The bands of one asset by their names in the registry."""
    from anyband.sensors.platforms import get_sensor

    described, sensor = item["assets"][key].get("bands") or (), get_sensor(satellite, product)
    code = epsg(item, key)
    found = {}
    for index, fields in enumerate(described, start=1):
        name = str(fields.get("name"))
        if name not in sensor.names:
            raise UnusableItemError(f"item {item['id']}: asset {key}: {satellite} has no band {name!r}")
        band = sensor.band(name)
        _check_wavelength(item, key, name, fields, band.response.centre_nm)
        asset = band_asset(item, name, key, band.pixel_m, _encoding(item, key), code)
        found[name] = replace(asset, index=index, count=len(described))
    return found


def _check_wavelength(item: RawItem, key: str, name: str, fields: Mapping[str, Any], known_nm: float) -> None:
    """Raise UnusableItemError when a band has no wavelength, or another one than the registry's."""
    published = fields.get("eo:center_wavelength")
    if published is None:
        raise UnusableItemError(f"item {item['id']}: asset {key}: band {name} has no eo:center_wavelength")
    if abs(float(published) * 1000 - known_nm) > SAME_BAND_NM:
        raise UnusableItemError(
            f"item {item['id']}: asset {key}: band {name} at {float(published) * 1000:g} nm, "
            f"the registry of sensors has {known_nm:.1f} nm"
        )


def _encoding(item: RawItem, key: str) -> Encoding:
    """What the asset says of its pixels; all of it must be said."""
    fields = item["assets"][key]
    said = {name: fields.get(name, fields.get(f"raster:{name}")) for name in ("scale", "offset", "nodata")}
    missing = [name for name, value in said.items() if value is None]
    if missing:
        raise UnusableItemError(f"item {item['id']}: asset {key} does not say its {missing[0]}")
    return Encoding(float(said["scale"]), float(said["offset"]), int(said["nodata"]), "int16")


def _mask(item: RawItem, pixel_m: float, code: int) -> QualityAsset:
    """The asset of the role data-mask, whose values must mean what `quality_layers.mask_clear` takes them for."""
    for key, fields in item["assets"].items():
        if "data-mask" in fields.get("roles", ()):
            meanings = {entry.get("value"): entry.get("name") for entry in fields.get("classification:classes", ())}
            if meanings.get(MASK_CLEAR) != "clear" or meanings.get(FILL["mask"]) != "no_data":
                raise UnusableItemError(
                    f"item {item['id']}: asset {key}: its classes are not {FILL['mask']} no_data, {MASK_CLEAR} clear "
                    "and others"
                )
            return quality_asset(item, key, "mask", pixel_m, code)
    raise UnusableItemError(f"item {item['id']}: no asset of the role data-mask, so nothing is known to be clear")
