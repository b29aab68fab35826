"""A chip store for a person: an xarray tree with lazy dask arrays, names, units, coordinates and CRS."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anyband.chips.store import band_groups, chip_entries, open_site
from anyband.ground import Array
from anyband.products import OPTICAL, PRODUCTS, Encoding

if TYPE_CHECKING:
    import xarray

CHUNK_CHIPS = 64
"""Chips of a dask chunk: a whole shard of the store, some tens of MB."""


def open_chips(path: Path | str, *, decode: bool = True) -> "xarray.DataTree":
    """Open the chip store of a site; pixels are read when they are asked for.

    Nodes, all with the dimension and coordinate `chip` (names):

    * `label`: `label` (chip, y, x) uint8 codes, 0 without one, and `clear` (chip, y, x), clear in all products;
    * `{product}/{pixel}m`: `reflectance` (chip, band, y, x) float32, unit 1, NaN without data;
    * `{product}/qa`: `quality` (chip, y, x) as delivered, and `clear` (chip, y, x).

    Coordinates: `band` (names), `wavelength` (band) nm, `pair`, `item` (id), `platform` and `time` (chip), `easting`
    (chip, x) and `northing` (chip, y) of the pixels' centres in metres. They are in the CRS of the chips,
    `spatial_ref`, also where the files of a product count their northings from another origin.

    Args:
        path: `results/chips/{dataset}/{site}.zarr`.
        decode: False for the stored integers, with `scale_factor`, `add_offset` and `_FillValue` as attributes.

    Raises:
        UserError: no store there, one that was not finished, or one of another layout.
    """
    import xarray

    store = open_site(Path(path))
    entries = chip_entries(store)
    facts = {name: store.attrs[name] for name in ("site", "dataset", "epsg", "chip_m", "simulated")}
    nodes = {"/": xarray.Dataset(coords=dict(_chip_coordinates(entries)), attrs=facts)}
    nodes["label"] = _node(store, "", entries).assign(_lazy(store, label="label", clear="clear"))
    for product in (name for name in OPTICAL if name in store):
        for pixel_m, bands in band_groups(store, product):
            name = f"{product}/{pixel_m}m"
            nodes[name] = _band_node(store, name, entries, product, bands, decode)
        name = f"{product}/qa"
        layers = _lazy(store[name], quality="values", clear="clear")
        nodes[name] = _node(store, name, entries, product).assign(layers)
    return xarray.DataTree.from_dict(nodes, name=str(store.attrs["site"]))


def _lazy(group: Any, **names: str) -> dict[str, "xarray.DataArray"]:
    """Arrays over chips of a group of the store, by the names that they are to have."""
    import dask.array
    import xarray

    found = {}
    for name, stored in names.items():
        array = group[stored]
        pixels = dask.array.from_array(array, chunks=(CHUNK_CHIPS, *array.shape[1:]))  # type: ignore[no-untyped-call]
        attributes = array.attrs.asdict() | {"grid_mapping": "spatial_ref"}
        found[name] = xarray.DataArray(pixels, dims=array.metadata.dimension_names, attrs=attributes)
    return found


def _node(store: Any, name: str, entries: Sequence[Mapping[str, Any]], product: str = "") -> "xarray.Dataset":
    """Coordinates of one group of the store, of the label's grid without a name."""
    import xarray

    group = store[name] if name else store
    x0, y0 = (np.array([entry[corner] for entry in entries], float)[:, None] for corner in ("x0", "y0"))
    right, down = group["offset_m"][:].T[..., None] if name else (0, 0)
    x, y = (group[axis][:].astype(float) for axis in ("x", "y"))
    words = {axis: {"long_name": f"{axis} of the pixels' centres", "units": "m"} for axis in ("easting", "northing")}
    ground = {
        "item": ("chip", [str(entry["items"].get(product or "label", "")) for entry in entries]),
        "easting": (("chip", "x"), x0 + right + x, words["easting"]),
        "northing": (("chip", "y"), y0 - down - y, words["northing"]),
        "spatial_ref": ((), 0, store["spatial_ref"].attrs.asdict()),
    }
    return xarray.Dataset(coords=dict(_chip_coordinates(entries, product)) | ground, attrs=group.attrs.asdict())


def _chip_coordinates(entries: Sequence[Mapping[str, Any]], product: str = "") -> Iterator[tuple[str, Any]]:
    """Names of the chips and their pairs; satellite and time of a product."""
    yield "chip", ("chip", [entry["chip"] for entry in entries])
    yield "pair", ("chip", [entry["pair"] for entry in entries])
    if product:
        yield "platform", ("chip", [str(entry["platforms"].get(product, "")) for entry in entries])
        times = [entry["datetimes"].get(product, "NaT").removesuffix("+00:00") for entry in entries]
        yield "time", ("chip", np.array(times, "datetime64[ns]"), {"long_name": "time of the acquisition, UTC"})


def _band_node(
    store: Any, name: str, entries: Sequence[Mapping[str, Any]], product: str, bands: Sequence[str], decode: bool
) -> "xarray.Dataset":
    """A group of bands as reflectance, with their names and wavelengths."""
    import xarray

    from anyband.sensors import get_sensor

    pixels, encoding = _lazy(store[name], reflectance="values")["reflectance"], PRODUCTS[product].encoding
    if decode:
        packing = ("scale_factor", "add_offset", "_FillValue")
        kept = {word: value for word, value in pixels.attrs.items() if word not in packing}
        work = partial(_reflectance, encoding)
        values = xarray.apply_ufunc(work, pixels, dask="parallelized", output_dtypes=[np.float32])
        pixels = values.drop_attrs().assign_attrs(kept)
    node = _node(store, name, entries, product).assign(reflectance=pixels).assign_coords(band=list(bands))
    platform = next((str(entry["platforms"][product]) for entry in entries if product in entry["platforms"]), None)
    if platform is None:
        return node
    sensor = get_sensor(platform, product)
    centres = [sensor.band(band).response.centre_nm for band in bands]
    words = {"long_name": f"centre of the response of {platform}", "units": "nm"}
    return node.assign_coords(wavelength=("band", centres, words))


def _reflectance(encoding: Encoding, stored: Array) -> Array:
    values = encoding.physical(stored)
    values[~encoding.valid(stored)] = np.nan
    return values
