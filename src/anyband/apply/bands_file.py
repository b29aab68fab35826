"""Local GeoTIFFs described by a YAML file instead of a STAC item: which band lies where, and what it measures."""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from anyband.apply.item import DESCRIBED, REFLECTIVE_NM, Layer, OpticalItem, read_item
from anyband.config.schema import Settings
from anyband.observation import scene_row
from anyband.raster.asset import QualityAsset
from anyband.runtime import UserError
from anyband.sensors import SpectralResponse, get_sensor
from anyband.sensors.band import nearest_concept
from anyband.sensors.platforms import products

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Index = Annotated[int, Field(ge=1)]


class ResponseTable(Settings):
    """A response as two lists: wavelengths in nm, and weights of any scale."""

    wavelength: list[Number]
    weight: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]]


class FileBand(Settings):
    """One band: where it lies, and its response by `centre` and `width` in nm, by a table, or like a known band's."""

    name: str
    file: Path | None = None
    index: Index | None = None
    centre: Positive | None = None
    width: Positive | None = None
    response: ResponseTable | Path | None = None
    like: str | None = None
    gsd: Positive | None = None
    scale: Number | None = None
    offset: Number | None = None
    nodata: float | None = None

    @model_validator(mode="after")
    def _one_response(self) -> "FileBand":
        gaussian = self.centre is not None and self.width is not None
        if (self.centre is None) != (self.width is None):
            raise ValueError("centre and width (nm) go together")
        if sum((gaussian, self.response is not None, self.like is not None)) != 1:
            raise ValueError("give either centre and width (nm), or response, or like (sentinel-2a B04)")
        if self.centre is not None and self.width is not None and self.width >= self.centre:
            raise ValueError(f"width {self.width:g} nm is wider than possible at {self.centre:g} nm")
        return self


class FileQuality(Settings):
    """The layer that tells clouds: its coding where that is known, or the values that mean clear ground."""

    file: Path
    index: Index = 1
    coding: Literal["scl", "qa_pixel", "fmask", "mask"] | None = None
    clear: list[int] = []

    @model_validator(mode="after")
    def _one_meaning(self) -> "FileQuality":
        if bool(self.clear) == (self.coding is not None):
            raise ValueError("give either coding (scl, qa_pixel, fmask, mask) or clear (list of values)")
        return self


class BandsFile(Settings):
    """The whole file; scale, offset, nodata and gsd hold for all bands that do not give their own."""

    bands: Annotated[list[FileBand], Field(min_length=1)]
    platform: str = ""
    date: dt.date | None = None
    gsd: Positive | None = None
    scale: Number | None = None
    offset: Number | None = None
    nodata: float | None = None
    quality: FileQuality | None = None


def read_items(places: Sequence[str], bands: Path | None = None, ignore_mask: bool = False) -> Iterable[OpticalItem]:
    """The STAC items of files or addresses, or, where `bands` is given, the one acquisition of local GeoTIFFs.

    Raises:
        UserError: one line naming the file and the key or asset at fault.
    """
    return (read_item(place, ignore_mask) for place in places) if bands is None else [described_files(places, bands)]


def described_files(places: Sequence[str], bands: Path) -> OpticalItem:
    """One acquisition: the bands of a file, or of several, one a band, as a YAML file describes them.

    Args:
        places: the file of all bands that name none, or a file for every band in their order.
        bands: the YAML file; files that it names count from its folder.

    Raises:
        UserError: one line naming the YAML file and the key at fault.
    """
    described = _load(bands)
    if len(places) > 1 and len(places) != len(described.bands):
        raise UserError(f"{bands}: {len(described.bands)} bands, but {len(places)} files are named: one, or one a band")
    name = Path(places[0]).stem if places else bands.stem
    layers = tuple(_layer(name, n, band, described, places, bands) for n, band in enumerate(described.bands))
    quality = None
    if (layer := described.quality) is not None:
        path = str(bands.parent / layer.file)
        quality = QualityAsset(name, layer.file.name, path, None, 0.0, index=layer.index, decoder=layer.coding or "")
    clear = tuple(described.quality.clear) if described.quality else ()
    when = None if described.date is None else dt.datetime.combine(described.date, dt.time(), dt.UTC)
    return OpticalItem(name, DESCRIBED, described.platform, None, layers, quality, scene_row(when), clear)


def _load(path: Path) -> BandsFile:
    try:
        return BandsFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not YAML"
        raise UserError(f"{path} cannot be read ({reason})") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: {key + ': ' if key else ''}{message[0].lower()}{message[1:]}") from None


def _layer(item: str, n: int, band: FileBand, all_bands: BandsFile, places: Sequence[str], bands: Path) -> Layer:
    key = f"{bands}: bands.{n}"
    if band.file is not None:
        href, alone = str(bands.parent / band.file), True
    elif places:
        href, alone = places[min(n, len(places) - 1)], len(places) > 1
    else:
        raise UserError(f"{key}.file is missing, and no file is named on the command line")
    response = _response(key, band, bands)

    def said(name: str) -> Any:
        own = getattr(band, name)
        return getattr(all_bands, name) if own is None else own

    return Layer(
        item,
        Path(href).name,
        href,
        None,
        0.0,
        nodata=said("nodata"),
        index=band.index or (1 if alone else n + 1),
        count=None,
        band=band.name,
        concept=nearest_concept(response.centre_nm),
        response=response,
        gsd_m=said("gsd"),
        scale=said("scale"),
        offset=said("offset"),
    )


def _response(key: str, band: FileBand, bands: Path) -> SpectralResponse:
    """The response of a band, which must lie where surfaces reflect.

    Raises:
        UserError: a table that cannot be read or is none, an unknown band, or a wavelength that is none of reflectance.
    """
    try:
        if band.like is not None:
            response = _known_response(band.like)
        elif isinstance(band.response, ResponseTable):
            response = SpectralResponse(np.array(band.response.wavelength), np.array(band.response.weight))
        elif band.response is not None:
            table = np.loadtxt(bands.parent / band.response, delimiter=",", skiprows=1, ndmin=2)
            if table.shape[1] < 2 or not np.isfinite(table).all() or (table[:, 1] < 0).any():
                raise ValueError(f"{band.response} needs a line of names, then wavelength (nm) and weight of numbers")
            response = SpectralResponse(table[:, 0], table[:, 1])
        else:
            response = SpectralResponse.gaussian(band.centre or 0.0, band.width or 0.0)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{key} ({band.name}): {reason}") from None
    low, high = REFLECTIVE_NM
    if not low <= response.centre_nm <= high:
        raise UserError(f"{key} ({band.name}): centre {response.centre_nm:g} nm is not between {low:g} and {high:g} nm")
    return response


def _known_response(like: str) -> SpectralResponse:
    """The response of "sentinel-2a B04"; a satellite's own product comes before one that is made of it."""
    platform, _, name = like.partition(" ")
    for product in sorted(products(platform.lower()), key=lambda product: product.startswith("hls_")):
        sensor = get_sensor(platform.lower(), product)
        if name in sensor.names:
            return sensor.band(name).response
    raise ValueError(f"like: {like!r} is no band of the registry of sensors (sentinel-2a B04, say)")
