"""Area means and sub-pixel shifts against what was planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from anyband.audit.mosaic import MosaicGrid, area_means
from anyband.audit.shift import find_shift


def test_whole_pixels_are_averaged_as_they_are():
    values = np.arange(36.0).reshape(6, 6)
    means = area_means(values, MosaicGrid(0, 0, 10, 6, 6), MosaicGrid(0, 0, 20, 3, 3))
    np.testing.assert_allclose(means, values.reshape(3, 2, 3, 2).mean(axis=(1, 3)))


def test_half_a_landsat_pixel_counts_by_its_share():
    values = np.array([[1.0, 2.0, 4.0, 8.0]] * 4)
    means = area_means(values, MosaicGrid(15, 0, 30, 4, 4), MosaicGrid(0, 0, 60, 2, 2))
    # The first cell reaches 15 m beyond the first pixel; the second holds half of 2 m, all of 4, a quarter of 8.
    assert np.isnan(means[:, 0]).all()
    np.testing.assert_allclose(means[:, 1], 0.25 * 2 + 0.5 * 4 + 0.25 * 8)


@given(
    st.sampled_from([5.0, 10.0, 20.0, 30.0]),
    st.integers(-400, 400).map(lambda tenths: tenths / 10),
    st.sampled_from([30.0, 60.0, 45.0]),
)
def test_exactly_the_cells_that_are_covered_get_a_value(pixel_m, phase, cell_m):
    count = int(600 / pixel_m)
    source, target = MosaicGrid(phase, phase / 2, pixel_m, count, count), MosaicGrid(0, 0, cell_m, 8, 8)
    means = area_means(np.full((count, count), 0.3), source, target)
    assert np.isfinite(means).any()
    np.testing.assert_allclose(means[np.isfinite(means)], 0.3)
    covered = (np.arange(8) * cell_m >= phase - 1e-6) & ((np.arange(8) + 1) * cell_m <= phase + 600 + 1e-6)
    np.testing.assert_array_equal(np.isfinite(means).any(axis=0), covered)


def test_nothing_is_made_up_beside_a_gap():
    values = np.ones((12, 12))
    values[5, 5] = np.nan
    means = area_means(values, MosaicGrid(0, 0, 10, 12, 12), MosaicGrid(0, 0, 30, 4, 4))
    assert np.isnan(means[1, 1])
    assert np.isfinite(np.delete(means.ravel(), 5)).all()


FINE = 6
"""Steps of the hidden image per pixel."""


def seen(image: np.ndarray, right: int, down: int, size: int) -> np.ndarray:
    """The hidden image averaged to pixels, from `right`, `down` steps off."""
    part = image[60 + down : 60 + down + size * FINE, 60 + right : 60 + right + size * FINE]
    return part.reshape(size, FINE, size, FINE).mean(axis=(1, 3))


def hidden(random: np.random.Generator, size: int) -> np.ndarray:
    image = gaussian_filter(random.normal(0, 1, (size * FINE + 120,) * 2), 9)
    return 0.2 + 0.05 * image / image.std()


@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, 3), (-3, 0), (1, -2), (5, 4), (-13, 8)])
@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 0.02), (0.01, 0.05), (0.02, 0.12)])
def test_planted_shift_is_found(right, down, noise, tolerance):
    random = np.random.default_rng(3)
    size = 96
    ground = hidden(random, size)
    # Three bands with gain and haze of their own; the second image looks `right`, `down` steps further.
    bands = [
        (
            gain * seen(ground, 0, 0, size) + random.normal(0, noise, (size, size)),
            (1.3 - gain) * seen(ground, right, down, size) + 0.05 + random.normal(0, noise, (size, size)),
        )
        for gain in (0.5, 0.8, 1.0)
    ]
    found = find_shift(bands, np.ones((size, size), bool))
    np.testing.assert_allclose([found.right, found.down], [right / FINE, down / FINE], atol=tolerance)
    assert found.quality > 0.7


def test_clouds_do_not_pull_the_shift_to_zero():
    random = np.random.default_rng(4)
    size = 128
    ground = hidden(random, size)
    mask = gaussian_filter(random.normal(0, 1, (size, size)), 8) < 0.03
    assert 0.3 < mask.mean() < 0.9
    first, second = seen(ground, 0, 0, size), seen(ground, 3, -4, size)
    first, second = np.where(mask, first, 0.8), np.where(mask, second, np.nan)
    found = find_shift([(first, second)], mask)
    np.testing.assert_allclose([found.right, found.down], [0.5, -4 / 6], atol=0.08)


def test_other_ground_has_no_quality():
    random = np.random.default_rng(5)
    first, second = (seen(hidden(random, 96), 0, 0, 96) for _ in range(2))
    assert find_shift([(first, second)], np.ones((96, 96), bool)).quality < 0.5
