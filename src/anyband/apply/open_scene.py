"""An acquisition whose files have been opened: its bands in groups of one grid, read in strips of ground."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from anyband.apply.optical_item import Layer, Scene
from anyband.apply.strips import Clear, Frame, Group, Strip, reflectance
from anyband.apply.tiling import Lattice
from anyband.ground import northing_shift
from anyband.raster.asset import QualityAsset, RasterAsset
from anyband.raster.header import Header
from anyband.raster.quality_layers import DECODERS
from anyband.raster.rows import RowFile, read_metric_header
from anyband.runtime import UserError
from anyband.sensors import Band, BandSet

READERS = 8
"""Files that are opened or read at once, which is what makes reading over a network quick."""


class OpenScene:
    """A scene with its headers read, in the CRS `epsg`."""

    def __init__(self, scene: Scene, product: str, epsg: int | None, pool: ThreadPoolExecutor) -> None:
        """Open all files.

        Args:
            scene: what to open.
            product: what models are to know it as.
            epsg: CRS of the map; that of the scene for None.
            pool: threads that read.

        Raises:
            UserError: a file is not readable, not what its item says, or in another CRS than `epsg`.
        """
        self.scene, self.product, self.pool = scene, product, pool
        own, headers = _headers(scene, pool)
        self.epsg = own if epsg is None else epsg
        try:
            shift = 0.0 if own == self.epsg else northing_shift(own, self.epsg)
        except UserError:
            raise UserError(
                f"item {scene.item} is in EPSG:{own}, the first one in EPSG:{self.epsg}: name items of one CRS"
            ) from None
        self.groups = _groups(scene, headers, shift)
        self.quality = None
        if scene.quality is not None:
            name = f"item {scene.item}: asset {scene.quality.asset}"
            header = headers[scene.quality.href]
            self.quality = _frame(header, shift), RowFile(scene.quality.href, name, header)

    @property
    def finest(self) -> Group:
        """The group of the finest grid."""
        return self.groups[0]

    def strips(self, top: float, lattice: Lattice) -> list[Strip]:
        """The pixels under the tiles whose upper edge is the northing `top`, as reflectance and validity."""
        clear = self._clear(top, lattice.tile_m)
        return [self._strip(group, group.frame.size(lattice), top, clear) for group in self.groups]

    def _strip(self, group: Group, size: int, top: float, clear: "Clear | None") -> Strip:
        frame = group.frame
        first = frame.row(top)
        start, stop = max(first, 0), min(first + size, frame.shape[0])
        values = np.zeros((len(group.bands), size, frame.shape[1]), np.float32)
        valid = np.zeros(values.shape, bool)
        upper = frame.top - first * frame.pixel_m
        if start < stop:
            stored = self.pool.map(lambda file: file.rows(start, stop), group.files)
            planes = (plane for pixels in stored for plane in pixels)
            for band, (pixels, encoding) in enumerate(zip(planes, group.encodings, strict=True)):
                part = slice(start - first, stop - first)
                values[band, part], valid[band, part] = reflectance(pixels, *encoding)
            if clear is not None:
                valid &= clear.at(frame, upper, size)
            values *= valid
        return Strip(group, values, valid, upper)

    def _clear(self, top: float, side_m: float) -> "Clear | None":
        """Clear mask of the ground that any group may need for a strip."""
        if self.quality is None or self.scene.quality is None:
            return None
        frame, file = self.quality
        margin = max(group.frame.pixel_m for group in self.groups) + frame.pixel_m
        start, stop = max(frame.row(top + margin), 0), min(frame.row(top - side_m - margin) + 1, frame.shape[0])
        if start >= stop:
            return Clear(np.zeros((1, 1), bool), replace(frame, shape=(1, 1), top=np.inf))
        mask = DECODERS[self.scene.quality.decoder](file.rows(start, stop)[0])
        return Clear(mask, Frame(frame.left, frame.top - start * frame.pixel_m, frame.pixel_m, mask.shape))


def _headers(scene: Scene, pool: ThreadPoolExecutor) -> tuple[int, dict[str, Header]]:
    """CRS of a scene, and headers by address.

    Raises:
        UserError: unreadable, or of different CRS.
    """
    announced: list[Layer | QualityAsset] = [*scene.layers, *([scene.quality] if scene.quality else [])]
    files = {
        x.href: RasterAsset(scene.item, x.asset, x.href, scene.epsg, 0.0, x.transform, x.shape, count=None)
        for x in announced
    }
    names = [asset.name for asset in files.values()]
    found = list(pool.map(read_metric_header, files.values()))
    own = scene.epsg if scene.epsg is not None else found[0].epsg
    if own is None:
        raise UserError(f"{names[0]}: its CRS has no EPSG code, and the item has neither proj:epsg nor proj:code")
    for header, name in zip(found, names, strict=True):
        if scene.epsg is None and header.epsg != own:
            raise UserError(f"{name} is in EPSG:{header.epsg}, {names[0].split(': ')[1]} in EPSG:{own}")
    return own, dict(zip(files, found, strict=True))


def _frame(header: Header, shift: float) -> Frame:
    return Frame(header.transform[2], header.transform[5] + shift, header.transform[0], header.shape)


def _groups(scene: Scene, headers: dict[str, Header], shift: float) -> list[Group]:
    """Bands that share a grid together, the finest grid first."""
    members: dict[Frame, list[Layer]] = {}
    for layer in scene.layers:
        members.setdefault(_frame(headers[layer.href], shift), []).append(layer)
    groups = []
    for frame, layers in sorted(members.items(), key=lambda entry: entry[0].pixel_m):
        addresses = list(dict.fromkeys(layer.href for layer in layers))
        layers.sort(key=lambda layer: addresses.index(layer.href))
        bands = [Band(x.name, x.concept, x.response, x.gsd_m or frame.pixel_m, frame.pixel_m) for x in layers]
        encodings = [_encoding(x, headers[x.href], f"item {scene.item}: asset {x.asset}") for x in layers]
        files = []
        for href in addresses:
            mine = [layer for layer in layers if layer.href == href]
            name = f"item {scene.item}: asset {mine[0].asset}"
            files.append(RowFile(href, name, headers[href], [layer.index for layer in mine]))
        groups.append(Group(BandSet(scene.platform, tuple(bands)), frame, tuple(files), tuple(encodings)))
    return groups


def _encoding(layer: Layer, header: Header, name: str) -> tuple[float, float, float | None]:
    """Scale, offset and nodata of a band, of the file where the item does not say.

    Raises:
        UserError: the band is not in the file, or integers have no scale anywhere.
    """
    if layer.index > len(header.dtypes):
        raise UserError(f"{name}: it has {len(header.dtypes)} bands, the item describes more")
    scale, offset, nodata = layer.scale, layer.offset, layer.nodata
    if scale is None:
        scale, file_offset = header.scales[layer.index - 1], header.offsets[layer.index - 1]
        offset = file_offset if offset is None else offset
        if scale == 1 and not header.dtypes[layer.index - 1].startswith("float"):
            raise UserError(f"{name}: raster:scale is missing, and its pixels are integers")
    return scale, offset or 0.0, header.nodata if nodata is None else nodata
