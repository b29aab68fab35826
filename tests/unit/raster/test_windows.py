"""Native pixels from real files, every tile decoded once, and one clear line for every kind of broken file."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.ground import Window, chip_window, site_footprints
from anyband.products import shift_stored
from anyband.raster.asset import RasterAsset, UnusableItemError
from anyband.raster.windows import Pixels, assemble, plan_reads, read_windows
from anyband.runtime import UserError
from rasters import CORNER, HLS_CRS, write_raster

CHIPS = site_footprints((CORNER[0] + 960, CORNER[1] - 960), 32632, 1_920, 960)
EDGE = 120  # metres of ground around the chips in the test files


def make_file(href, dtype="uint16", pixel_m=30.0, **options):
    return RasterAsset("item-1", "nir08", str(href), 32632, pixel_m, dtype=dtype, nodata=0, **options)


def read(file, chips=CHIPS):
    pixels = read_windows([file], chips)[0]
    return assemble(pixels, file, round(chips[0].side_m / file.pixel_m))


def corner(shift=0.0):
    return CORNER[0] - EDGE + shift, CORNER[1] + EDGE - shift


def plain_windows(path):
    from rasterio.windows import Window

    with rasterio.open(path) as source:
        found = [chip_window(chip, 32632, tuple(source.transform)[:6]) for chip in CHIPS]
        return np.stack([source.read(1, window=Window(w.col, w.row, w.size, w.size)) for w in found])


@pytest.mark.parametrize(("pixel_m", "shift"), [(10, 0), (20, 0), (60, 0), (30, 0), (30, 15)])
def test_pixels_are_those_of_plain_windows(tmp_path, random, pixel_m, shift):
    """Also on the half-pixel Landsat grid."""
    side = (1_920 + 2 * EDGE) // pixel_m
    pixels = random.integers(1, 65_535, (side, side)).astype(np.uint16)
    path = write_raster(tmp_path / "a.tif", pixels, corner(shift), pixel_m)
    file = make_file(path, pixel_m=pixel_m)
    found = read_windows([file], CHIPS)[0]
    assert np.array_equal(assemble(found, file, 960 // pixel_m), plain_windows(path))
    assert {(window.dx, window.dy) for window in found.windows} == {(shift, shift)}


@settings(max_examples=20)
@given(cuts=st.sets(st.integers(0, 216), max_size=4), tile=st.sampled_from([16, 64, 512]))
def test_parts_of_a_file_are_the_whole_together(tmp_path_factory, cuts, tile):
    pixels = np.random.default_rng(1).integers(1, 65_535, (216, 216)).astype(np.uint16)
    path = write_raster(tmp_path_factory.mktemp("parts") / "a.tif", pixels, corner(), 10, tile=tile)
    file = make_file(path, pixel_m=10)
    edges = [0, *sorted(cuts), 216]
    parts = [read_windows([file], CHIPS, rows=rows)[0] for rows in zip(edges[:-1], edges[1:], strict=True)]
    together = Pixels(parts[0].windows, tuple(piece for part in parts for piece in part.pieces))
    assert np.array_equal(assemble(together, file, 96), read(file))


def test_shift_is_exact_and_leaves_nodata_alone(tmp_path):
    """Sentinel-2 of baselines before 04.00 gets the +1000 of the later ones; nodata + 1000 would be a reflectance."""
    pixels = np.full((72, 72), 7, np.uint16)
    pixels[:40] = 0
    pixels[-1:] = 65_000
    path = write_raster(tmp_path / "a.tif", pixels, corner(), 30)
    assert set(np.unique(read(make_file(path, store_shift=1_000)))) == {0, 1_007}


def test_ground_outside_the_file_stays_nodata(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((40, 40), np.uint16), corner(), 30)
    pixels = read(make_file(path), CHIPS[:3])
    assert pixels[0].all() and pixels[1].any() and not pixels[1].all()


def test_chip_that_the_item_does_not_promise_may_lie_outside(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((30, 30), np.uint16), corner(), 30)
    file = make_file(path)
    with pytest.raises(
        UnusableItemError, match="chip r0c1 is inside by the item, outside by the file .*x 599880 to 600"
    ):
        read_windows([file], CHIPS)[0]
    values = assemble(read_windows([file], CHIPS, [True, False, False, False])[0], file, 32)
    assert values[0].any() and not values[1:].any()


def test_truncated_file_names_item_and_asset(tmp_path, random):
    pixels = random.integers(0, 65_535, (216, 216)).astype(np.uint16)
    path = write_raster(tmp_path / "a.tif", pixels, corner(), 10)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(UnusableItemError, match=r"item item-1: asset nir08: .*cannot be read") as error:
        read(make_file(path, pixel_m=10))
    assert "\n" not in str(error.value)


def test_missing_file_names_item_and_asset(tmp_path):
    with pytest.raises(UnusableItemError, match=r"item item-1: asset nir08: .* does not exist") as error:
        read(make_file(tmp_path / "none.tif"))
    assert "\n" not in str(error.value)


def test_login_page_is_not_taken_for_an_image(tmp_path):
    (tmp_path / "a.tif").write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
    with pytest.raises(UnusableItemError, match=r"item item-1: asset nir08: .* is not an image"):
        read(make_file(tmp_path / "a.tif"))


def test_signature_of_an_address_is_not_printed(tmp_path, monkeypatch):
    monkeypatch.setattr("anyband.raster.access.sign", lambda href: f"{href}?sig=secret")
    with pytest.raises(UserError) as error:
        read(make_file(tmp_path / "none.tif"))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"pixel_m": 10}, "pixels of 30 m, expected 10 m"),
        ({"dtype": "int16"}, "of uint16, expected one of int16"),
        ({"shape": (72, 71)}, r"the item says shape \(72, 71\), its file \(72, 72\)"),
        (
            {"transform": (30, 0, 599_895, 0, -30, 5_200_140)},
            r"the item says transform \(30, 0, 599895, .* its file \(30.0, 0.0, 599880",
        ),
        ({"epsg": 32732}, "the item says EPSG:32732, its file EPSG:32632"),
        ({"epsg": 32631}, "the item says EPSG:32631, its file EPSG:32632"),
    ],
)
def test_file_that_is_not_what_was_announced(tmp_path, said, words):
    path = write_raster(tmp_path / "a.tif", np.ones((72, 72), np.uint16), corner(), 30)
    with pytest.raises(UnusableItemError, match=words):
        read(replace(make_file(path), **said))


def test_chip_of_another_zone_is_refused(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((72, 72), np.uint16), corner(), 30)
    with pytest.raises(UnusableItemError, match="EPSG:32632 is not the UTM zone of EPSG:32633"):
        read(make_file(path), [chip._replace(epsg=32633) for chip in CHIPS])


def test_hls_crs_without_a_code_is_known_by_its_parameters(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((72, 72), np.uint16), corner(), 30, crs=HLS_CRS)
    assert rasterio.open(path).crs.to_epsg() is None
    assert read(make_file(path)).all()
    with pytest.raises(UnusableItemError, match=r"the item says EPSG:32633, its file \+proj=utm \+zone=32"):
        read(replace(make_file(path), epsg=32633))


def test_real_landsat_lies_half_a_pixel_off_the_sentinel2_grid(realdata):
    """Real files of one place: the Sentinel-2 corner sets the chips, Landsat its 15 m, pixels stay as delivered."""
    from rasterio.windows import from_bounds

    sentinel2 = next((realdata / "alberta-pair/sentinel2").glob("*B04_60m.tif"))
    landsat = next((realdata / "alberta-pair/landsat8").glob("*B4.tif"))
    with rasterio.open(sentinel2) as source:
        left, _, _, top = source.bounds
        epsg = source.crs.to_epsg()
    chips = site_footprints((left + 4_800, top - 4_800), epsg, 3_840, 960)
    file = RasterAsset("LC08", "red", str(landsat), epsg, 30.0, dtype="uint16", nodata=0)
    found = read_windows([file], chips)[0]
    offsets = np.array([(window.dx, window.dy) for window in found.windows])
    pixels = assemble(found, file, 32)
    assert set(np.abs(offsets).ravel()) == {15.0}
    with rasterio.open(landsat) as source:
        for chip, offset, stored in zip(chips, offsets, pixels, strict=True):
            west, north = chip.x0 + offset[0], chip.y0 - offset[1]
            window = from_bounds(west, north - 960, west + 960, north, source.transform)
            assert np.array_equal(stored, source.read(1, window=window))


window_lists = st.lists(
    st.builds(Window, st.integers(-40, 320), st.integers(-40, 320), st.just(24), st.just(0.0), st.just(0.0)),
    min_size=1,
    max_size=20,
)
shapes = st.tuples(st.integers(20, 300), st.integers(20, 300))
tiles = st.tuples(st.sampled_from([1, 16, 64, 512]), st.sampled_from([16, 64, 300]))


@given(windows=window_lists, shape=shapes, tile=tiles)
def test_every_pixel_arrives_where_it_belongs(windows, shape, tile):
    """Scattering the planned reads gives what a padded read of each chip gives."""
    raster = np.arange(1, shape[0] * shape[1] + 1).reshape(shape)
    chips = np.zeros((len(windows), 24, 24), int)
    for read in plan_reads(windows, shape, tile):
        block = raster[read.row : read.row + read.height, read.col : read.col + read.width]
        assert block.shape == (read.height, read.width)  # always inside the raster
        for chip, top, bottom, left, right in read.cuts:
            window = windows[chip]
            rows, cols = slice(top - window.row, bottom - window.row), slice(left - window.col, right - window.col)
            chips[chip, rows, cols] = block[top - read.row : bottom - read.row, left - read.col : right - read.col]
    padded = np.pad(raster, 400)
    expected = [padded[400 + w.row : 424 + w.row, 400 + w.col : 424 + w.col] for w in windows]
    assert np.array_equal(chips, expected)


@given(windows=window_lists, shape=shapes, tile=tiles)
def test_no_tile_is_decoded_twice(windows, shape, tile):
    seen = set()
    for read in plan_reads(windows, shape, tile):
        rows = range(read.row // tile[0], (read.row + read.height - 1) // tile[0] + 1)
        assert len(rows) == 1
        for col in range(read.col // tile[1], (read.col + read.width - 1) // tile[1] + 1):
            assert (rows[0], col) not in seen
            seen.add((rows[0], col))


def test_tiles_between_distant_chips_are_not_read():
    far_apart = [Window(0, 0, 24, 0, 0), Window(0, 1_000, 24, 0, 0)]
    reads = plan_reads(far_apart, (512, 2_048), (64, 64))
    assert [(read.col, read.width) for read in reads] == [(0, 24), (1_000, 24)]


def test_neighbouring_tiles_become_one_request():
    side_by_side = [Window(0, 0, 64, 0, 0), Window(0, 64, 64, 0, 0), Window(0, 128, 64, 0, 0)]
    assert len(plan_reads(side_by_side, (64, 192), (64, 64))) == 1


def test_shift_saturates_instead_of_wrapping_around():
    values = np.array([0, 1, 64_999], np.uint16)
    assert shift_stored(values, 1_000, 0).tolist() == [0, 1_001, 65_535]
