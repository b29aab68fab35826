"""Reading native pixels of many chips from many files with dask threads.

One task per file: it is opened once, every internal tile that is wanted is decoded once (`plan`), and the pixels go
straight into the arrays of the store. At most one file is open per thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyband.chips.encoding import Array, shift_stored
from anyband.chips.grid import Affine6, Footprint, chip_window
from anyband.chips.plan import plan_reads
from anyband.runtime import UserError

CACHE_MB = 64
"""GDAL block cache. Every tile is decoded once, so a larger cache holds only what is never asked for again."""


@dataclass(frozen=True)
class RasterJob:
    """One single-band file, and where the pixels of the chips go.

    Attributes:
        item, asset: names for messages.
        href: unsigned address or path.
        epsg: CRS of the file (HLS files carry one that has no EPSG code, so it is told).
        footprints: one per chip.
        pixels: (chip, y, x), filled with nodata beforehand, in the file's data type.
        offset_m: (chip, 2) float32, receives the (dx, dy) of each chip's pixels.
        nodata: value that `shift` leaves alone.
        shift: added to every other pixel.
    """

    item: str
    asset: str
    href: str
    epsg: int
    footprints: Sequence[Footprint]
    pixels: Array
    offset_m: Array
    nodata: int
    shift: int = 0

    def fail(self, reason: str) -> UserError:
        """An error of one line that names the item and the asset."""
        return UserError(f"item {self.item}, asset {self.asset}: {reason}")


def read_all(
    jobs: Sequence[RasterJob], threads: int, options: Mapping[str, Any], sign: Callable[[str], str] = str
) -> None:
    """Run all jobs on `threads` threads; the first failure ends the run.

    Args:
        jobs: what to read; their arrays are filled in place.
        threads: files read at the same time.
        options: GDAL configuration (time-outs, retries).
        sign: turns an unsigned address into one that can be opened, at the moment of reading.

    Raises:
        UserError: a file that is missing, damaged, not an image, or not on the grid that was announced.
    """
    import rasterio
    from dask.base import compute
    from dask.delayed import delayed

    # Options set in the main thread hold for all threads of the process.
    with rasterio.Env(**{**options, "GDAL_CACHEMAX": CACHE_MB}):
        tasks = [delayed(_read_file)(job, sign, pure=False) for job in jobs]
        compute(*tasks, scheduler="threads", num_workers=threads, optimize_graph=False)  # type: ignore[no-untyped-call]


def _read_file(job: RasterJob, sign: Callable[[str], str]) -> None:
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.windows import Window as RasterWindow

    try:
        source = rasterio.open(sign(job.href))
    except RasterioError as error:
        raise job.fail(_why_not_opened(str(error), job.href)) from None
    with source:
        if source.count != 1 or source.dtypes[0] != job.pixels.dtype.name:
            raise job.fail(f"{source.count} band(s) of {source.dtypes[0]}, expected one of {job.pixels.dtype}")
        transform: Affine6 = tuple(source.transform)[:6]
        try:
            windows = [chip_window(footprint, job.epsg, transform) for footprint in job.footprints]
        except UserError as error:
            raise job.fail(str(error)) from None
        if windows[0].size != job.pixels.shape[-1]:
            expected = job.footprints[0].side_m / job.pixels.shape[-1]
            raise job.fail(f"pixels of {transform[0]:g} m, expected {expected:g} m")
        job.offset_m[:] = [(window.dx, window.dy) for window in windows]
        for read in plan_reads(windows, source.shape, source.block_shapes[0]):
            try:
                block = source.read(1, window=RasterWindow(read.col, read.row, read.width, read.height))
            except RasterioError as error:
                cause = " ".join(str(error.__cause__ or error).split("?")[0].split())[:160]
                raise job.fail(f"damaged or truncated file, fetch it again ({cause})") from None
            for p in read.pieces:
                rows, cols = slice(p.source_row, p.source_row + p.height), slice(p.source_col, p.source_col + p.width)
                job.pixels[p.chip, p.target_row : p.target_row + p.height, p.target_col : p.target_col + p.width] = (
                    block[rows, cols]
                )
    shift_stored(job.pixels, job.shift, job.nodata)


def _why_not_opened(message: str, href: str) -> str:
    """A short reason without the address's signature."""
    plain = href.split("?")[0]
    if "404" in message or "No such file" in message or "does not exist" in message:
        return f"{plain} does not exist: search the catalogue again, or drop the item"
    if "not recognized" in message:
        return f"{plain} is not an image (an HTML login page, or an expired token?): check the access to it"
    return f"{plain} cannot be opened ({' '.join(message.split())[:200].split('?')[0]})"
