"""Optical items: what is to be read of one acquisition, from the item of a known product or by its own description."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

import numpy as np

from anyband.catalog.items.acquisition import ANGLES, Acquisition
from anyband.catalog.items.described import SAME_BAND_NM, BandDescription, described_bands, mask_bands, said_clear
from anyband.catalog.items.dialects import find_dialect, parse_item, parse_landsat
from anyband.catalog.items.hls import with_platform
from anyband.catalog.items.raw_item import RawItem
from anyband.observation import scene_row
from anyband.raster.access import file_path
from anyband.raster.asset import QualityAsset, RasterAsset, UnusableItemError
from anyband.raster.credentials import certificates, is_untrusted, untrusted_line
from anyband.raster.quality_layers import BITS, DECODERS
from anyband.runtime import UserError
from anyband.sensors import SpectralResponse, get_sensor

DESCRIBED = "described"
"""The product of items that no dialect is known for."""
TIMEOUT_S = 60
REMOTE = re.compile(r"^\w[\w+.-]+://")
REFLECTIVE_NM = (400.0, 2500.0)
"""Bands beyond are thermal and not of reflectance."""
PICTURES = {"thumbnail", "overview", "visual", "metadata"}
"""Roles of what is only looked at."""
MASK_ROLES = {"data-mask", "cloud", "cloud-shadow", "cloud-mask", "mask"}
NARROWEST_NM = 0.01
NO_REFLECTANCE = MASK_ROLES | {
    "temperature", "emissivity", "saturation", "radiance", "toa", "toa-reflectance", "top-of-atmosphere", "dn",
    "brightness-temperature", "water-mask", "snow-ice", "land-water", "probability", "qa", "quality",
}  # fmt: skip
NO_SURFACE = re.compile(
    r"(?:^|[^a-z])(?:rad|radiance|toar?|toa_?reflectance|top.of.atmosphere|dn|l1[a-d]?)(?:$|[^a-z])", re.I
)
SURFACE = re.compile(r"(?:^|[^a-z])(?:sr|boa|surface|bottom.of.atmosphere)(?:$|[^a-z])", re.I)
"""In a key or a title: that there is surface reflectance, or something else."""
REFLECTANCE_UNITS = {"", "1", "none", "unitless", "dimensionless", "reflectance", "ratio", "-", "n/a"}
QUALITY = {"qa_pixel": "qa_pixel", "scl": "scl", "fmask": "fmask"}
"""Keys, in lower case, of quality layers whose coding is known, whoever publishes them."""


@dataclass(frozen=True, kw_only=True)
class Layer(RasterAsset):
    """A described band. Reflectance = DN * `scale` + `offset`, except where DN is `nodata` or not a number.

    Attributes:
        band, concept, response: name, concept and response of `sensors.Band`.
        gsd_m: ground sampling distance, m; None where the item does not say, and it then is the file's pixel.
        scale, offset: None where the item does not say; the file's header may.
        names: of all bands that the item describes in the file, in their order; none where `index` is sure.
    """

    band: str
    concept: str
    response: SpectralResponse
    gsd_m: float | None
    scale: float | None
    offset: float | None
    names: tuple[str, ...] = ()


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
        unused: assets and bands that are not used, and why not.
    """

    id: str
    product: str
    platform: str
    epsg: int | None
    layers: tuple[Layer, ...]
    quality: QualityAsset | None
    facts: tuple[float, ...]
    clear_values: tuple[int, ...] = ()
    unused: Mapping[str, str] = field(default_factory=dict)


def read_item(place: str, ignore_mask: bool = False) -> OpticalItem:
    """The STAC item of a file or an address: by its provider's dialect where that is known, else by its description.

    With `ignore_mask` an item with a mask of unknown meaning is used, clouds and all.

    Raises:
        UserError: nothing is there, it is no STAC item, or naming the item and the asset and what is missing of it.
    """
    content = read_json(place)
    item = RawItem(content)
    dialect = find_dialect(item)
    if dialect is None or (dialect is parse_landsat and not item.satellite.endswith(("-8", "-9"))):
        return describe(item, ignore_mask)
    acquisition = parse_item(content)
    if acquisition.product == "label":
        raise UserError(f"item {item.id}: no asset with surface reflectance, it is a map of classes")
    found = from_acquisition(with_platform(acquisition))
    used = {layer.asset for layer in found.layers} | ({found.quality.asset} if found.quality else set())
    others = [key for key, asset in item.assets.items() if _is_raster(asset) and key not in used]
    unused = {", ".join(others): f"no surface reflectance of {found.product}"} if others else {}
    return replace(found, unused=unused)


def read_json(place: str) -> dict[str, Any]:
    """The content of an item, with addresses of assets that do not depend on where it was found.

    Raises:
        UserError: nothing is there, or it is no STAC item.
    """
    place = file_path(place)
    try:
        item = json.loads(_fetch(place) if REMOTE.match(place) else _read(Path(place)))
    except ValueError:
        raise UserError(f"{place} is not JSON: name one STAC item") from None
    if not isinstance(item, dict) or item.get("type") != "Feature" or not isinstance(item.get("assets"), dict):
        kind = item.get("type", "an object") if isinstance(item, dict) else "a list"
        raise UserError(f"{place} is {kind}, not a STAC item (a Feature with assets)")
    for asset in item["assets"].values():
        if isinstance(asset, dict) and asset.get("href"):
            asset["href"] = _absolute(str(asset["href"]), place)
    return {"id": Path(place).stem} | {name: value for name, value in item.items() if value is not None}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"item {path} cannot be read ({error.strerror})") from None


def _fetch(address: str) -> bytes:
    import requests

    try:
        answer = requests.get(address, timeout=TIMEOUT_S, verify=certificates() or True)
        answer.raise_for_status()
    except requests.RequestException as error:
        if is_untrusted(str(error)):
            raise UserError(f"item {address.split('?')[0]} cannot be read: {untrusted_line()}") from None
        status = f"status {error.response.status_code}" if error.response is not None else type(error).__name__
        raise UserError(f"item {address.split('?')[0]} cannot be read ({status})") from None
    return answer.content


def _absolute(href: str, place: str) -> str:
    """An address or a path that can be opened from anywhere; relative ones count from the item."""
    href = file_path(href)
    if REMOTE.match(href) or href.startswith("/"):
        return href
    if REMOTE.match(place):
        return urljoin(place, href)
    paths = [(Path(place).parent / name).resolve() for name in (href, unquote(href))]  # with blanks as %20, or not
    return str(next((path for path in paths if path.exists()), paths[0]))


def from_acquisition(acquisition: Acquisition) -> OpticalItem:
    """The item of an acquisition of a known product, described by the registry."""
    sensor = get_sensor(acquisition.platform, acquisition.product)
    layers = []
    for name, found in acquisition.bands.items():
        known = sensor.band(name)
        told: dict[str, Any] = {entry.name: getattr(found, entry.name) for entry in fields(RasterAsset)}
        told |= {"pixel_m": 0.0, "count": None, "store_shift": 0}  # pixels are the file's own, numbers as stored
        told |= {"concept": known.concept, "response": known.response, "gsd_m": known.gsd_m}
        layers.append(Layer(**told, band=name, scale=found.scale, offset=found.offset))
    facts = scene_row(acquisition.datetime, **{name: getattr(acquisition, name) for name in ANGLES})
    own = acquisition.item_id, acquisition.product, acquisition.platform, acquisition.epsg
    return OpticalItem(*own, tuple(layers), acquisition.qa, facts)


def describe(item: RawItem, ignore_mask: bool = False) -> OpticalItem:
    """An item that no dialect is known for: only what it says of itself is used.

    Args:
        item: as published.
        ignore_mask: map under a mask whose values are not known, which is an error otherwise.

    Raises:
        UserError: naming the item, the asset and what is missing of it.
    """
    item.check_level()
    unused: dict[str, str] = {}
    found: dict[str, Layer] = {}
    ranks: dict[str, tuple[bool, float]] = {}
    for key, asset in item.assets.items():
        if not _is_raster(asset) or _mask_name(key) in QUALITY:
            continue
        reason = _why_no_reflectance(key, asset)
        bands = [] if reason else described_bands(item, key)
        if reason or not bands:
            unused[key] = reason or "no bands with eo:center_wavelength and eo:full_width_half_max (micrometres)"
        names = [band.name for band in bands]
        for band in bands:
            reason, label = _why_unused(band), key if len(bands) == 1 else f"{key} {band.name}"
            if reason:
                unused[label] = reason
                continue
            layer = _named_apart(_described_layer(item, band, names), found)
            known = found.get(layer.band)
            rank = not _is_surface(key, asset), layer.gsd_m or 0.0
            if known is not None and rank >= ranks[layer.band]:
                unused[label] = f"the band is taken from {known.asset}"
                continue
            if known is not None:  # the same band again, on a finer grid, or surely of surface reflectance
                unused[f"{known.asset} {band.name}"] = f"the band is taken from {key}"
            found[layer.band], ranks[layer.band] = layer, rank
    if not found:
        why = "".join(f", asset {name}: {reason}" for name, reason in list(unused.items())[:1])
        bare = next((key for key, reason in unused.items() if reason.startswith("no bands")), None)
        raise item.unusable(f"asset {bare} has {unused[bare]}" if bare else f"no asset with surface reflectance{why}")
    when = None
    for name in ("start_datetime", "datetime"):  # a map needs no date
        with suppress(UnusableItemError):
            when = item.moment(name)
    facts = scene_row(when, item.sun_zenith, item.number("view:sun_azimuth"), item.view_zenith)
    quality, clear = _quality(item, unused, ignore_mask)
    return OpticalItem(
        item.id,
        DESCRIBED,
        item.text("platform"),
        _epsg(item, found),
        tuple(found.values()),
        quality,
        facts,
        clear,
        unused,
    )


def _named_apart(layer: Layer, found: Mapping[str, Layer]) -> Layer:
    """The layer by a name that no band of another wavelength has."""
    own = f"{layer.asset} {layer.band}"
    for name in chain((layer.band, own), (f"{own} {number}" for number in count(2))):
        other = found.get(name)
        if other is None or abs(other.response.centre_nm - layer.response.centre_nm) <= SAME_BAND_NM:
            break
    return replace(layer, band=name)


def _is_raster(asset: Mapping[str, Any]) -> bool:
    kind = str(asset.get("type") or "image/tiff")
    seen = kind.startswith("image/") and not kind.startswith(("image/png", "image/jpeg", "image/webp"))
    return seen and bool(asset.get("href")) and not set(asset.get("roles") or ()) & PICTURES


def _why_no_reflectance(key: str, asset: Mapping[str, Any]) -> str:
    """Why an asset has no surface reflectance by its roles, key or title; "" where nothing says so."""
    roles = {role.lower() for role in asset.get("roles") or ()}
    if roles & NO_REFLECTANCE:
        return f"role {min(roles & NO_REFLECTANCE)}"
    for text in (key, str(asset.get("title") or "")):
        if NO_SURFACE.search(text) and not SURFACE.search(text):
            return f"{text!r} is no surface reflectance"
    return ""


def _is_surface(key: str, asset: Mapping[str, Any]) -> bool:
    said = (key, str(asset.get("title") or ""), *(asset.get("roles") or ()))
    return any(SURFACE.search(text) or text.lower() == "reflectance" for text in said)


def _why_unused(band: BandDescription) -> str:
    """Why a band cannot be used; "" where it can."""
    if band.unit.strip().lower() not in REFLECTANCE_UNITS:
        return f"its unit is {band.unit}"
    if not REFLECTIVE_NM[0] <= band.centre_nm <= REFLECTIVE_NM[1]:
        return f"{band.centre_nm:g} nm is not between {REFLECTIVE_NM[0]:g} and {REFLECTIVE_NM[1]:g} nm"
    if band.fwhm_nm < NARROWEST_NM:
        return f"eo:full_width_half_max {band.fwhm_nm / 1000:g} is too narrow for micrometres"
    if band.fwhm_nm >= band.centre_nm:
        width, centre = band.fwhm_nm / 1000, band.centre_nm / 1000
        return f"eo:full_width_half_max {width:g} is wider than {centre:g} micrometres allow; in nanometres?"
    return ""


def _described_layer(item: RawItem, band: BandDescription, names: Sequence[str]) -> Layer:
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
        names=tuple(names) if len(names) == band.count else (),
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


def _quality(item: RawItem, unused: dict[str, str], ignore_mask: bool) -> tuple[QualityAsset | None, tuple[int, ...]]:
    """The layer that tells clouds, and its values that mean clear ground, none where its decoder tells.

    Classes and bit fields that the item gives come before what is known of a layer of that name; a layer of a known
    name comes before others, one that speaks of clouds before one that does not.

    Raises:
        UserError: no mask of the item has a known meaning.
    """
    found: list[tuple[bool, bool, str, int, str, tuple[int, ...]]] = []
    unknown: dict[str, str] = {}
    for key, asset in item.assets.items():
        if not _is_raster(asset):
            continue
        decoder, roles = QUALITY.get(_mask_name(key), ""), {role.lower() for role in asset.get("roles") or ()}
        named = bool(decoder) or bool(roles & MASK_ROLES)
        said = mask_bands(item, key)
        clouds = [(n, fields) for n, fields in said if _speaks_of_clouds(fields)]
        if not (named or clouds):
            continue
        if said:
            number, fields = (clouds or said)[0]
            try:
                clear = said_clear(item, key, fields)
            except UnusableItemError as error:
                unknown[key] = str(error)
                continue
            if decoder and _same_coding(decoder, fields, clear):
                clear = ()
            found.append((not decoder, not clouds, key, number, "" if clear else decoder, clear))
        elif decoder and (decoder != "fmask" or "HLS" in f"{item.id} {item.collection}".upper()):
            found.append((False, False, key, 1, decoder, ()))
        else:
            unknown[key] = str(item.unusable(f"asset {key}: a mask, but nothing says what its values mean"))
    unused |= {key: "the meaning of its values is not known" for key in unknown}
    if not found:
        if unknown and not ignore_mask:
            advice = "classification:classes in the item would tell, --ignore-mask maps what is under clouds too"
            raise UnusableItemError(f"{next(iter(unknown.values()))}; {advice}")
        return None, ()
    (_, _, key, index, decoder, clear), *others = sorted(found, key=lambda entry: entry[:2])
    unused |= {other[2]: f"clouds are taken from {key}" for other in others}
    for name in [name for name in unused if name == key]:
        del unused[name]
    href, epsg = item.assets[key]["href"], item.epsg(key)
    layer = QualityAsset(item.id, key, href, epsg, 0.0, *item.grid(key), index=index, count=None, decoder=decoder)
    return layer, clear


def _mask_name(key: str) -> str:
    """The key of an asset without its case and resolution: SCL_20m is scl."""
    return re.sub(r"[_-]?\d+m$", "", key.lower())


def _speaks_of_clouds(fields: Mapping[str, Any]) -> bool:
    entries = [*fields.get("classification:classes", ()), *fields.get("classification:bitfields", ())]
    return any("cloud" in f"{entry.get('name')} {entry.get('description')}".lower() for entry in entries)


def _same_coding(decoder: str, fields: Mapping[str, Any], clear: tuple[int, ...]) -> bool:
    """Whether an item's own description of a layer of a known name says what its decoder knows."""
    classes = fields.get("classification:classes") or ()
    listed = np.array([int(entry["value"]) for entry in classes] if classes else range(1 << BITS))
    return bool((DECODERS[decoder](listed) == np.isin(listed, clear)).all())
