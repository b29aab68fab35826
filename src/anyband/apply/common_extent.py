"""Several acquisitions together: opened in one CRS, where they all lie, and their tiles as observations."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from anyband.apply.open_scene import READERS, OpenScene
from anyband.apply.read_item import read_item
from anyband.apply.scene_of_item import read_scene
from anyband.apply.strips import CLOSE
from anyband.apply.tiling import Area, Cut, Lattice, Read
from anyband.ground import LATTICE_M
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import UserError

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def open_scenes(places: Sequence[str]) -> list[OpenScene]:
    """Read the items of files and addresses, and the headers of all their files.

    A second acquisition of a product gets a name of its own ("sentinel2 2"), or models would take both for one.

    Raises:
        UserError: naming item and asset: unreadable, not described, or in another CRS than the first one.
    """
    pool, opened, count = ThreadPoolExecutor(READERS), list[OpenScene](), dict[str, int]()
    for place in places:
        scene = read_scene(read_item(place))
        number = count[scene.product] = count.get(scene.product, 0) + 1
        product = scene.product if number == 1 else f"{scene.product} {number}"
        opened.append(OpenScene(scene, product, opened[0].epsg if opened else None, pool))
    return opened


def common_area(scenes: Sequence[OpenScene], pixel_m: float, bbox: Bounds | None) -> Area:
    """Pixels of `pixel_m` that lie in all scenes and, in part at least, in the box.

    Args:
        scenes: in one CRS.
        pixel_m: of the map; must divide the 60 m to which tiles keep.
        bbox: west, south, east, north in degrees, everything for None.

    Raises:
        UserError: `pixel_m` does not fit, or nothing is common to all.
    """
    epsg, lattice = scenes[0].epsg, Lattice.of(scenes[0].epsg)
    if not 0 < pixel_m <= LATTICE_M or abs(LATTICE_M / pixel_m - round(LATTICE_M / pixel_m)) > CLOSE:
        raise UserError(f"--gsd {pixel_m:g}: pixels must divide {LATTICE_M} m (10, 15, 20, 30 or 60, say)")
    common = scenes[0].finest.frame.bounds
    for scene in scenes:
        common = _intersection(common, scene.finest.frame.bounds)
        if not _has_area(common):
            raise UserError(f"item {scene.scene.item} does not overlap with the ones before it")
    # Pixels wholly inside the scenes, but all that the box touches.
    left, bottom, right, top = _pixels(common, lattice, pixel_m, inwards=True)
    if bbox is not None:
        wanted = _pixels(_projected(bbox, epsg), lattice, pixel_m, inwards=False)
        left, bottom, right, top = _intersection((left, bottom, right, top), wanted)
    if not _has_area((left, bottom, right, top)):
        raise UserError("--bbox does not overlap with the items (west south east north, in degrees)")
    corner = lattice.x + left * pixel_m, lattice.y + top * pixel_m
    return Area(epsg, *corner, pixel_m, int(top - bottom), int(right - left))


def _pixels(bounds: Bounds, lattice: Lattice, pixel_m: float, *, inwards: bool) -> Bounds:
    """Bounds in whole pixels from the lattice's corner."""
    left, bottom, right, top = (
        (value - origin) / pixel_m for value, origin in zip(bounds, (lattice.x, lattice.y) * 2, strict=True)
    )
    low, high, close = (math.ceil, math.floor, CLOSE) if inwards else (math.floor, math.ceil, 0.0)
    return low(left - close), low(bottom - close), high(right + close), high(top + close)


def _intersection(one: Bounds, other: Bounds) -> Bounds:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _has_area(bounds: Bounds) -> bool:
    return bounds[0] < bounds[2] and bounds[1] < bounds[3]


def _projected(bbox: Bounds, epsg: int) -> Bounds:
    """A box of degrees in metres; across the antimeridian west is greater than east."""
    from pyproj import Transformer

    west, south, east, north = bbox
    if not (-90 <= south < north <= 90 and abs(west) <= 180 and abs(east) <= 180):
        raise UserError(f"--bbox {west:g} {south:g} {east:g} {north:g} is not west south east north in degrees")
    bounds: Bounds = Transformer.from_crs(4326, epsg, always_xy=True).transform_bounds(*bbox)
    return bounds


def reader(scenes: Sequence[OpenScene], lattice: Lattice) -> Read:
    """What `map_rows` reads tiles with."""

    def read(top: float) -> Cut:
        strips = [(scene, strip) for scene in scenes for strip in scene.strips(top, lattice)]
        size = [strip.group.frame.size(lattice) for _, strip in strips]

        def cut(lefts: Sequence[float]) -> Observation:
            pairs = zip(strips, size, strict=True)
            return Observation(
                tuple(strip.cut(lefts, top, n, scene.product, scene.scene.facts) for (scene, strip), n in pairs)
            )

        return cut

    return read


def seen_by_any(observation: Observation, query: QueryGrid) -> Tensor:
    """Where at least one acquisition saw the ground at a query pixel's centre, on its finest grid, (B, H, W) bool."""
    found = [_seen(observation.of(product)[0], query) for product in sorted(observation.products)]
    return torch.stack(found).any(dim=0)


def _seen(group: BandGroup, query: QueryGrid) -> Tensor:
    valid = group.valid.any(dim=1)
    dx, dy = group.offset_m.double().unbind(1)
    rows, columns = (
        (((torch.arange(count) + 0.5) * query.pixel_m - offset[:, None]) / group.pixel_m + CLOSE).floor().long()
        for count, offset in ((query.height, dy), (query.width, dx))
    )
    height, width = valid.shape[1:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    samples = torch.arange(len(valid))[:, None, None]
    return valid[samples, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]] & inside
