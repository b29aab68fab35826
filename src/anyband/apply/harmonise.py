"""`anyband harmonise`: an acquisition as another sensor would have seen it."""

from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from anyband.apply.bands_file import read_items
from anyband.apply.harmonisers import Harmoniser, HarmoniseTask, harmoniser, target_sensor
from anyband.apply.predict import inputs_of, mapped, tags_of
from anyband.apply.strips import open_items
from anyband.apply.tiling import Bounds, map_grid
from anyband.ground import LATTICE_M
from anyband.raster.write import CogContent, writing_cog
from anyband.runtime import UserError, check_output, set_threads, visible_cores

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
    bands: Path | None = None,
    ignore_mask: bool = False,
) -> GeoBox:
    """Predict the pixels of a sensor from an item of another one, on the finest grid of what it predicts.

    Args:
        place: file or address of the STAC item.
        to: platform of the registry of sensors.
        out: GeoTIFF with a band for every predicted band.
        method: of the registry of harmonisers.
        run: folder of a trained run, for methods that need one.
        resampling: "cubic" or "linear".
        bbox: west, south, east, north in degrees, None for the whole item.
        bands: YAML file that describes a local GeoTIFF; `place` then is this file.
        ignore_mask: predict under a mask whose values are not known too.

    Raises:
        UserError: naming the item and asset, or what the method cannot do.
    """
    if resampling not in ("cubic", "linear"):
        raise UserError(f"--resampling {resampling!r} does not exist; known: cubic, linear")
    check_output("--out", out, [])
    target = target_sensor(to)
    items = open_items(read_items([place], bands, ignore_mask))
    check_output("--out", out, inputs_of(items, [place], bands, run))
    item = items[0].item
    source = tuple(band for group in items[0].groups for band in group.bands)
    convert = harmoniser(method, HarmoniseTask(source, item.platform, item.product, target, run, resampling))
    pixel_m = min(LATTICE_M, *(band.pixel_m for band in convert.bands))
    grid = map_grid([(item.id, items[0].grid)], pixel_m, bbox)
    set_threads(visible_cores())
    tags = tags_of(items) | {"platform": target.platform, "predicted_by": f"anyband harmonise --method {method}"}
    with writing_cog(out, grid, _content(convert, tags)) as write:
        for rows in mapped(items, grid, convert, len(convert.bands)):
            stored = np.clip(np.rint(rows.values / SCALE), NODATA + 1, np.iinfo(np.int16).max)
            write(rows.start, np.where(rows.seen, stored, NODATA).astype(np.int16))
    return grid


def _content(convert: Harmoniser, tags: dict[str, str]) -> CogContent:
    return CogContent(
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
