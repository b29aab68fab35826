"""`anyband harmonise`: an acquisition as another sensor would have seen it."""

from pathlib import Path

import numpy as np

from anyband.apply.common_extent import Bounds, common_area, open_scenes
from anyband.apply.harmonisers.converter import Converter, Task, converter, target_sensor
from anyband.apply.predict import mapped, tags_of
from anyband.apply.tiling import Area
from anyband.ground import LATTICE_M
from anyband.raster.cog import Form, writing
from anyband.runtime import UserError, set_threads, visible_cores

SCALE, NODATA = 1e-4, -9999
"""Stored as HLS is: reflectance = DN * 0.0001 in 16 bits."""


def harmonise_item(
    place: str,
    to: str,
    out: Path,
    method: str = "bandpass",
    run: Path | None = None,
    resampling: str = "cubic",
    bbox: Bounds | None = None,
) -> Area:
    """Predict the pixels of a sensor from an item of another one, on the finest grid of what it predicts.

    Args:
        place: file or address of the STAC item.
        to: platform of the registry of sensors.
        out: GeoTIFF with a band for every predicted band.
        method: of the converter.
        run: folder of a trained run, for converters that need one.
        resampling: "cubic" or "linear".
        bbox: west, south, east, north in degrees, None for the whole scene.

    Raises:
        UserError: naming the item and asset, or what the converter cannot do.
    """
    if resampling not in ("cubic", "linear"):
        raise UserError(f"--resampling {resampling!r} does not exist; known: cubic, linear")
    target = target_sensor(to)
    (scene,) = open_scenes([place])
    source = tuple(band for group in scene.groups for band in group.bands)
    task = Task(source, scene.scene.platform, scene.product, target, run, resampling)
    convert = converter(method, task)
    pixel_m = min(band.pixel_m for band in convert.bands)
    area = common_area([scene], min(pixel_m, LATTICE_M), bbox)
    set_threads(visible_cores())
    tags = tags_of([scene]) | {"platform": target.platform, "predicted_by": f"anyband harmonise --method {method}"}
    with writing(out, area, _form(convert, tags)) as write:
        for rows in mapped([scene], area, convert, len(convert.bands)):
            stored = np.clip(np.rint(rows.values / SCALE), NODATA + 1, np.iinfo(np.int16).max)
            write(rows.start, np.where(rows.seen, stored, NODATA).astype(np.int16))
    return area


def _form(convert: Converter, tags: dict[str, str]) -> Form:
    return Form(
        dtype="int16",
        nodata=NODATA,
        names=tuple(band.name for band in convert.bands),
        scale=SCALE,
        tags=tags,
        band_tags=tuple(
            {
                "center_wavelength": f"{band.response.centre_nm / 1000:.4f}",
                "full_width_half_max": f"{band.response.fwhm_nm / 1000:.4f}",
            }
            for band in convert.bands
        ),
    )
