"""A small chip store with made-up pixels, for tests of everything downstream of extraction."""

from pathlib import Path

import numpy as np

from anyband.products import PRODUCTS
from whole_store import BandStack, QualityStack, SiteChips, write_store

BANDS: dict[str, dict[int, tuple[str, ...]]] = {
    "sentinel2": {
        10: ("B02", "B03", "B04", "B08"),
        20: ("B05", "B06", "B07", "B8A", "B11", "B12"),
        60: ("B01", "B09"),
    },
    "landsat": {30: ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")},
    "hls_s30": {30: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")},
    "hls_l30": {30: ("B01", "B02", "B03", "B04", "B05", "B06", "B07")},
}
PLATFORMS = {
    "sentinel2": ("sentinel-2a", "sentinel-2b"),
    "landsat": ("landsat-9", "landsat-8"),
    "hls_s30": ("sentinel-2a", "sentinel-2b"),
    "hls_l30": ("landsat-9", "landsat-8"),
}
QUALITY = {"sentinel2": ("SCL", 20), "landsat": ("qa_pixel", 30), "hls_s30": ("Fmask", 30), "hls_l30": ("Fmask", 30)}
ANGLES = {  # as the catalogues have them: Sentinel-2 without its view, HLS without the height of the sun
    "sentinel2": {"sun_zenith": 40.0, "sun_azimuth": 150.0, "view_zenith": None},
    "landsat": {"sun_zenith": 42.5, "sun_azimuth": 145.0, "view_zenith": 0.0},
    "hls_s30": {"sun_zenith": None, "sun_azimuth": 150.0, "view_zenith": None},
    "hls_l30": {"sun_zenith": None, "sun_azimuth": 145.0, "view_zenith": None},
}
CODES = np.array([10, 20, 30, 40, 50, 60, 80, 90], np.uint8)


def fabricate_store(
    path: Path,
    n_chips: int,
    seed: int,
    *,
    site: str | None = None,
    corner: tuple[float, float] = (600_000.0, 5_200_020.0),
    epsg: int = 32632,
    codes: np.ndarray = CODES,
    chip_m: int = 960,
) -> Path:
    """Write `n_chips` chips of two dates at `path` ("{site}.zarr") and return it.

    Labels are smooth patches of `codes`; every band has one level per class plus noise, so a model can learn them.
    About a tenth of the ground is cloudy, some pixels are nodata. Chips fill a 4 x 4 square from `corner` downwards,
    then start again with the next date. Platforms alternate by date.
    """
    random = np.random.default_rng(seed)
    size = chip_m // 10
    field = random.random((n_chips, size // 24, size // 24))
    label = codes[(field * len(codes)).astype(int)].repeat(24, axis=1).repeat(24, axis=2)
    label[:, :2, :3] = 0  # a corner that the label product does not cover
    cloudy = random.random((n_chips, size // 24, size // 24)) < 0.1
    clear = (~cloudy).repeat(24, axis=1).repeat(24, axis=2).astype(np.uint8)
    content = SiteChips(
        site=site or Path(path).stem,
        dataset="main",
        epsg=epsg,
        chip_m=chip_m,
        chips=_chips(site or Path(path).stem, n_chips, corner, epsg, chip_m, clear),
        dropped=[{"pair": 0, "row": 3, "col": 3, "reason": "cloudy", "clear_joint": 0.1}],
        simulated=None,
        label=label,
        clear=clear,
        stacks=[s for product in BANDS for s in _stacks(product, label, random)],
        qualities=[_quality(product, clear) for product in BANDS],
    )
    write_store(Path(path), content)
    return Path(path)


def _chips(
    site: str, count: int, corner: tuple[float, float], epsg: int, chip_m: int, clear: np.ndarray
) -> list[dict[str, object]]:
    chips = []
    for index in range(count):
        pair, cell = divmod(index, 16)
        row, col = divmod(cell, 4)
        chips.append(
            {
                "chip": f"{site}-{pair}-r{row}c{col}",
                "pair": pair,
                "row": row,
                "col": col,
                "x0": corner[0] + col * chip_m,
                "y0": corner[1] - row * chip_m,
                "epsg": epsg,
                "clear_joint": float(clear[index].mean()),
                "items": {product: f"{site}-{product}-{pair}" for product in (*BANDS, "label")},
                "platforms": {product: names[pair % 2] for product, names in PLATFORMS.items()},
                "datetimes": {product: f"2022-0{1 + pair % 9}-10T10:30:00+00:00" for product in BANDS},
                "angles_deg": {product: ANGLES[product] for product in BANDS},
            }
        )
    return chips


def _stacks(product: str, label: np.ndarray, random: np.random.Generator) -> list[BandStack]:
    encoding = PRODUCTS[product].encoding
    stacks = []
    for pixel_m, bands in BANDS[product].items():
        factor = pixel_m // 10
        count, height, width = label.shape
        coarse = label.reshape(count, height // factor, factor, width // factor, factor)[:, :, 0, :, 0].astype(int)
        values = np.empty((count, len(bands), *coarse.shape[1:]), encoding.dtype)
        for band in range(len(bands)):
            levels = np.random.default_rng(band).uniform(0.03, 0.5, 256)
            noisy = levels[coarse] + random.normal(0, 0.02, coarse.shape)
            values[:, band] = np.round((noisy - encoding.offset) / encoding.scale).astype(encoding.dtype)
        values[:, :, -1, -1] = encoding.nodata
        shift = 15.0 if product == "landsat" else 0.0
        stacks.append(BandStack(product, pixel_m, bands, values, np.full((count, 2), shift, np.float32)))
    return stacks


def _quality(product: str, clear: np.ndarray) -> QualityStack:
    layer, pixel_m = QUALITY[product]
    factor = pixel_m // 10
    coarse = np.ascontiguousarray(clear[:, ::factor, ::factor])
    raw = np.where(coarse == 1, 4, 9).astype(np.uint8)
    offset = np.full((len(clear), 2), 15.0 if product == "landsat" else 0.0, np.float32)
    return QualityStack(product, pixel_m, layer, raw, coarse, offset)


def fabricate_dataset(
    folder: Path, sites: dict[str, str], n_chips: int = 4, seed: int = 0, codes: np.ndarray = CODES
) -> tuple[Path, Path]:
    """Stores of several sites, 60 km apart, and their table of splits.

    Args:
        folder: receives `{site}.zarr` and `main.csv`.
        sites: split ("train", "val", "test") of every site; each site is its own block.

    Returns:
        The two arguments that `load_split` starts with: folder of the stores, table of splits.
    """
    lines = ["site,chip,block,split,x,y,epsg"]
    for number, (site, split) in enumerate(sites.items()):
        corner = (300_000.0 + 60_000 * number, 5_200_020.0)
        fabricate_store(folder / f"{site}.zarr", n_chips, seed + number, corner=corner, codes=codes)
        for index in range(n_chips):
            pair, cell = divmod(index, 16)
            row, col = divmod(cell, 4)
            x, y = corner[0] + 960 * col + 480, corner[1] - 960 * row - 480
            lines.append(f"{site},{site}-{pair}-r{row}c{col},32632:{number},{split},{x},{y},32632")
    table = folder / "main.csv"
    table.write_text("\n".join(lines) + "\n")
    return folder, table
