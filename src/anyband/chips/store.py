"""The chip store: one zarr v3 group per site, written shard by shard under a temporary name, renamed when it is whole.

Layout (`chip` is the first dimension of every array)::

    /                   label, clear (chip, y, x) on the 10 m grid; x0, y0 (chip) corners; spatial_ref; attributes
    /{product}          attributes: where the pixels of every pair are from, with scale and offset of every band
    /{product}/{m}m     values (chip, band, y, x), offset_m, window (chip, 2), checksum (chip), x, y
    /{product}/qa       values, clear (chip, y, x), offset_m, window (chip, 2), x, y

Root attributes list every chip (name, pair, position), every chip that was dropped and why, and the pairs by number
(source items, platforms, times, and `angles_deg`: zenith and azimuth of the sun and zenith of the view in degrees,
null where the item does not say; stores made before lack it, as if no item said any); `complete` is written last.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.shards import Appender, create_chips, keep_chips, put
from anyband.ground import Array
from anyband.landcover import LABEL_PIXEL_M, NAMES, NO_LABEL
from anyband.products import PRODUCTS
from anyband.runtime import UserError, atomic_path

LAYOUT = 3
"""Version of the layout above, kept in the root attributes."""

PART_CHIPS = 256
"""Chips that are read at once, whole shards of 64: some tens of MB."""


@contextmanager
def new_store(path: Path, chip_m: int, capacity: int) -> Iterator["StoreWriter"]:
    """A store to be filled; a failure at any point, a full disk included, leaves what was at `path` before.

    Args:
        path: the store.
        chip_m: side of a chip, m.
        capacity: the most chips that it may come to hold.
    """
    with atomic_path(Path(path)) as temporary:
        yield StoreWriter(temporary, chip_m, capacity)


class StoreWriter:
    """A store that is being filled: quality and labels chip after chip, then bands shard by shard, then the rest.

    Attributes:
        path: where it is until it is whole.
        chip_m: side of a chip, m.
    """

    def __init__(self, path: Path, chip_m: int, capacity: int) -> None:
        """Begin a store at `path`; see `new_store`."""
        import zarr

        self.path, self.chip_m, self._capacity = path, chip_m, capacity
        self._root: Any = zarr.open_group(self.path, mode="w", zarr_format=3)
        self._ends: dict[str, Appender] = {}
        size = chip_m // LABEL_PIXEL_M
        label, clear = label_attributes(), clear_attributes()
        self._extend("label", (size, size), np.uint8, label, NO_LABEL)
        self._extend("clear", (size, size), np.uint8, clear)

    def _extend(
        self, name: str, shape: tuple[int, int], dtype: Any, attributes: Mapping[str, Any], fill: int = 0
    ) -> None:
        dims = ("chip", "y", "x")
        array = create_chips(self._root, name, (0, *shape), dtype, dims, attributes, fill, self._capacity)
        self._ends[name] = Appender(array)

    def add_quality(self, product: str, pixel_m: int, layer: str, dtype: Any) -> None:
        """Make room for the quality layer of a product."""
        group = self._root.create_group(f"{product}/qa")
        group.attrs.update({"product": product, "pixel_m": pixel_m, "layer": layer})
        raw = {"long_name": f"{layer} of {PRODUCTS[product].title}, as delivered"}
        clear = {"long_name": f"clear by {layer}", "flag_values": [0, 1], "flag_meanings": "not_clear clear"}
        size = self.chip_m // pixel_m
        self._extend(f"{product}/qa/values", (size, size), dtype, raw)
        self._extend(f"{product}/qa/clear", (size, size), np.uint8, clear)

    def append(self, values: Mapping[str, Array]) -> None:
        """Add chips to the end of arrays by name: label, clear, `{product}/qa/values`, `{product}/qa/clear`."""
        for name, more in values.items():
            self._ends[name].add(more)

    def close_quality(self) -> None:
        """Write the last chips that were appended."""
        for end in self._ends.values():
            end.close()

    def add_bands(self, product: str, pixel_m: int, bands: Sequence[str], count: int) -> str:
        """Make room for the bands of `count` chips; returns their group's name."""
        encoding, size = PRODUCTS[product].encoding, self.chip_m // pixel_m
        group = self._root.create_group(f"{product}/{pixel_m}m")
        group.attrs.update({"bands": list(bands), "product": product, "pixel_m": pixel_m})
        attributes = {
            "long_name": f"surface reflectance, {PRODUCTS[product].title}: {', '.join(bands)}",
            "standard_name": "surface_bidirectional_reflectance",
            "units": "1",
            "scale_factor": encoding.scale,
            "add_offset": encoding.offset,
            "_FillValue": encoding.nodata,
        }
        shape, dims = (count, len(bands), size, size), ("chip", "band", "y", "x")
        create_chips(group, "values", shape, encoding.dtype, dims, attributes, int(encoding.nodata))
        return f"{product}/{pixel_m}m"

    def place(self, name: str, offset_m: Array, window: Array | None = None, checksum: Array | None = None) -> None:
        """Say where the pixels of the group `name` are: (chip, 2) metres, (chip, 2) row and column, (chip,) CRC-32C."""
        group = self._root[name]
        size = group["values"].shape[-1]
        offset = "ground offset (dx right, dy down) of the first pixel's corner from the chip's upper-left corner"
        put(group, "offset_m", offset_m.astype(np.float32), ("chip", "axis"), {"long_name": offset, "units": "m"})
        if window is not None:
            source = {"long_name": "row and column of the chip's first pixel in the source files"}
            put(group, "window", window.astype(np.int32), ("chip", "rowcol"), source)
        if checksum is not None:
            put(group, "checksum", checksum, ("chip",), {"long_name": "CRC-32C of the chip's integers, little endian"})
        _put_axes(group, size, int(group.attrs["pixel_m"]))

    def keep(self, kept: Sequence[int]) -> None:
        """Leave out all chips but these positions from what was written so far."""
        keep_chips(self._root, self.path, kept)

    def finish(self, attributes: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
        """Write root attributes, the attribute `sources` by product, and the chips' corners: the store is whole."""
        import zarr

        title = f"anyband chips of site {attributes['site']}, dataset {attributes['dataset']}"
        known = {"Conventions": "CF-1.11", "title": title, "layout": LAYOUT, "chip_m": self.chip_m}
        whole = known | dict(attributes) | {"complete": True}
        for product, source in sources.items():
            self._root[product].attrs["sources"] = source
        chips = attributes["chips"]
        for name, axis in (("x0", "easting"), ("y0", "northing")):
            corners = np.array([chip[name] for chip in chips], np.float64)
            words = {"long_name": f"{axis} of the chip's upper-left corner", "units": "m"}
            put(self._root, name, corners, ("chip",), words)
        _put_axes(self._root, self.chip_m // LABEL_PIXEL_M, LABEL_PIXEL_M)
        put(self._root, "spatial_ref", np.array(0, np.int32), (), crs_attributes(attributes["epsg"]))
        # Once and on one line: with indents, Python needs kilobytes for each of the chips that are listed.
        with zarr.config.set({"json_indent": None}):
            self._root.attrs.update(whole)


def label_attributes() -> dict[str, Any]:
    """CF attributes of the label."""
    names = dict(sorted(NAMES.items()))
    return {
        "long_name": "land cover, ESA WorldCover legend",
        "_FillValue": NO_LABEL,
        "flag_values": list(names),
        "flag_meanings": " ".join(names.values()),
        "grid_mapping": "spatial_ref",
    }


def clear_attributes() -> dict[str, Any]:
    """CF attributes of the joint clearness."""
    return {
        "long_name": "clear in all optical products of the pair",
        "flag_values": [0, 1],
        "flag_meanings": "not_jointly_clear jointly_clear",
        "grid_mapping": "spatial_ref",
    }


def crs_attributes(epsg: int) -> dict[str, Any]:
    """CF grid-mapping attributes of a CRS, with its WKT."""
    from pyproj import CRS

    if not epsg:
        return {"long_name": "no coordinates: metres within each image"}
    crs = CRS.from_epsg(epsg)
    return {"crs_wkt": crs.to_wkt(), "grid_mapping_name": "transverse_mercator", "epsg": epsg, "long_name": crs.name}


def _put_axes(group: Any, size: int, pixel_m: int) -> None:
    centres = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(pixel_m)
    for name, direction in (("x", "right of"), ("y", "below")):
        attributes = {"long_name": f"pixel centre, metres {direction} the first pixel's corner", "units": "m"}
        put(group, name, centres, (name,), attributes)


def open_site(path: Path) -> Any:
    """Open the zarr group of a site's chip store for reading.

    Raises:
        UserError: no store there, one that was not finished, or one of another layout.
    """
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError):
        raise UserError(f"{path} is not a chip store: run the extract step again") from None
    if group.attrs.get("complete") is not True:
        raise UserError(f"{path} is not complete: delete it and run the extract step again")
    if group.attrs.get("layout") != LAYOUT:
        found = group.attrs.get("layout", "an earlier version")
        raise UserError(f"{path} has the layout of {found}, not {LAYOUT}: delete it and run the extract step again")
    return group


def chip_entries(group: Any) -> list[dict[str, Any]]:
    """What an open store says about each of its chips, that of their pairs with it, in the order of the arrays.

    Keys: chip (name), pair, row, col, x0, y0 (m), clear_joint; the pair's epsg; items, platforms, datetimes and
    angles_deg by product.
    """
    pairs = group.attrs["pairs"]
    return [pairs[str(entry["pair"])] | entry for entry in group.attrs["chips"]]


def read_array(group: Any, name: str, chips: Sequence[int] | Array | None = None) -> Array:
    """All of an array, or its entries `chips` along the first axis, in the stored integer type.

    Raises:
        UserError: the array is missing or damaged, naming the store.
    """
    values = _read(group, name, slice(None))
    return values if chips is None else values[np.asarray(chips, np.int64)]


Parts = Iterator[tuple[Array, Array]]
"""Pieces of an array over chips: positions (n,) and the values (n, ...) there."""


def read_parts(group: Any, name: str, chips: Array | None = None) -> Parts:
    """The entries `chips` (all by default) of an array, some hundreds at a time.

    Yields:
        Positions (n,) in `chips`, and the values (n, ...) there.

    Raises:
        UserError: the array is missing or damaged, naming the store.
    """
    chosen = np.arange(len(group.attrs["chips"])) if chips is None else chips
    part = chosen // PART_CHIPS
    for number in np.unique(part):
        where = np.flatnonzero(part == number)
        values = _read(group, name, slice(number * PART_CHIPS, (number + 1) * PART_CHIPS))
        yield where, values[chosen[where] - number * PART_CHIPS]


def _read(group: Any, name: str, entries: slice) -> Array:
    try:
        return np.asarray(group[name][entries])
    except (KeyError, ValueError, RuntimeError) as error:
        where = f"{group.attrs.get('site')}.zarr"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{where}: array {name} is missing or damaged ({reason}): run extract again") from None


def band_groups(group: Any, product: str) -> list[tuple[int, tuple[str, ...]]]:
    """Pixel size in m and band names of every band group of `product` in a store, finest first.

    Raises:
        UserError: the store has no such product.
    """
    if product not in group:
        raise UserError(f"{group.attrs.get('site')}.zarr holds no product {product!r}: extract it first")
    members = {name: child for name, child in group[product].groups() if name != "qa"}
    return sorted((int(child.attrs["pixel_m"]), tuple(child.attrs["bands"])) for child in members.values())
