"""The chip store: one zarr v3 group per site, written whole under a temporary name and renamed.

Layout (`chip` is the first dimension of every array)::

    /                   label, clear (chip, y, x) on the 10 m grid; x0, y0 (chip) corners; spatial_ref; attributes
    /{product}/{m}m     values (chip, band, y, x), offset_m (chip, 2), x, y
    /{product}/qa       values, clear (chip, y, x), offset_m (chip, 2), x, y

Chunks hold one chip, shards up to 64. Root attributes name every chip (position, source items, platforms), every
chip that was dropped and why; `complete` is written last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.encoding import ENCODINGS, LABEL_NAMES, LABEL_NODATA, LABEL_PIXEL_M, TITLES, Array
from anyband.runtime import UserError, atomic_path

SHARD_CHIPS = 64


@dataclass(frozen=True)
class BandStack:
    """Bands of one product on one grid.

    Attributes:
        values: (chip, band, y, x) integers in the product's store encoding.
        offset_m: (chip, 2) float32, (dx, dy) metres of the corner from the chip's, x right, y down.
    """

    product: str
    pixel_m: int
    bands: tuple[str, ...]
    values: Array
    offset_m: Array


@dataclass(frozen=True)
class QualityStack:
    """Quality layer of one product: `values` as delivered and `clear` uint8 (0, 1), both (chip, y, x)."""

    product: str
    pixel_m: int
    layer: str
    values: Array
    clear: Array
    offset_m: Array


@dataclass(frozen=True)
class SiteChips:
    """All chips of one site; `label` and `clear` are (chip, y, x) uint8 on the 10 m grid.

    `chips` and `dropped` hold one JSON object a chip, `chips` in the order of the arrays.
    """

    site: str
    dataset: str
    epsg: int
    chip_m: int
    chips: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    simulated: str | None
    label: Array
    clear: Array
    stacks: Sequence[BandStack]
    qualities: Sequence[QualityStack] = field(default_factory=tuple)


def write_store(path: Path, content: SiteChips) -> None:
    """Write the store; a failure at any point, a full disk included, leaves what was at `path` before.

    Raises:
        UserError: arrays that disagree on the number of chips, or a full disk.
    """
    _check(content)
    try:
        with atomic_path(Path(path)) as temporary:
            _write(temporary, content)
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise UserError(f"no space left on the disk for {path}: free some and run again") from None
        raise


def _check(content: SiteChips) -> None:
    count = len(content.chips)
    arrays = {"label": content.label, "clear": content.clear}
    arrays |= {f"{s.product}/{s.pixel_m}m": s.values for s in content.stacks}
    arrays |= {f"{q.product}/qa": q.values for q in content.qualities}
    for name, array in arrays.items():
        if len(array) != count:
            raise UserError(f"{content.site}: {name} holds {len(array)} chips, the list names {count}")
    for stack in content.stacks:
        if stack.values.dtype != ENCODINGS[stack.product].dtype:
            raise UserError(f"{content.site}: {stack.product} is {stack.values.dtype}, not in its store encoding")


def _write(path: Path, content: SiteChips) -> None:
    import zarr

    root = zarr.open_group(path, mode="w", zarr_format=3)
    _write_root(root, content)
    for stack in content.stacks:
        _write_bands(root.create_group(f"{stack.product}/{stack.pixel_m}m"), stack)
    for quality in content.qualities:
        _write_quality(root.create_group(f"{quality.product}/qa"), quality)
    root.attrs["complete"] = True


def _write_root(root: Any, content: SiteChips) -> None:
    root.attrs.update(
        {
            "Conventions": "CF-1.11",
            "title": f"anyband chips of site {content.site}, dataset {content.dataset}",
            "site": content.site,
            "dataset": content.dataset,
            "epsg": content.epsg,
            "chip_m": content.chip_m,
            "chips": content.chips,
            "dropped": content.dropped,
            "simulated": content.simulated,
        }
    )
    names = dict(sorted(LABEL_NAMES.items()))
    label_attributes = {
        "long_name": "land cover, ESA WorldCover legend",
        "_FillValue": LABEL_NODATA,
        "flag_values": list(names),
        "flag_meanings": " ".join(names.values()),
        "grid_mapping": "spatial_ref",
    }
    clear_attributes = {
        "long_name": "clear in all optical products of the pair",
        "flag_values": [0, 1],
        "flag_meanings": "not_jointly_clear jointly_clear",
        "grid_mapping": "spatial_ref",
    }
    put_chips(root, "label", content.label, ("chip", "y", "x"), label_attributes, fill=LABEL_NODATA)
    put_chips(root, "clear", content.clear, ("chip", "y", "x"), clear_attributes)
    for name, axis in (("x0", "easting"), ("y0", "northing")):
        corners = np.array([chip[name] for chip in content.chips], np.float64)
        _put(root, name, corners, ("chip",), {"long_name": f"{axis} of the chip's upper-left corner", "units": "m"})
    _put_axes(root, content.label.shape[-1], LABEL_PIXEL_M)
    _put(root, "spatial_ref", np.array(0, np.int32), (), crs_attributes(content.epsg))


def crs_attributes(epsg: int) -> dict[str, Any]:
    """CF grid-mapping attributes of a CRS, with its WKT."""
    from pyproj import CRS

    crs = CRS.from_epsg(epsg)
    return {"crs_wkt": crs.to_wkt(), "grid_mapping_name": "transverse_mercator", "epsg": epsg, "long_name": crs.name}


def _write_bands(group: Any, stack: BandStack) -> None:
    encoding = ENCODINGS[stack.product]
    group.attrs.update({"bands": list(stack.bands), "product": stack.product, "pixel_m": stack.pixel_m})
    attributes = {
        "long_name": f"surface reflectance, {TITLES[stack.product]}: {', '.join(stack.bands)}",
        "standard_name": "surface_bidirectional_reflectance",
        "units": "1",
        "scale_factor": encoding.scale,
        "add_offset": encoding.offset,
        "_FillValue": encoding.nodata,
    }
    put_chips(group, "values", stack.values, ("chip", "band", "y", "x"), attributes, fill=encoding.nodata)
    _put_position(group, stack.offset_m, stack.values.shape[-1], stack.pixel_m)


def _write_quality(group: Any, quality: QualityStack) -> None:
    group.attrs.update({"product": quality.product, "pixel_m": quality.pixel_m, "layer": quality.layer})
    raw = {"long_name": f"{quality.layer} of {TITLES[quality.product]}, as delivered"}
    clear = {"long_name": f"clear by {quality.layer}", "flag_values": [0, 1], "flag_meanings": "not_clear clear"}
    put_chips(group, "values", quality.values, ("chip", "y", "x"), raw)
    put_chips(group, "clear", quality.clear, ("chip", "y", "x"), clear)
    _put_position(group, quality.offset_m, quality.values.shape[-1], quality.pixel_m)


def _put_position(group: Any, offset_m: Array, size: int, pixel_m: int) -> None:
    attributes = {
        "long_name": "ground offset (dx right, dy down) of the first pixel's corner from the chip's upper-left corner",
        "units": "m",
    }
    _put(group, "offset_m", offset_m.astype(np.float32), ("chip", "axis"), attributes)
    _put_axes(group, size, pixel_m)


def _put_axes(group: Any, size: int, pixel_m: int) -> None:
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(pixel_m)
    for name, direction in (("x", "right of"), ("y", "below")):
        attributes = {"long_name": f"pixel centre, metres {direction} the first pixel's corner", "units": "m"}
        _put(group, name, centres, (name,), attributes)


def put_chips(
    group: Any, name: str, array: Array, dims: tuple[str, ...], attributes: Mapping[str, Any], fill: int = 0
) -> None:
    """Write an array chip by chunk and up to 64 chips by shard, in one aligned assignment.

    Chunks that hold nothing but the fill value are written too: an absent chunk always means damage.
    """
    from zarr.codecs import BloscCodec

    count = len(array)
    target = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=(1, *array.shape[1:]),
        shards=(min(max(count, 1), SHARD_CHIPS), *array.shape[1:]),
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        fill_value=fill,
        dimension_names=dims,
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
    if count:
        target[...] = array


def _put(group: Any, name: str, array: Array, dims: tuple[str, ...], attributes: Mapping[str, Any]) -> None:
    chunks = tuple(max(size, 1) for size in array.shape)
    target = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks,
        compressors=None,
        dimension_names=dims,
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
    if array.size:
        target[...] = array
