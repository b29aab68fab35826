"""Value types of a scene that is to be mapped."""

from dataclasses import dataclass

from anyband.ground import Affine6
from anyband.raster.asset import QualityAsset
from anyband.sensors import SpectralResponse


@dataclass(frozen=True)
class Layer:
    """One band of one file. Reflectance = DN * `scale` + `offset`, except where DN is `nodata` or not a number.

    Attributes:
        name, concept, response: as in `sensors.Band`.
        gsd_m: ground sampling distance, m; None where the item does not say, and it then is the file's pixel.
        asset: key in the item.
        href: unsigned address or path.
        scale, offset, nodata: None where the item does not say; the file's header may.
        transform, shape: grid by the item, None where it does not say.
        index: number of the band in the file, from 1.
    """

    name: str
    concept: str
    response: SpectralResponse
    gsd_m: float | None
    asset: str
    href: str
    scale: float | None
    offset: float | None
    nodata: float | None
    transform: Affine6 | None
    shape: tuple[int, int] | None
    index: int = 1


@dataclass(frozen=True)
class Scene:
    """One acquisition.

    Attributes:
        item: id of the item.
        product: as models know it; "described" for an item that no dialect is known for.
        platform: the satellite, "" where the item does not say.
        epsg: CRS of the files, None where only they say.
        layers: bands of surface reflectance.
        quality: layer that tells clouds, None where none is known.
        facts: of the acquisition as a whole, a row of `BandGroup.scene`.
    """

    item: str
    product: str
    platform: str
    epsg: int | None
    layers: tuple[Layer, ...]
    quality: QualityAsset | None
    facts: tuple[float, ...]
