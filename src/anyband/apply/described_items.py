"""Items of any optical sensor, by their own description: STAC 1.1 `bands`, or `eo:bands` with `raster:bands` before it.

Only what the item says of itself is used, and a band without wavelengths is an error and never guessed. Wavelengths
are in micrometres, as the EO extension has them; the response is then a Gaussian.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from anyband.apply.optical_item import Layer, Scene
from anyband.catalog.items.fields import RawItem, grid, moment, sun_zenith, view_zenith
from anyband.catalog.items.fields import number as numeric
from anyband.observation import scene_row
from anyband.raster.asset import QualityAsset, UnusableItemError
from anyband.raster.quality_layers import FILL, MASK_CLEAR
from anyband.runtime import UserError
from anyband.sensors import SpectralResponse

PRODUCT = "described"
REFLECTIVE_UM = (0.4, 2.5)
"""Micrometres; bands beyond are thermal and not of reflectance."""
NO_REFLECTANCE = {"thumbnail", "overview", "visual", "metadata", "temperature", "emissivity", "saturation", "data-mask"}
QUALITY = {"qa_pixel": "qa_pixel", "scl": "scl", "fmask": "fmask"}
"""Keys, in lower case, of quality layers whose coding is known, whoever publishes them."""
CENTRE, WIDTH = "center_wavelength", "full_width_half_max"


def describe(item: RawItem) -> Scene:
    """The scene of an item that no dialect is known for.

    Raises:
        UserError: naming the item, the asset and what is missing of it.
    """
    level = str(item["properties"].get("processing:level") or "")
    if level.upper().startswith(("L0", "L1")):
        raise UserError(f"item {item['id']}: processing:level is {level}, surface reflectance (L2) is needed")
    found: dict[str, Layer] = {}
    undescribed = []
    for key, asset in item["assets"].items():
        roles = set(asset.get("roles") or ())
        if roles & NO_REFLECTANCE or not asset.get("href") or not _is_raster(asset) or key.lower() in QUALITY:
            continue
        if not (asset.get("bands") or asset.get("eo:bands")):
            undescribed.append(key)
        for layer in _layers(item, key):
            known = found.setdefault(layer.name, layer)
            if (layer.gsd_m or 0) < (known.gsd_m or 0):  # the same band again, on a finer grid
                found[layer.name] = layer
    if not found:
        if not undescribed:
            raise UserError(f"item {item['id']}: no asset with surface reflectance")
        missing = f"bands with eo:{CENTRE} and eo:{WIDTH}"
        raise UserError(f"item {item['id']}: asset {undescribed[0]} has no {missing} (micrometres)")
    platform = str(item["properties"].get("platform") or "")
    facts = scene_row(_when(item), sun_zenith(item), numeric(item, "view:sun_azimuth"), view_zenith(item))
    return Scene(item["id"], PRODUCT, platform, _epsg(item, found), tuple(found.values()), _quality(item), facts)


def _when(item: RawItem) -> datetime | None:
    """When it was taken; None where the item does not say it in a form that can be read, for a map needs no date."""
    for name in ("datetime", "start_datetime"):
        with suppress(UnusableItemError):
            return moment(item, name)
    return None


def _is_raster(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type") or "image/tiff")
    return kind.startswith("image/") and not kind.startswith(("image/png", "image/jpeg", "image/webp"))


def _layers(item: RawItem, key: str) -> Iterator[Layer]:
    """The reflective bands of an asset; its own fields hold for all its bands, theirs come first."""
    asset = item["assets"][key]
    described = asset.get("bands") or asset.get("eo:bands") or ()
    rasters = asset.get("raster:bands") or ()
    if described and len(rasters) > len(described):
        raise UserError(f"item {item['id']}: asset {key}: {len(rasters)} raster:bands, but {len(described)} eo:bands")
    for number, band in enumerate(described, start=1):
        fields = asset | (rasters[number - 1] if number <= len(rasters) else {}) | band
        name = str(band.get("name") or (key if len(described) == 1 else f"{key}-{number}"))
        centre, width = (_micrometres(item, key, name, fields, field) for field in (CENTRE, WIDTH))
        if not REFLECTIVE_UM[0] <= centre <= REFLECTIVE_UM[1]:
            continue
        gsd = fields.get("gsd") or item["properties"].get("gsd") or fields.get("raster:spatial_resolution")
        response = SpectralResponse.gaussian(1000 * centre, 1000 * width)
        scale, offset, nodata = (_number(fields, field) for field in ("scale", "offset", "nodata"))
        transform, shape = grid(item, key)
        yield Layer(
            name=name,
            concept=name,
            response=response,
            gsd_m=float(gsd) if gsd else None,
            asset=key,
            href=asset["href"],
            scale=scale,
            offset=offset,
            nodata=nodata,
            transform=transform,
            shape=shape,
            index=number,
        )


def _micrometres(item: RawItem, key: str, name: str, fields: Mapping[str, Any], field: str) -> float:
    """A wavelength or a width of a band.

    Raises:
        UserError: missing, or a number that cannot be micrometres.
    """
    value = fields.get(f"eo:{field}", fields.get(field))
    if value is None:
        raise UserError(f"item {item['id']}: asset {key}: eo:{field} of band {name} is missing")
    if not 0 < float(value) < 100:
        raise UserError(f"item {item['id']}: asset {key}: eo:{field} of band {name} is {value}, not in micrometres")
    return float(value)


def _number(fields: Mapping[str, Any], field: str) -> float | None:
    """Scale, offset or nodata, with the prefix of STAC 1.1 or without; nodata may be written as text ("nan")."""
    value = fields.get(f"raster:{field}", fields.get(field))
    return None if value is None else float(value)


def _epsg(item: RawItem, layers: Mapping[str, Layer]) -> int | None:
    """CRS by the item, None where it does not say.

    Raises:
        UserError: its assets name different ones.
    """
    codes = {code: layer.asset for layer in layers.values() if (code := _code(item, layer.asset)) is not None}
    if len(codes) > 1:
        (one, first), (other, second), *_ = codes.items()
        raise UserError(f"item {item['id']}: asset {first} is in EPSG:{one}, asset {second} in EPSG:{other}")
    return next(iter(codes), None)


def _code(item: RawItem, key: str) -> int | None:
    fields = item["properties"] | {k: v for k, v in item["assets"][key].items() if k.startswith("proj:")}
    code = str(fields.get("proj:code") or fields.get("proj:epsg") or "").upper().removeprefix("EPSG:")
    return int(code) if code.isdigit() else None


def _quality(item: RawItem) -> QualityAsset | None:
    """The first quality layer whose coding is known."""
    for key, asset in item["assets"].items():
        if key.lower() in QUALITY and asset.get("href"):
            return _layer_asset(item, key, QUALITY[key.lower()])
        classes = {entry.get("value"): entry.get("name") for entry in asset.get("classification:classes") or ()}
        if classes.get(MASK_CLEAR) == "clear" and classes.get(FILL["mask"]) == "no_data":
            return _layer_asset(item, key, "mask")
    return None


def _layer_asset(item: RawItem, key: str, decoder: str) -> QualityAsset:
    href = item["assets"][key]["href"]
    return QualityAsset(item["id"], key, href, None, 0.0, *grid(item, key), decoder=decoder)
