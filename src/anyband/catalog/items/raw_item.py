"""One item as published, read field by field with errors that name it: what all dialects share."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anyband.catalog.items.acquisition import Acquisition
from anyband.ground import Affine6
from anyband.products import Encoding
from anyband.raster.asset import BandAsset, QualityAsset, UnusableItemError
from anyband.raster.quality_layers import DTYPES, FILL

Fields = Mapping[str, Any]
# processing:level, s2:product_type, product:type, landsat:correction and their like, and what they say of Level 1:
# L1C, Level-1C, LEVEL1, 1C, S2MSI1C, L1TP; of the letters and digits alone.
_LEVEL_FIELD = re.compile(r"(?:^|[:_.])(?:level|product_?type|correction)$|^product:type$")
_LOW_LEVEL = re.compile(
    r"LEVEL0*[01](?!\d)|(?:^|L|MSI|OLI)0*[01](?:[A-DRTG]|TP|GT|GS)?(?:T[12]|RT)?(?:TOA|RAD)?$|^(?:OL|SL)1|"
    r"TOA|TOPOFATMOSPHERE|RADIANCE|BRIGHTNESSTEMPERATURE"
)
_LOW_NAME = re.compile(r"(?:^|[-_.])(?:MSI|MSIL)?1C(?:[-_.]|$)|(?:^|[-_.])(?:C\d)?L1(?:[A-D]|TP|GT|GS)?(?:[-_.]|$)")
_Objects = list[dict[str, Any]] | None
_STRICT = ConfigDict(extra="ignore", strict=True)


class _CodedForm(BaseModel):
    """What a band or an asset may say of the classes in it."""

    model_config = _STRICT
    classes: _Objects = Field(None, alias="classification:classes")
    bitfields: _Objects = Field(None, alias="classification:bitfields")


_Bands = list[_CodedForm] | None


class _AssetForm(_CodedForm):
    """The parts of an asset whose form is relied upon."""

    href: str | None = None
    type: str | None = None
    roles: list[str] | None = None
    bands: _Bands = None
    eo_bands: _Bands = Field(None, alias="eo:bands")
    raster_bands: _Bands = Field(None, alias="raster:bands")
    alternate: dict[str, dict[str, Any] | None] | None = None


class _ItemForm(BaseModel):
    """The parts of an item whose form is relied upon."""

    model_config = _STRICT
    id: str | int
    collection: str | None = None
    geometry: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    assets: dict[str, _AssetForm | None] | None = None


NO_ID = "without an id"


def item_id(content: Any) -> str:
    """The id of an item as published, or what messages call one that has none."""
    name = content.get("id") if isinstance(content, Mapping) else None
    return str(name) if isinstance(name, str | int) and not isinstance(name, bool) and name != "" else NO_ID


class RawItem:
    """A raw item; everything that raises, raises UnusableItemError with the item's id and what is missing or wrong."""

    def __init__(self, content: Fields) -> None:
        """Take an item as parsed from JSON; it is never changed. A null is as good as nothing."""
        try:
            _ItemForm.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            what = f"{place} is {first['input']!r}"[:160] if place else "it is no object"
            raise UnusableItemError(f"item {item_id(content)}: {what} ({first['msg'][:80].lower()})") from None
        self.id = item_id(content)
        if self.id == NO_ID:
            raise UnusableItemError(f"item {NO_ID}: every item needs one")
        self.collection: str = content.get("collection") or ""
        self.geometry: Fields | None = content.get("geometry")
        self.properties: Fields = content.get("properties") or {}
        self.assets: Mapping[str, Fields] = {
            key: {name: value for name, value in asset.items() if value is not None}
            for key, asset in (content.get("assets") or {}).items()
            if asset is not None
        }

    def unusable(self, reason: str) -> UnusableItemError:
        """An error of one line."""
        return UnusableItemError(f"item {self.id}: {reason}")

    def require(self, name: str) -> Any:
        """A property that the item must have."""
        value = self.properties.get(name)
        if value is None:
            raise self.unusable(f"property {name} is missing")
        return value

    def number(self, name: str) -> float | None:
        """A numeric property, None where the item does not have it; those of `view:` are angles in degrees."""
        value = self.properties.get(name)
        number = None if value is None else self.as_number(value, f"property {name}")
        if number is not None and name.startswith("view:") and abs(number) > (360 if "azimuth" in name else 90):
            raise self.unusable(f"property {name} is {value!r}, no such angle")
        return number

    def as_number(self, value: Any, what: str) -> float:
        """A published value as a finite number; `what` is what messages call it."""
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.unusable(f"{what} is {value!r}, not a number")
        return number

    def text(self, name: str) -> str:
        """A property as text, "" where the item does not have it."""
        return str(self.properties.get(name) or "")

    def moment(self, name: str = "datetime") -> datetime:
        """A property with a UTC time, in the form of RFC 3339 with a time zone."""
        text = self.require(name)
        try:
            when = datetime.fromisoformat(str(text))
        except ValueError:
            when = datetime.min
        if when.tzinfo is None:
            raise self.unusable(f"property {name} is {text!r}, not a time with a zone")
        return when

    def check_level(self) -> None:
        """Stop at an item that says to be of Level 0 or 1, or of radiance or top-of-atmosphere reflectance.

        Providers say so in `processing:level`, in a product type or a correction, by whatever extension, in the
        name of the collection, or only in that of the scene.

        Raises:
            UnusableItemError: naming what says so.
        """
        said = {name: value for name, value in self.properties.items() if _LEVEL_FIELD.search(name.lower())}
        for name, values in said.items():
            for value in values if isinstance(values, list) else [values]:
                word = f"{value:g}" if isinstance(value, int | float) else str(value)
                if _LOW_LEVEL.search(re.sub(r"[^A-Z0-9]", "", word.upper())):
                    raise self.unusable(f"{name} is {value}, surface reflectance (Level 2) is needed")
        for what, name in (("its collection", self.collection), ("its id", self.id)):
            if _LOW_NAME.search(name.upper()):
                raise self.unusable(f"{what} {name!r} is of Level 1, surface reflectance (Level 2) is needed")

    @property
    def satellite(self) -> str:
        """The platform in lower case with hyphens (providers write Sentinel-2A, sentinel-2a, LANDSAT_8), or ""."""
        return self.text("platform").lower().replace("_", "-")

    def platform(self, known: tuple[str, ...]) -> str:
        """The satellite, which must be one of `known`."""
        self.require("platform")
        if self.satellite not in known:
            raise self.unusable(f"platform {self.satellite!r} is none of {', '.join(known)}")
        return self.satellite

    @property
    def sun_zenith(self) -> float | None:
        """Degrees, from the elevation; None where the item does not say."""
        elevation = self.number("view:sun_elevation")
        return None if elevation is None else 90 - elevation

    @property
    def view_zenith(self) -> float | None:
        """Degrees; None where the item does not say.

        Where it gives only the angle at the satellite, that one is taken: from low orbits it is about a tenth less.
        """
        angle = self.number("view:incidence_angle")
        return self.number("view:off_nadir") if angle is None else angle

    def asset(self, key: str) -> Fields:
        """An asset that the item must have, with an address."""
        found = self.assets.get(key)
        if not found or not found.get("href"):
            raise self.unusable(f"asset {key} is missing")
        return found

    def epsg(self, key: str) -> int | None:
        """EPSG code of an asset from `proj:epsg` or `proj:code` (projection extension v1 and v2), None for neither."""
        for fields in (self.properties, self.assets.get(key, {})):
            code = str(fields.get("proj:epsg") or fields.get("proj:code") or "").upper().removeprefix("EPSG:")
            if code.isascii() and code.isdigit():
                if not _is_known_epsg(int(code)):
                    raise self.unusable(f"EPSG:{code} is no coordinate system")
                return int(code)
        return None

    def require_epsg(self, key: str) -> int:
        """EPSG code of an asset that must have one."""
        code = self.epsg(key)
        if code is None:
            raise self.unusable(f"neither proj:epsg nor proj:code, so {key} has no place on the ground")
        return code

    def grid(self, key: str) -> tuple[Affine6 | None, tuple[int, int] | None]:
        """Affine (6 numbers of the 6 or 9 published) and (rows, columns), from the asset or else from the item."""
        affine, size = (self._numbers(key, name, n) for name, n in (("proj:transform", 6), ("proj:shape", 2)))
        shape = (int(size[0]), int(size[1])) if size else None
        if affine is None:
            return None, shape
        a, b, c, d, e, f = affine
        return (a, b, c, d, e, f), shape

    def _numbers(self, key: str, name: str, count: int) -> list[float] | None:
        """The first numbers of a list, None where there is none."""
        values = self.assets[key].get(name, self.properties.get(name))
        if values is None:
            return None
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) < count:
            raise self.unusable(f"asset {key}: {name} is {values!r}, not {count} numbers")
        return [self.as_number(value, f"asset {key}: {name}") for value in values[:count]]

    def band(
        self, band: str, key: str, epsg: int, pixel_m: float, encoding: Encoding, *, shift: int = 0, check: bool = True
    ) -> BandAsset:
        """The asset `key` as a band of the registry.

        Args:
            band: name in the registry.
            key: key of the asset.
            epsg: CRS of the file.
            pixel_m: pixel spacing of the product, m; a published grid of another spacing is an error.
            encoding: of the pixels, from the dialect's own table.
            shift: see `BandAsset.store_shift`.
            check: whether a published encoding must agree with ours; off where it is known to be wrong.
        """
        href = self.asset(key)["href"]
        if check:
            self._check_encoding(key, encoding)
        transform, shape = self.grid(key)
        if transform is not None and not math.isclose(transform[0], pixel_m, rel_tol=1e-6):
            raise self.unusable(f"asset {key} has pixels of {transform[0]:g} m, expected {pixel_m:g}")
        return BandAsset(
            self.id,
            key,
            href,
            epsg,
            pixel_m,
            transform,
            shape,
            dtype=encoding.dtype,
            nodata=encoding.nodata,
            store_shift=shift,
            band=band,
            scale=encoding.scale,
            offset=encoding.offset,
        )

    def quality(self, key: str, epsg: int, pixel_m: float, decoder: str) -> QualityAsset:
        """The asset `key` as the quality layer of an acquisition."""
        href, dtype = self.asset(key)["href"], DTYPES[decoder]
        return QualityAsset(
            self.id, key, href, epsg, pixel_m, *self.grid(key), dtype=dtype, nodata=FILL[decoder], decoder=decoder
        )

    def _check_encoding(self, key: str, encoding: Encoding) -> None:
        """Compare published scale, offset and nodata with ours: a contradiction would be wrong by a whole offset.

        They may stand in `raster:bands`, in `bands` (STAC 1.1) or in the asset itself.
        """
        asset = self.assets[key]
        expectations = {"scale": encoding.scale, "offset": encoding.offset, "nodata": encoding.nodata}
        for fields in (asset, *asset.get("raster:bands", ()), *asset.get("bands", ())):
            for name, expected in expectations.items():
                published = fields.get(f"raster:{name}", fields.get(name))
                if published is None:
                    continue
                number = self.as_number(published, f"asset {key}: {name}")
                if not math.isclose(number, expected, rel_tol=1e-6, abs_tol=1e-9):
                    raise self.unusable(
                        f"asset {key} publishes {name} {published}, expected {expected}; "
                        "another processing than this dialect knows"
                    )

    def acquisition(
        self,
        product: str,
        satellite: str,
        epsg: int,
        bands: Mapping[str, BandAsset],
        quality: QualityAsset | None,
        **facts: Any,
    ) -> Acquisition:
        """The acquisition of this item; `facts` replaces attributes that are not read in the usual way."""
        cover = self.number("eo:cloud_cover")
        simulator = self.properties.get("anyband:simulated")
        usual = {
            "sun_zenith": self.sun_zenith,
            "sun_azimuth": self.number("view:sun_azimuth"),
            "view_zenith": self.view_zenith,
            "cloud_cover": None if cover is None or cover < 0 else cover,  # USGS writes -1 for none
            "simulated": None if simulator is None else str(simulator),
        }
        return Acquisition(
            product=product,
            platform=satellite,
            collection=self.collection,
            item_id=self.id,
            datetime=facts.pop("datetime", None) or self.moment(),
            footprint=self.footprint(),
            epsg=epsg,
            bands=bands,
            qa=quality,
            **(usual | facts),
        )

    def footprint(self) -> Fields:
        """Geometry of the valid data; across the antimeridian its longitudes go on beyond 180 degrees.

        Providers cut a footprint in two at 180 degrees, count on beyond, or jump from 180 to -180 within a ring.

        Raises:
            UnusableItemError: no geometry, or none of polygons with three or more corners.
        """
        geometry = self.geometry
        if not geometry:
            raise self.unusable("geometry is missing")
        kind, listed = geometry.get("type"), geometry.get("coordinates")
        if kind not in ("Polygon", "MultiPolygon"):
            raise self.unusable(f"geometry is a {kind}, not a footprint")
        parts: Any = listed if kind == "MultiPolygon" else [listed]
        try:
            rings = [[_continuous(ring) for ring in part] for part in parts]
        except (TypeError, ValueError):
            rings = []
        if not rings or not all(rings):
            raise self.unusable(f"geometry is no {kind} of longitudes and latitudes")
        west = min(x for part in rings for x, _ in part[0])
        east = max(x for part in rings for x, _ in part[0])
        if east - west <= 180 and rings == [[_plain(ring) for ring in part] for part in parts]:
            return geometry
        return _joined(rings)


def _plain(ring: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y, *_ in ring]
    if len(points) < 4 or not all(isinstance(v, int | float) for point in ring for v in point[:2]):
        raise ValueError("no ring of numbers")
    if not all(abs(x) <= 720 and abs(y) <= 90 for x, y in points):
        raise ValueError("not in degrees")
    return points


@lru_cache
def _is_known_epsg(code: int) -> bool:
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        CRS.from_epsg(code)
    except (CRSError, OverflowError):
        return False
    return True


def _continuous(ring: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """A ring without jumps of a whole turn from one vertex to the next."""
    points = _plain(ring)
    for index in range(1, len(points)):
        x, y = points[index]
        points[index] = (x - 360 * round((x - points[index - 1][0]) / 360), y)
    return points


def _joined(rings: Sequence[Sequence[Sequence[tuple[float, float]]]]) -> Fields:
    """Parts of a footprint, all moved to the side of the globe where the easternmost one lies."""
    from shapely import make_valid, union_all
    from shapely.affinity import translate
    from shapely.geometry import Polygon, mapping

    parts = [make_valid(Polygon(part[0], part[1:])) for part in rings]
    reference = max(part.centroid.x for part in parts)
    turned = [translate(part, 360 * round((reference - part.centroid.x) / 360)) for part in parts]
    joined: Fields = mapping(union_all(turned))
    return joined
