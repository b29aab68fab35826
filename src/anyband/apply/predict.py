"""`anyband predict`: maps of classes and of their probabilities."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from torch import Tensor

from anyband import __version__
from anyband.apply.bands_file import read_items
from anyband.apply.strips import OpenItem, open_items, reader, seen_by_any
from anyband.apply.tiling import Bounds, Compute, Lattice, Rows, map_grid, map_rows
from anyband.landcover import LAND_COVER, NO_LABEL
from anyband.models.core.method import Method
from anyband.models.core.storage import Recipe, load
from anyband.observation import Observation, QueryGrid
from anyband.raster.write import CogContent, writing_cog
from anyband.runtime import UserError, check_output, progress, set_threads, visible_cores

LEVELS = 250
"""Probability = stored / 250: steps of 0.4 %, with room for nodata above."""
NO_PROBABILITY = 255
RUN_FILES = (".json", ".safetensors", ".csv", ".npz")


def predict_items(
    places: Sequence[str],
    run: Path,
    out: Path,
    probabilities: Path | None = None,
    pixel_m: float = 10.0,
    bbox: Bounds | None = None,
    bands: Path | None = None,
    ignore_mask: bool = False,
) -> GeoBox:
    """Map items with a trained run into `out`, and probabilities of all classes into `probabilities`.

    Args:
        places: files or addresses of STAC items that all overlap; their acquisitions are fused by the model.
        run: folder of the trained run.
        out: GeoTIFF of class codes, 0 where nothing was seen.
        probabilities: GeoTIFF of a band per class, None for no such file.
        pixel_m: of the maps.
        bbox: west, south, east, north in degrees, None for all ground that all items cover.
        bands: YAML file that describes local GeoTIFFs; `places` then are these files.
        ignore_mask: map what lies under a mask whose values are not known, which is an error otherwise.

    Returns:
        Pixels of the maps.

    Raises:
        UserError: naming the item and asset, or what the run cannot take.
    """
    check_output("--out", out, [])
    if probabilities is not None:
        check_output("--probabilities", probabilities, [])
        if probabilities.resolve() == out.resolve():
            raise UserError(f"--probabilities {probabilities} is --out too: name another file")
    recipe, method = load(run)
    items = open_items(read_items(places, bands, ignore_mask))
    inputs = inputs_of(items, places, bands, run)
    check_output("--out", out, inputs)
    if probabilities is not None:
        check_output("--probabilities", probabilities, [*inputs, out])
    check_accepts(run, recipe, method, items)
    grid = map_grid([(one.item.id, one.grid) for one in items], pixel_m, bbox)
    set_threads(visible_cores())
    tags = tags_of(items) | {"model": recipe.model, "method": recipe.method, "seed": str(recipe.seed)}
    codes = np.asarray(recipe.classes, np.uint8)
    with ExitStack() as files:
        write = files.enter_context(writing_cog(out, grid, _class_content(recipe, tags)))
        more = probabilities and files.enter_context(
            writing_cog(probabilities, grid, _probability_content(recipe, tags))
        )
        for rows in mapped(items, grid, probabilities_of(method), len(codes)):
            best = codes[rows.values.argmax(axis=0)]
            write(rows.start, np.where(rows.seen, best, NO_LABEL)[None])
            if more:
                levels = np.rint(rows.values * LEVELS).astype(np.uint8)
                more(rows.start, np.where(rows.seen, levels, NO_PROBABILITY).astype(np.uint8))
    return grid


def mapped(items: Sequence[OpenItem], grid: GeoBox, compute: Compute, channels: int) -> Iterator[Rows]:
    """Rows of a map of items, with a progress bar; see `map_rows`."""
    lattice = Lattice.of(grid)
    for item in items:
        item.crop(grid.boundingbox.left - lattice.tile_m, grid.boundingbox.right + lattice.tile_m)
    steps = -(-grid.height * grid.affine.a // lattice.step_m)
    rows = map_rows(grid, lattice, reader(items, lattice), compute, channels)
    yield from progress(rows, "mapping", total=int(steps) + 1)
    for item in items:
        item.watch.check()


def probabilities_of(method: Method) -> Compute:
    """Probabilities of the classes, which hold where an acquisition saw the ground."""

    def compute(observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        return method(observation, query).softmax(dim=1), seen_by_any(observation, query)

    return compute


def check_accepts(run: Path, recipe: Recipe, method: Method, items: Sequence[OpenItem]) -> None:
    """Make sure that a model looks at all items.

    Raises:
        UserError: naming the first item that it cannot take.
    """
    used = method.usable(frozenset(one.product for one in items))
    for one in items:
        if one.product not in used:
            takes = " and ".join(sorted(method.training_products))
            raise UserError(
                f"item {one.item.id}: {run} ({recipe.method}) cannot take {one.product}, it takes one item of "
                f"{takes}; anyband takes any"
            )


def inputs_of(items: Sequence[OpenItem], places: Sequence[str], bands: Path | None, run: Path | None) -> list[Path]:
    """Files on this machine that a map is made from; none of them may be replaced by it."""
    names = [*places, *(name for one in items for name in one.addresses)]
    trained = [path for path in run.iterdir() if path.suffix in RUN_FILES] if run is not None else []
    return [*(Path(name) for name in names if "://" not in name), *trained, *([bands] if bands else [])]


def tags_of(items: Sequence[OpenItem]) -> dict[str, str]:
    """What every file says of its origin."""
    return {"items": " ".join(one.item.id for one in items), "TIFFTAG_SOFTWARE": f"anyband {__version__}"}


def class_name(code: int) -> str:
    """Name of a class; codes outside of WorldCover's have none of their own."""
    return LAND_COVER[code].name if code in LAND_COVER else f"class_{code}"


def _class_content(recipe: Recipe, tags: dict[str, str]) -> CogContent:
    names = {f"class_{code}": class_name(code) for code in recipe.classes}
    return CogContent(
        dtype="uint8",
        nodata=NO_LABEL,
        names=("class",),
        tags=tags | names,
        colours={code: LAND_COVER[code].colour for code in recipe.classes if code in LAND_COVER},
        overviews="mode",
    )


def _probability_content(recipe: Recipe, tags: dict[str, str]) -> CogContent:
    return CogContent(
        dtype="uint8",
        nodata=NO_PROBABILITY,
        names=tuple(class_name(code) for code in recipe.classes),
        scale=1 / LEVELS,
        tags=tags,
        band_tags=tuple({"class": str(code)} for code in recipe.classes),
    )
