"""Chips on the 60 m lattice and the native pixels under them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.ground import (
    FALSE_NORTHING_M,
    Footprint,
    bounding_square,
    chip_window,
    northing_shift,
    project,
    sample_nearest,
    site_footprints,
    utm_epsg,
)
from anyband.runtime import UserError

metres = st.integers(0, 9_000).map(lambda k: 100.0 * k)


@given(x=metres, y=metres, south=st.booleans())
def test_chips_lie_on_the_lattice_of_the_tile(x, y, south):
    epsg = 32732 if south else 32632
    northing = y + (FALSE_NORTHING_M - 1_000_000 if south else 0)
    chips = site_footprints((x, northing), epsg, 3_840, 960)
    assert len(chips) == 16
    for chip in chips:
        assert chip.x0 % 60 == 0
        assert chip.y0 % 60 == (40 if south else 0)  # 10 000 000 mod 60
    left, bottom, right, top = bounding_square(chips)
    assert (right - left, top - bottom) == (3_840, 3_840)
    assert abs((left + right) / 2 - x) <= 30 and abs((top + bottom) / 2 - northing) <= 30


def test_chips_are_numbered_row_by_row_from_the_north_west():
    chips = site_footprints((600_000, 5_200_020), 32632, 1_920, 960)
    assert [(c.row, c.col) for c in chips] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert chips[3].x0 - chips[0].x0 == 960 and chips[0].y0 - chips[3].y0 == 960


@given(
    pixel=st.sampled_from([10.0, 20.0, 30.0, 60.0]),
    phase_x=st.integers(0, 11),
    phase_y=st.integers(0, 11),
    south=st.booleans(),
    col=st.integers(0, 40),
    row=st.integers(0, 40),
)
def test_nearest_native_pixels_cover_the_same_ground(pixel, phase_x, phase_y, south, col, row):
    """Whatever the phase of the grid, the corner is within half a pixel and the offset says exactly where."""
    chip = Footprint(32732 if south else 32632, 600_000.0 + 60 * col, 8_999_980.0 - 60 * row, 960, 0, 0)
    shift = -FALSE_NORTHING_M if south else 0.0
    transform = (pixel, 0.0, 598_800.0 + 5 * phase_x, 0.0, -pixel, 9_000_040.0 + shift + 5 * phase_y)
    window = chip_window(chip, 32632, transform)
    left, top = transform[2] + window.col * pixel, transform[5] - window.row * pixel
    assert abs(window.dx) <= pixel / 2 and abs(window.dy) <= pixel / 2
    assert left == chip.x0 + window.dx
    assert top == chip.y0 + shift - window.dy
    assert window.size * pixel == 960
    assert window.row >= 0 and window.col >= 0


@given(row=st.integers(0, 3), col=st.integers(0, 3), south=st.booleans())
def test_landsat_half_pixel_is_kept_as_an_offset(row, col, south):
    """Landsat edges lie on odd multiples of 15 m: snapping would move every pixel by 15 m without a trace."""
    chip = site_footprints((600_000, 8_000_020 if south else 5_200_020), 32732 if south else 32632, 3_840, 960)[
        4 * row + col
    ]
    window = chip_window(chip, 32632, (30.0, 0.0, 590_985.0, 0.0, -30.0, -1_990_005.0 if south else 5_210_025.0))
    assert (window.dx, window.dy) == (15.0, 15.0)


def test_southern_chip_is_the_same_ground_in_both_crs():
    assert northing_shift(32733, 32633) == -FALSE_NORTHING_M
    assert northing_shift(32633, 32733) == FALSE_NORTHING_M
    south, north = project(15.2, -21.7, 32733), project(15.2, -21.7, 32633)
    assert south[0] == pytest.approx(north[0], abs=1e-6)
    assert south[1] + northing_shift(32733, 32633) == pytest.approx(north[1], abs=1e-6)


@pytest.mark.parametrize("epsg", [32631, 32733, 4326, 3031])
def test_another_zone_is_refused_by_name(epsg):
    with pytest.raises(UserError, match=f"EPSG:{epsg}"):
        northing_shift(32632, epsg)


def test_pixels_that_do_not_divide_the_chip_are_refused():
    chip = Footprint(32632, 600_000.0, 5_200_020.0, 1_280, 0, 0)
    with pytest.raises(UserError, match="60"):
        chip_window(chip, 32632, (60.0, 0.0, 600_000.0, 0.0, -60.0, 5_200_020.0))
    with pytest.raises(UserError, match="north-up"):
        chip_window(chip, 32632, (10.0, 0.0, 600_000.0, 0.0, 10.0, 5_200_020.0))


def test_sampling_by_position_follows_the_offset():
    """A 30 m layer 15 m off: treating it as aligned would take the wrong pixel for half of the 10 m grid."""
    layer = np.arange(16).reshape(1, 4, 4)
    off, zero = np.full((1, 2), 15.0), np.zeros((1, 2))
    fine = sample_nearest(layer, 30, off, 10, zero, 12)
    assert fine[0, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]  # centres at 5, 15, 25, ... less 15
    assert fine[0, :, 0].tolist() == [0, 0, 0, 0, 4, 4, 4, 8, 8, 8, 12, 12]
    assert np.array_equal(sample_nearest(layer, 30, off, 30, off, 4), layer)
    coarse = sample_nearest(np.arange(36).reshape(1, 6, 6), 20, zero, 60, zero, 2)
    assert coarse[0].tolist() == [[7, 10], [25, 28]]


@pytest.mark.parametrize(
    ("longitude", "latitude", "epsg"),
    [(-180, 10, 32601), (180, 10, 32601), (180, -10, 32701), (179.99, 10, 32660), (-179.99, 10, 32601), (9, 48, 32632),
     (6, 0, 32632), (5.99, -0.01, 32731), (5, 60, 32631), (10, 78, 32632)],
)  # fmt: skip
def test_zones_of_utm_meet_at_the_antimeridian(longitude, latitude, epsg):
    assert utm_epsg(longitude, latitude) == epsg
