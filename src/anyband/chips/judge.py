"""Which chips of a site are kept: quality layers and labels are read and judged before any band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anyband.catalog.access import gdal_env, sign
from anyband.catalog.acquisition import Acquisition, QualityAsset
from anyband.catalog.qa import DECODERS, FILL
from anyband.chips.encoding import LABEL_PIXEL_M, Array
from anyband.chips.grid import Footprint, project, sample_nearest, site_footprints
from anyband.chips.label import read_labels
from anyband.chips.read import RasterJob, read_all
from anyband.runtime import UserError

JOINT = ("sentinel2", "landsat")
"""Products that must both be clear for a pixel to count."""

LABEL_ASSET = "map"

_QA_DTYPES = {"scl": "uint8", "qa_pixel": "uint16", "fmask": "uint8"}


@dataclass(frozen=True)
class Pair:
    """One match of scenes: its number, the acquisition of every optical product, and the raw label item."""

    number: int
    optical: Mapping[str, Acquisition]
    label: Mapping[str, Any]

    @property
    def epsg(self) -> int:
        """CRS of the chips: that of the Sentinel-2 scene."""
        return self.optical["sentinel2"].epsg


@dataclass(frozen=True)
class Site:
    """Where and how chips are cut: degrees, metres, least jointly clear share of a chip, threads of the reads."""

    name: str
    dataset: str
    longitude: float
    latitude: float
    extent_m: int
    chip_m: int
    chip_min_clear: float
    threads: int


@dataclass(frozen=True)
class Quality:
    """Quality layer of one product on its own grid, for one chip: `values`, `clear` (y, x), `offset_m` (2,)."""

    values: Array
    clear: Array
    offset_m: Array


@dataclass(frozen=True)
class Candidate:
    """One chip of one pair: quality by product; `joint` (bool) and `label` (uint8) on the 10 m grid."""

    pair: Pair
    footprint: Footprint
    quality: Mapping[str, Quality]
    joint: Array
    label: Array

    @property
    def clear_joint(self) -> float:
        """Share of the chip that is clear in both Sentinel-2 and Landsat."""
        return float(self.joint.mean())

    def reason_to_drop(self, least_clear: float) -> str | None:
        """Why the chip is left out, None to keep it."""
        if self.clear_joint < least_clear:
            for product in JOINT:
                fill = FILL[quality_asset(self.pair.optical[product]).decoder]
                if float((self.quality[product].values == fill).mean()) > 1 - least_clear:
                    return f"outside the {product} scene"
            return "cloud"
        return None if self.label.any() else "no label"


def quality_asset(acquisition: Acquisition) -> QualityAsset:
    """The quality layer of an optical acquisition.

    Raises:
        UserError: it has none.
    """
    if acquisition.qa is None:
        raise UserError(f"item {acquisition.item_id}: no quality layer, so nothing is known to be clear")
    return acquisition.qa


def judge_chips(site: Site, pairs: Sequence[Pair]) -> list[Candidate]:
    """All chips of all pairs with quality and label, in the order of the pairs, row by row.

    Raises:
        UserError: a file that cannot be read, or a label without any class at the site.
    """
    footprints = {
        epsg: site_footprints(project(site.longitude, site.latitude, epsg), epsg, site.extent_m, site.chip_m)
        for epsg in sorted({pair.epsg for pair in pairs})
    }
    jobs = [
        {product: _quality_job(a, footprints[pair.epsg], site.chip_m) for product, a in pair.optical.items()}
        for pair in pairs
    ]
    read_all([job for group in jobs for job in group.values()], site.threads, gdal_env(), sign)
    labels = _labels(site, pairs, footprints)
    return [
        candidate
        for pair, group in zip(pairs, jobs, strict=True)
        for candidate in _candidates(pair, footprints[pair.epsg], group, labels[_label_key(pair)], site.chip_m)
    ]


def _quality_job(acquisition: Acquisition, footprints: Sequence[Footprint], chip_m: int) -> RasterJob:
    layer = quality_asset(acquisition)
    fill, size = FILL[layer.decoder], round(chip_m / layer.pixel_m)
    return RasterJob(
        item=acquisition.item_id,
        asset=layer.asset,
        href=layer.href,
        epsg=acquisition.epsg,
        footprints=footprints,
        pixels=np.full((len(footprints), size, size), fill, _QA_DTYPES[layer.decoder]),
        offset_m=np.zeros((len(footprints), 2), np.float32),
        nodata=fill,
    )


def _candidates(
    pair: Pair, footprints: Sequence[Footprint], jobs: Mapping[str, RasterJob], labels: Array, chip_m: int
) -> list[Candidate]:
    """Decode what was read of one pair."""
    clear = {
        product: DECODERS[quality_asset(pair.optical[product]).decoder](job.pixels) for product, job in jobs.items()
    }
    size = chip_m // LABEL_PIXEL_M
    joint = np.ones((len(footprints), size, size), bool)
    for product in JOINT:
        pixel_m = chip_m / clear[product].shape[-1]
        corner = np.zeros_like(jobs[product].offset_m)
        joint &= sample_nearest(clear[product], pixel_m, jobs[product].offset_m, LABEL_PIXEL_M, corner, size)
    return [
        Candidate(
            pair=pair,
            footprint=footprint,
            quality={p: Quality(job.pixels[i], clear[p][i], job.offset_m[i]) for p, job in jobs.items()},
            joint=joint[i],
            label=labels[i],
        )
        for i, footprint in enumerate(footprints)
    ]


def _label_key(pair: Pair) -> tuple[str, int]:
    return str(pair.label["id"]), pair.epsg


def _labels(
    site: Site, pairs: Sequence[Pair], footprints: Mapping[int, Sequence[Footprint]]
) -> dict[tuple[str, int], Array]:
    """Labels (chip, y, x) by label item and CRS: one read each, for all dates share the ground."""
    labels = {}
    for pair in pairs:
        key = _label_key(pair)
        if key in labels:
            continue
        described = pair.label["assets"][LABEL_ASSET]
        item = dict(pair.label) | {"assets": {LABEL_ASSET: described | {"href": sign(described["href"])}}}
        labels[key] = read_labels(item, LABEL_ASSET, footprints[pair.epsg], site.threads, gdal_env())
        if not labels[key].any():
            raise UserError(
                f"item {key[0]}, asset {LABEL_ASSET}: no class at site {site.name}: choose another site or label"
            )
    return labels
