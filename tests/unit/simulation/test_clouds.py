"""Clouds cast their shadow away from the sun, hide the ground, and come in the shares that were asked for."""

import numpy as np
import pytest

from anyband.simulation.atmosphere import Geometry, Sky, draw_cloud_share
from anyband.simulation.grids import HiddenGrid, sentinel2_grid

HIDDEN = HiddenGrid(32632, 600_000.0, 5_400_000.0, 5.0, 816)
SUN = Geometry(45, 150, 5, 100)


def sky_with_cloud(seed: int = 0) -> Sky:
    while True:
        sky = Sky(np.random.default_rng(seed), HIDDEN, SUN)
        if 0.1 < sky.share < 0.5:
            return sky
        seed += 1


def test_most_scenes_are_clear_and_a_few_are_overcast():
    shares = np.array([draw_cloud_share(np.random.default_rng(seed)) for seed in range(2000)])
    assert np.median(shares) < 0.05
    assert 0.01 < (shares > 0.7).mean() < 0.05
    assert 0.02 < ((shares > 0.15) & (shares < 0.5)).mean() < 0.2


def test_cover_has_about_the_share_that_was_drawn():
    sky = sky_with_cloud()
    cover = sky.at(sentinel2_grid(HIDDEN, 20)).cover
    assert (cover > 0.5).mean() == pytest.approx(sky.share, abs=0.06)
    assert cover.min() >= 0 and cover.max() <= 1


def test_shadow_is_the_cloud_moved_away_from_the_sun():
    sky = sky_with_cloud()
    on = sky.at(sentinel2_grid(HIDDEN, 20))
    right, down = (round(part / 20) for part in sky.towards_sun)
    assert right > 0 and down > 0  # the sun stands in the south-east, so the shading cloud does too
    size = on.cover.shape[0]
    shade, cover = on.shade[: size - down, : size - right], on.cover[down:, right:]
    assert np.corrcoef(shade.ravel(), cover.ravel())[0, 1] > 0.98


def test_clouds_are_bright_white_and_darker_in_the_swir():
    on = sky_with_cloud().at(sentinel2_grid(HIDDEN, 20))
    thick = on.cover > 0.95
    ground = np.full(on.cover.shape, 0.05, np.float32)
    blue, red, swir = (on.cover_up(ground.copy(), w)[thick].mean() for w in (490, 665, 2200))
    assert blue > 0.3
    assert abs(blue - red) < 0.02
    assert swir < 0.6 * blue


def test_same_sky_on_all_grids():
    sky = sky_with_cloud()
    fine, coarse = (sky.at(sentinel2_grid(HIDDEN, pixel)).cover for pixel in (10, 20))
    averaged = fine.reshape(198, 2, 198, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(averaged, coarse, atol=0.05)
