"""Optical items: what is to be read of one acquisition, from the item of a known product or by its own description."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from anyband.catalog.items import landsat
from anyband.catalog.items.acquisition import ANGLES, Acquisition
from anyband.catalog.items.described import BandDescription, described_bands, is_clear_mask
from anyband.catalog.items.dialects import find_dialect, parse_item
from anyband.catalog.items.hls import with_platform
from anyband.catalog.items.raw_item import RawItem
from anyband.observation import scene_row
from anyband.raster.asset import QualityAsset, RasterAsset, UnusableItemError
from anyband.runtime import UserError
from anyband.sensors import SpectralResponse, get_sensor

DESCRIBED = "described"
"""The product of items that no dialect is known for."""
TIMEOUT_S = 60
REMOTE = re.compile(r"^\w[\w+.-]+://")
REFLECTIVE_NM = (400.0, 2500.0)
"""Bands beyond are thermal and not of reflectance."""
NO_REFLECTANCE = {"thumbnail", "overview", "visual", "metadata", "temperature", "emissivity", "saturation", "data-mask"}
QUALITY = {"qa_pixel": "qa_pixel", "scl": "scl", "fmask": "fmask"}
"""Keys, in lower case, of quality layers whose coding is known, whoever publishes them."""


@dataclass(frozen=True, kw_only=True)
class Layer(RasterAsset):
    """A described band. Reflectance = DN * `scale` + `offset`, except where DN is `nodata` or not a number.

    Attributes:
        band, concept, response: name, concept and response of `sensors.Band`.
        gsd_m: ground sampling distance, m; None where the item does not say, and it then is the file's pixel.
        scale, offset: None where the item does not say; the file's header may, as for `nodata`.
    """

    band: str
    concept: str
    response: SpectralResponse
    gsd_m: float | None
    scale: float | None
    offset: float | None


@dataclass(frozen=True)
class OpticalItem:
    """One acquisition.

    Attributes:
        id: of the item.
        product: as models know it; "described" for an item that no dialect is known for.
        platform: the satellite, "" where the item does not say.
        epsg: CRS of the files, None where only they say.
        layers: bands of surface reflectance.
        quality: layer that tells clouds, None where none is known.
        facts: of the acquisition as a whole, a row of `BandGroup.scene`.
        clear_values: of the quality layer, that mean clear ground; none where its decoder tells.
    """

    id: str
    product: str
    platform: str
    epsg: int | None
    layers: tuple[Layer, ...]
    quality: QualityAsset | None
    facts: tuple[float, ...]
    clear_values: tuple[int, ...] = ()


def read_item(place: str) -> OpticalItem:
    """The STAC item of a file or an address: by its provider's dialect where that is known, else by its description.

    Raises:
        UserError: nothing is there, it is no STAC item, or naming the item and the asset and what is missing of it.
    """
    content = read_json(place)
    item = RawItem(content)
    dialect = find_dialect(item)
    if dialect is None or (dialect is landsat.parse and not item.satellite.endswith(("-8", "-9"))):
        return describe(item)
    acquisition = parse_item(content)
    if acquisition.product == "label":
        raise UserError(f"item {item.id}: no asset with surface reflectance, it is a map of classes")
    return from_acquisition(with_platform(acquisition))


def read_json(place: str) -> dict[str, Any]:
    """The content of an item, with addresses of assets that do not depend on where it was found.

    Raises:
        UserError: nothing is there, or it is no STAC item.
    """
    try:
        item = json.loads(_fetch(place) if REMOTE.match(place) else _read(Path(place)))
    except ValueError:
        raise UserError(f"{place} is not JSON: name one STAC item") from None
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        kind = item.get("type", "an object") if isinstance(item, dict) else "a list"
        raise UserError(f"{place} is {kind}, not a STAC item (a Feature with assets)")
    for asset in item["assets"].values():
        if asset.get("href"):
            asset["href"] = _absolute(str(asset["href"]), place)
    return item | {"id": str(item.get("id", Path(place).stem)), "properties": item.get("properties") or {}}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UserError(f"item {path} cannot be read ({reason})") from None


def _fetch(address: str) -> str:
    import requests

    try:
        answer = requests.get(address, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        status = f"status {error.response.status_code}" if error.response is not None else type(error).__name__
        raise UserError(f"item {address.split('?')[0]} cannot be read ({status})") from None
    return answer.text


def _absolute(href: str, place: str) -> str:
    """An address or a path that can be opened from anywhere; relative ones count from the item."""
    if href.startswith("file://"):
        return href.removeprefix("file://")
    if REMOTE.match(href) or href.startswith("/"):
        return href
    return urljoin(place, href) if REMOTE.match(place) else str((Path(place).parent / href).resolve())


def from_acquisition(acquisition: Acquisition) -> OpticalItem:
    """The item of an acquisition of a known product, described by the registry."""
    sensor = get_sensor(acquisition.platform, acquisition.product)
    layers = tuple(
        Layer(
            found.item,
            found.asset,
            found.href,
            found.epsg,
            0.0,
            found.transform,
            found.shape,
            nodata=found.nodata,
            index=found.index,
            count=None,
            band=name,
            concept=sensor.band(name).concept,
            response=sensor.band(name).response,
            gsd_m=sensor.band(name).gsd_m,
            scale=found.scale,
            offset=found.offset,
        )
        for name, found in acquisition.bands.items()
    )
    facts = scene_row(acquisition.datetime, **{name: getattr(acquisition, name) for name in ANGLES})
    return OpticalItem(
        acquisition.item_id, acquisition.product, acquisition.platform, acquisition.epsg, layers, acquisition.qa, facts
    )


def describe(item: RawItem) -> OpticalItem:
    """An item that no dialect is known for: only what it says of itself is used.

    Raises:
        UserError: naming the item, the asset and what is missing of it.
    """
    level = item.text("processing:level")
    if level.upper().startswith(("L0", "L1")):
        raise item.unusable(f"processing:level is {level}, surface reflectance (L2) is needed")
    found: dict[str, Layer] = {}
    keys = [key for key in item.assets if _may_have_reflectance(item, key)]
    for key in keys:
        for band in described_bands(item, key):
            if not REFLECTIVE_NM[0] <= band.centre_nm <= REFLECTIVE_NM[1]:
                continue
            layer = _described_layer(item, band)
            known = found.setdefault(layer.band, layer)
            if (layer.gsd_m or 0) < (known.gsd_m or 0):  # the same band again, on a finer grid
                found[layer.band] = layer
    if not found:
        bare = [key for key in keys if not (item.assets[key].get("bands") or item.assets[key].get("eo:bands"))]
        if not bare:
            raise item.unusable("no asset with surface reflectance")
        missing = "bands with eo:center_wavelength and eo:full_width_half_max"
        raise item.unusable(f"asset {bare[0]} has no {missing} (micrometres)")
    when = None
    for name in ("start_datetime", "datetime"):  # a map needs no date
        with suppress(UnusableItemError):
            when = item.moment(name)
    facts = scene_row(when, item.sun_zenith, item.number("view:sun_azimuth"), item.view_zenith)
    platform = item.text("platform")
    return OpticalItem(item.id, DESCRIBED, platform, _epsg(item, found), tuple(found.values()), _quality(item), facts)


def _may_have_reflectance(item: RawItem, key: str) -> bool:
    asset = item.assets[key]
    kind = str(asset.get("type") or "image/tiff")
    is_raster = kind.startswith("image/") and not kind.startswith(("image/png", "image/jpeg", "image/webp"))
    other = set(asset.get("roles") or ()) & NO_REFLECTANCE or key.lower() in QUALITY
    return is_raster and bool(asset.get("href")) and not other


def _described_layer(item: RawItem, band: BandDescription) -> Layer:
    href, epsg = item.assets[band.asset]["href"], item.epsg(band.asset)
    return Layer(
        item.id,
        band.asset,
        href,
        epsg,
        0.0,
        *item.grid(band.asset),
        nodata=band.nodata,
        index=band.index,
        count=None,
        band=band.name,
        concept=band.name,
        response=SpectralResponse.gaussian(band.centre_nm, band.fwhm_nm),
        gsd_m=band.gsd_m,
        scale=band.scale,
        offset=band.offset,
    )


def _epsg(item: RawItem, layers: dict[str, Layer]) -> int | None:
    """CRS by the item, None where it does not say.

    Raises:
        UserError: its assets name different ones.
    """
    codes = {layer.epsg: layer.asset for layer in layers.values() if layer.epsg is not None}
    if len(codes) > 1:
        (one, first), (other, second), *_ = codes.items()
        raise item.unusable(f"asset {first} is in EPSG:{one}, asset {second} in EPSG:{other}")
    return next(iter(codes), None)


def _quality(item: RawItem) -> QualityAsset | None:
    """The first quality layer whose coding is known."""
    for key, asset in item.assets.items():
        if key.lower() in QUALITY and asset.get("href"):
            return _quality_layer(item, key, QUALITY[key.lower()])
        if is_clear_mask(asset):
            return _quality_layer(item, key, "mask")
    return None


def _quality_layer(item: RawItem, key: str, decoder: str) -> QualityAsset:
    href, epsg = item.asset(key)["href"], item.epsg(key)
    return QualityAsset(item.id, key, href, epsg, 0.0, *item.grid(key), count=None, decoder=decoder)
