"""One band of one file as its STAC item announces it: what dialects parse is what is read, checked and kept."""

from dataclasses import dataclass

from anyband.runtime import UserError


class UnusableItemError(UserError):
    """An item lacks something or contradicts itself; the message names the item and the asset or property.

    `reason` is the word for it in the table of dropped scenes.
    """

    reason = "unusable"


class ContradictionError(UnusableItemError):
    """What an item says of a file is not what the file says."""

    reason = "contradiction"


@dataclass(frozen=True)
class RasterAsset:
    """One band of a file. What the item does not say is None, and is not compared with the file.

    Attributes:
        item: id of the item, and
        asset: key of the asset in it, by which messages call the file.
        href: unsigned address or path.
        epsg: CRS of the file (HLS files carry one that has no EPSG code).
        pixel_m: nominal pixel spacing, m; degrees in a geographic CRS; 0 where the item does not say.
        transform: affine in `epsg`, as `ground.Affine6`.
        shape: rows and columns.
        dtype: of the pixels, a numpy name.
        nodata: stored number without data.
        index, count: which band of the file it is, from 1, and how many the file has.
        store_shift: added to every stored number other than `nodata`, to bring all products of a kind to one encoding.
    """

    item: str
    asset: str
    href: str
    epsg: int | None
    pixel_m: float
    transform: tuple[float, float, float, float, float, float] | None = None
    shape: tuple[int, int] | None = None
    dtype: str | None = None
    nodata: int | float | None = None
    index: int = 1
    count: int | None = 1
    store_shift: int = 0

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"item {self.item}: asset {self.asset}"

    def unusable(self, reason: str) -> UnusableItemError:
        """An error of one line that names item and asset."""
        return UnusableItemError(f"{self.name}: {reason}")


@dataclass(frozen=True, kw_only=True)
class BandAsset(RasterAsset):
    """A band of surface reflectance, or of class codes: value = stored number * `scale` + `offset`, unit 1.

    Attributes:
        band: name of the band in the sensor registry, whatever the provider calls it.
        scale, offset: of the numbers in the file, from our own table of the product where there is one.
    """

    band: str
    scale: float
    offset: float


@dataclass(frozen=True, kw_only=True)
class QualityAsset(RasterAsset):
    """The quality layer of an acquisition; `decoder` is a key of `quality_layers.DECODERS`."""

    decoder: str
