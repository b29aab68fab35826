"""Cloud-optimised GeoTIFFs written in strips: plain rows on disk first, then GDAL's COG driver."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.apply.tiling import Area
from anyband.runtime import atomic_path, check_disk, remove

BLOCK = 512
CACHE_MB = 32
Write = Callable[[int, NDArray[Any]], None]
"""Writes rows (bands, rows, width) from a row on."""


@dataclass(frozen=True)
class Form:
    """What a file holds besides pixels.

    Attributes:
        dtype, nodata: of the pixels.
        names: of the bands.
        scale, offset: physical value = pixel * `scale` + `offset`, of all bands.
        tags: of the file.
        band_tags: of each band.
        colours: red, green, blue of the values of a single band.
        overviews: how they are made.
    """

    dtype: str
    nodata: int
    names: Sequence[str]
    scale: float = 1.0
    offset: float = 0.0
    tags: Mapping[str, str] = field(default_factory=dict)
    band_tags: Sequence[Mapping[str, str]] = ()
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    overviews: str = "average"


@contextmanager
def writing(path: Path, area: Area, form: Form) -> Iterator[Write]:
    """Give what writes the rows of an area; the file is there when all went well, and otherwise not.

    Rows that are not written are nodata.

    Raises:
        UserError: too little space on the disk.
    """
    import rasterio
    from rasterio.shutil import copy
    from rasterio.windows import Window

    check_disk(path, 2 * len(form.names) * area.height * area.width * np.dtype(form.dtype).itemsize)
    with atomic_path(path) as finished, rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        # The suffix lets the sweep of `atomic_path` find what a killed run left.
        rows = finished.with_name(f".{path.name}.rows.{finished.name.split('.')[-2]}.partial")
        try:
            with rasterio.open(rows, "w", **_profile(area, form)) as target:
                _describe(target, form)

                def write(start: int, pixels: NDArray[Any]) -> None:
                    target.write(pixels, window=Window(0, start, area.width, pixels.shape[1]))

                yield write
            copy(
                rows,
                finished,
                driver="COG",
                COMPRESS="DEFLATE",
                PREDICTOR="YES" if len(form.names) > 1 else "NO",
                BLOCKSIZE=BLOCK,
                BIGTIFF="IF_SAFER",
                OVERVIEW_RESAMPLING=form.overviews.upper(),
                NUM_THREADS="ALL_CPUS",
            )
        finally:
            remove(rows)


def _profile(area: Area, form: Form) -> dict[str, Any]:
    from rasterio.transform import from_origin

    return {
        "driver": "GTiff",
        "count": len(form.names),
        "dtype": form.dtype,
        "nodata": form.nodata,
        "height": area.height,
        "width": area.width,
        "crs": f"EPSG:{area.epsg}",
        "transform": from_origin(area.left, area.top, area.pixel_m, area.pixel_m),
        "interleave": "band",
        "bigtiff": "IF_SAFER",
    }


def _describe(target: Any, form: Form) -> None:
    target.update_tags(**form.tags)
    for number, name in enumerate(form.names, start=1):
        target.set_band_description(number, name)
        if form.band_tags:
            target.update_tags(number, **form.band_tags[number - 1])
    if (form.scale, form.offset) != (1.0, 0.0):
        target.scales, target.offsets = [form.scale] * len(form.names), [form.offset] * len(form.names)
    if form.colours:
        target.write_colormap(1, {value: (*colour, 255) for value, colour in form.colours.items()})
