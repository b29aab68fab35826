"""Native pixels from real files, and one clear line for every kind of broken file."""

import numpy as np
import pytest

from anyband.chips.grid import chip_window, site_footprints
from anyband.chips.read import RasterJob, read_all
from anyband.runtime import UserError
from rasters import CORNER, write_raster

CHIPS = site_footprints((CORNER[0] + 960, CORNER[1] - 960), 32632, 1_920, 960)
EDGE = 120  # metres of ground around the chips in the test files


def make_job(href, dtype="uint16", size=32, **options):
    pixels = np.zeros((len(CHIPS), size, size), dtype)
    offsets = np.zeros((len(CHIPS), 2), np.float32)
    return RasterJob("item-1", "nir08", str(href), 32632, CHIPS, pixels, offsets, 0, **options)


def corner(shift=0.0):
    return CORNER[0] - EDGE + shift, CORNER[1] + EDGE - shift


def plain_windows(path):
    import rasterio
    from rasterio.windows import Window

    with rasterio.open(path) as source:
        found = [chip_window(chip, 32632, tuple(source.transform)[:6]) for chip in CHIPS]
        return np.stack([source.read(1, window=Window(w.col, w.row, w.size, w.size)) for w in found])


def stackstac_windows(path, pixel_m, offset):
    import rasterio
    import stackstac

    with rasterio.open(path) as source:
        shape, transform = source.shape, tuple(source.transform)[:6]
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "item-1",
        "geometry": None,
        "bbox": [0, 0, 1, 1],
        "properties": {
            "datetime": "2022-01-01T00:00:00Z",
            "proj:epsg": 32632,
            "proj:shape": shape,
            "proj:transform": transform,
        },
        "assets": {"nir08": {"href": str(path)}},
    }
    chips = []
    for chip in CHIPS:
        left, top = chip.x0 + offset, chip.y0 - offset
        stack = stackstac.stack(
            [item],
            assets=["nir08"],
            epsg=32632,
            bounds=(left, top - 960, left + 960, top),
            resolution=pixel_m,
            snap_bounds=False,
            dtype=np.dtype("uint16"),
            fill_value=np.uint16(0),
            rescale=False,
            xy_coords=False,
            properties=False,
            band_coords=False,
            errors_as_nodata=(),
        )
        chips.append(stack.data.compute(scheduler="synchronous")[0, 0])
    return np.stack(chips)


@pytest.mark.parametrize(("pixel_m", "shift"), [(10, 0), (20, 0), (60, 0), (30, 0), (30, 15)])
def test_three_readers_agree_bit_by_bit(tmp_path, random, pixel_m, shift):
    """Ours, stackstac and plain rasterio windows, also on the half-pixel Landsat grid."""
    side = (1_920 + 2 * EDGE) // pixel_m
    pixels = random.integers(1, 65_535, (side, side)).astype(np.uint16)
    path = write_raster(tmp_path / "a.tif", pixels, corner(shift), pixel_m)
    job = make_job(path, size=960 // pixel_m)
    read_all([job], 2, {})
    assert np.array_equal(job.pixels, plain_windows(path))
    assert np.array_equal(job.pixels, stackstac_windows(path, pixel_m, shift))
    assert (job.offset_m == shift).all()
    assert (job.pixels > 0).all()


def test_many_files_on_several_threads(tmp_path, random):
    jobs, expected = [], []
    for number in range(6):
        pixels = random.integers(1, 65_535, (72, 72)).astype(np.uint16)
        path = write_raster(tmp_path / f"{number}.tif", pixels, corner(15), 30)
        jobs.append(make_job(path))
        expected.append(plain_windows(path))
    read_all(jobs, 3, {})
    assert all(np.array_equal(job.pixels, pixels) for job, pixels in zip(jobs, expected, strict=True))


def test_shift_is_exact_and_leaves_nodata_alone(tmp_path):
    """Sentinel-2 of baselines before 04.00 gets the +1000 of the later ones; nodata + 1000 would be a reflectance."""
    pixels = np.full((72, 72), 7, np.uint16)
    pixels[:40] = 0
    pixels[-1:] = 65_000
    path = write_raster(tmp_path / "a.tif", pixels, corner(), 30)
    job = make_job(path, shift=1_000)
    read_all([job], 1, {})
    assert set(np.unique(job.pixels)) == {0, 1_007}


def test_ground_outside_the_file_stays_nodata(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((40, 40), np.uint16), corner(), 30)
    job = make_job(path)
    read_all([job], 1, {})
    assert job.pixels[0].all() and not job.pixels[3][4:, 4:].any()


def test_truncated_file_names_item_and_asset(tmp_path, random):
    pixels = random.integers(0, 65_535, (200, 200)).astype(np.uint16)
    path = write_raster(tmp_path / "a.tif", pixels, corner(), 10)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(UserError, match=r"item item-1, asset nir08: .*(truncated|cannot be opened)") as error:
        read_all([make_job(path, size=96)], 1, {})
    assert "\n" not in str(error.value)


def test_missing_file_names_item_and_asset(tmp_path):
    with pytest.raises(UserError, match=r"item item-1, asset nir08: .* does not exist") as error:
        read_all([make_job(tmp_path / "none.tif")], 1, {})
    assert "\n" not in str(error.value)


def test_login_page_is_not_taken_for_an_image(tmp_path):
    (tmp_path / "a.tif").write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    with pytest.raises(UserError, match=r"item item-1, asset nir08: .* is not an image"):
        read_all([make_job(tmp_path / "a.tif")], 1, {})


def test_signature_of_an_address_is_not_printed(tmp_path):
    with pytest.raises(UserError) as error:
        read_all([make_job(tmp_path / "none.tif")], 1, {}, lambda href: f"{href}?sig=secret")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("size", "dtype", "words"), [(96, "uint16", "expected 10 m"), (32, "int16", "expected one of")]
)
def test_file_that_is_not_what_was_announced(tmp_path, size, dtype, words):
    path = write_raster(tmp_path / "a.tif", np.ones((72, 72), np.uint16), corner(), 30)
    with pytest.raises(UserError, match=words):
        read_all([make_job(path, size=size, dtype=dtype)], 1, {})


def test_real_landsat_lies_half_a_pixel_off_the_sentinel2_grid(realdata):
    """Real files of one place: the Sentinel-2 corner sets the chips, Landsat its 15 m, pixels stay as delivered."""
    import rasterio
    from rasterio.windows import from_bounds

    sentinel2 = next((realdata / "alberta-pair/sentinel2").glob("*B04_60m.tif"))
    landsat = next((realdata / "alberta-pair/landsat8").glob("*B4.tif"))
    with rasterio.open(sentinel2) as source:
        left, _, _, top = source.bounds
        epsg = source.crs.to_epsg()
    chips = site_footprints((left + 4_800, top - 4_800), epsg, 3_840, 960)
    pixels, offsets = np.zeros((16, 32, 32), np.uint16), np.zeros((16, 2), np.float32)
    read_all([RasterJob("LC08", "red", str(landsat), epsg, chips, pixels, offsets, 0)], 2, {})
    assert set(np.abs(offsets).ravel()) == {15.0}
    with rasterio.open(landsat) as source:
        for chip, offset, stored in zip(chips, offsets, pixels, strict=True):
            west, north = chip.x0 + offset[0], chip.y0 - offset[1]
            window = from_bounds(west, north - 960, west + 960, north, source.transform)
            assert np.array_equal(stored, source.read(1, window=window))
