"""All chips of a site from its pairs of scenes: judged first, then the bands of those that are kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anyband.catalog.access import gdal_env, sign
from anyband.catalog.acquisition import Acquisition
from anyband.chips.encoding import ENCODINGS, LABEL_PIXEL_M, Array
from anyband.chips.grid import utm_epsg
from anyband.chips.judge import Candidate, Pair, Site, judge_chips, quality_asset
from anyband.chips.read import RasterJob, read_all
from anyband.chips.store import BandStack, QualityStack, SiteChips
from anyband.runtime import UserError


def extract_site(site: Site, pairs: Sequence[Pair]) -> SiteChips:
    """Read the chips of a site; a site without pairs gives a store without chips.

    Raises:
        UserError: a file that cannot be read, or a label without any class at the site.
    """
    candidates = judge_chips(site, pairs)
    reasons = [candidate.reason_to_drop(site.chip_min_clear) for candidate in candidates]
    kept = [candidate for candidate, reason in zip(candidates, reasons, strict=True) if reason is None]
    simulated = {a.simulated for pair in pairs for a in pair.optical.values() if a.simulated}
    size = site.chip_m // LABEL_PIXEL_M
    return SiteChips(
        site=site.name,
        dataset=site.dataset,
        epsg=pairs[0].epsg if pairs else utm_epsg(site.longitude, site.latitude),
        chip_m=site.chip_m,
        chips=[_entry(site.name, candidate) for candidate in kept],
        dropped=[
            _entry(site.name, candidate) | {"reason": reason}
            for candidate, reason in zip(candidates, reasons, strict=True)
            if reason is not None
        ],
        simulated=", ".join(sorted(simulated)) or None,
        label=_stack_fine([candidate.label for candidate in kept], size),
        clear=_stack_fine([candidate.joint for candidate in kept], size),
        stacks=_read_bands(kept, site),
        qualities=_quality_stacks(kept),
    )


def _entry(site: str, candidate: Candidate) -> dict[str, Any]:
    """What the store says about a chip."""
    pair, footprint = candidate.pair, candidate.footprint
    return {
        "chip": f"{site}-{pair.number}-r{footprint.row}c{footprint.col}",
        "pair": pair.number,
        "row": footprint.row,
        "col": footprint.col,
        "x0": footprint.x0,
        "y0": footprint.y0,
        "epsg": footprint.epsg,
        "clear_joint": round(candidate.clear_joint, 4),
        "items": {p: a.item_id for p, a in pair.optical.items()} | {"label": str(pair.label["id"])},
        "platforms": {product: a.platform for product, a in pair.optical.items()},
        "datetimes": {product: a.datetime.isoformat() for product, a in pair.optical.items()},
    }


def _stack_fine(rasters: Sequence[Array], size: int) -> Array:
    return np.array(rasters, np.uint8).reshape(-1, size, size)


def _read_bands(kept: Sequence[Candidate], site: Site) -> list[BandStack]:
    """Bands of all kept chips, one stack per product and pixel size; all files of all pairs in one run."""
    stacks: dict[tuple[str, int], BandStack] = {}
    placed: list[tuple[BandStack, slice, RasterJob]] = []
    for chips in _slices_by_pair(kept):
        for acquisition in kept[chips.start].pair.optical.values():
            for pixel_m, names in _grids(acquisition).items():
                key = acquisition.product, pixel_m
                if key not in stacks:
                    stacks[key] = _empty_stack(*key, names, len(kept), site.chip_m)
                for band, name in enumerate(names):
                    job = _band_job(acquisition, name, kept[chips], stacks[key].values[chips, band])
                    placed.append((stacks[key], chips, job))
    read_all([job for _, _, job in placed], site.threads, gdal_env(), sign)
    _set_offsets(placed)
    return list(stacks.values())


def _slices_by_pair(kept: Sequence[Candidate]) -> list[slice]:
    """Where the chips of each pair lie; chips of a pair are neighbours."""
    numbers = [candidate.pair.number for candidate in kept]
    starts = [i for i, number in enumerate(numbers) if i == 0 or number != numbers[i - 1]]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(numbers)], strict=False)]


def _grids(acquisition: Acquisition) -> dict[int, tuple[str, ...]]:
    """Band names by pixel size, finest first."""
    sizes = sorted({round(asset.pixel_m) for asset in acquisition.bands.values()})
    return {m: tuple(n for n, asset in acquisition.bands.items() if round(asset.pixel_m) == m) for m in sizes}


def _empty_stack(product: str, pixel_m: int, names: tuple[str, ...], count: int, chip_m: int) -> BandStack:
    encoding, size = ENCODINGS[product], chip_m // pixel_m
    values = np.full((count, len(names), size, size), encoding.nodata, encoding.dtype)
    return BandStack(product, pixel_m, names, values, np.zeros((count, 2), np.float32))


def _band_job(acquisition: Acquisition, name: str, members: Sequence[Candidate], pixels: Array) -> RasterJob:
    """Read of one band into its place in the stack, in the store's encoding."""
    asset, encoding = acquisition.bands[name], ENCODINGS[acquisition.product]
    delivered = (asset.scale, asset.offset - asset.store_shift * asset.scale, asset.nodata)
    if not np.allclose(delivered, (encoding.scale, encoding.offset, encoding.nodata), rtol=1e-9, atol=1e-12):
        raise UserError(
            f"item {acquisition.item_id}, asset {name}: scale, offset and nodata {delivered} are not those of the store"
        )
    return RasterJob(
        item=acquisition.item_id,
        asset=name,
        href=asset.href,
        epsg=acquisition.epsg,
        footprints=[candidate.footprint for candidate in members],
        pixels=pixels,
        offset_m=np.zeros((len(members), 2), np.float32),
        nodata=asset.nodata,
        shift=asset.store_shift,
    )


def _set_offsets(placed: Sequence[tuple[BandStack, slice, RasterJob]]) -> None:
    """Put the files' offsets into the stacks; the bands of one acquisition and pixel size must share one grid."""
    first: dict[tuple[str, int, int], RasterJob] = {}
    for stack, chips, job in placed:
        reference = first.setdefault((stack.product, stack.pixel_m, chips.start), job)
        if not np.array_equal(reference.offset_m, job.offset_m):
            raise job.fail(f"lies on another grid than {reference.asset}: drop the item")
        stack.offset_m[chips] = job.offset_m


def _quality_stacks(kept: Sequence[Candidate]) -> list[QualityStack]:
    stacks = []
    for acquisition in kept[0].pair.optical.values() if kept else ():
        layer = quality_asset(acquisition)
        found = [candidate.quality[acquisition.product] for candidate in kept]
        stacks.append(
            QualityStack(
                product=acquisition.product,
                pixel_m=round(layer.pixel_m),
                layer=layer.asset,
                values=np.stack([quality.values for quality in found]),
                clear=np.stack([quality.clear for quality in found]).astype(np.uint8),
                offset_m=np.stack([quality.offset_m for quality in found]),
            )
        )
    return stacks
