"""Products from one scene: encodings, HLS recipe, processors, null twin."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from anyband.sensors import get_sensor
from anyband.sensors.platforms import MSI_TO_OLI
from anyband.simulation import processors
from anyband.simulation.atmosphere import Geometry
from anyband.simulation.grids import area_means, landsat_grid
from anyband.simulation.instrument import HiddenWorld, cos_incidence
from anyband.simulation.land.surface import compose
from anyband.simulation.places import Overpass, load_places, plan
from surfaces import small_landscape

PLACE = load_places()[0]


@cache
def scene(sensor: str, seed: int = 3) -> HiddenWorld:
    """A clear scene of 2 km."""
    landscape = small_landscape("bocage")
    overpass = plan(PLACE, 1)[0][0 if sensor == "sentinel2" else 1]
    state = compose(landscape, overpass.day_of_year, False)
    while True:
        drawn = HiddenWorld.draw(landscape, state, overpass, seed, "test")
        if drawn.sky.share == 0 and not drawn.sky.cirrus.any():
            return drawn
        seed += 1


@cache
def measured():
    return processors.observe_sentinel2(scene("sentinel2"))


@cache
def level2():
    return processors.sen2cor(scene("sentinel2"), measured())


def test_bandpass_table_is_the_published_one_and_leaves_red_edge_and_broad_nir_alone():
    for table in MSI_TO_OLI.values():
        assert set(table) == {"coastal", "blue", "green", "red", "nir_narrow", "swir1", "swir2"}
    assert MSI_TO_OLI["sentinel-2a"]["blue"] == (0.9778, -0.0040)
    assert MSI_TO_OLI["sentinel-2b"]["swir2"] == (0.9867, 0.0004)


def test_cubic_convolution_moves_by_half_a_pixel_and_keeps_cubics():
    position = np.arange(12.0)
    cubic = (0.02 * position**2 - 0.1 * position + 1).astype(np.float32)
    moved = processors.half_pixel_cubic(np.outer(cubic, np.ones(12, np.float32)))
    expected = 0.02 * (position[1:10] + 0.5) ** 2 - 0.1 * (position[1:10] + 0.5) + 1
    np.testing.assert_allclose(moved[:, 0], expected, rtol=1e-5)
    assert sum(processors.HALF_PIXEL_TAPS) == 1


@pytest.mark.parametrize(("baseline", "number"), [("03.01", 1234), ("04.00", 2234), ("05.09", 2234)])
def test_sentinel_2_offset_follows_the_baseline(baseline, number):
    assert processors.encode_sentinel2(np.array([0.1234], np.float32), baseline)[0] == number


def test_dark_pixels_never_become_nodata():
    dark = np.array([-0.5], np.float32)
    assert processors.encode_sentinel2(dark, "03.01")[0] == 1
    assert processors.encode_landsat(dark)[0] == 1
    assert processors.encode_hls(np.array([-2.0], np.float32))[0] == -9998


def test_encodings_round_to_half_a_step():
    values = np.linspace(0.0, 1.0, 500, dtype=np.float32)
    np.testing.assert_allclose(processors.encode_landsat(values) * 2.75e-5 - 0.2, values, atol=1.5e-5)
    np.testing.assert_allclose(processors.encode_hls(values) * 1e-4, values, atol=5.1e-5)
    kelvin = np.linspace(260, 330, 500, dtype=np.float32)
    np.testing.assert_allclose(processors.encode_temperature(kelvin) * 0.00341802 + 149, kelvin, atol=0.002)


def test_processors_come_near_the_ground_and_differ_from_each_other():
    lasrc = processors.lasrc(scene("sentinel2"), measured())
    for name in ("B02", "B04", "B8A", "B11"):
        first, second = level2()[name][1], lasrc[name][1]
        assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.97
        assert 1e-4 < abs(first - second).mean() < 0.03, name


def test_s30_is_adjusted_area_mean_at_nadir():
    view = scene("sentinel2")
    surface = processors.lasrc(view, measured())
    zenith = view.overpass.geometry.sun_zenith
    result = processors.hls_s30(view, surface, zenith)
    assert set(result) == {band.name for band in get_sensor("sentinel-2a", "hls_s30").bands}
    slope, offset = MSI_TO_OLI[view.overpass.platform]["red"]
    mean = surface["B04"][1][:3, :3].mean()
    assert result["B04"][1][0, 0] == pytest.approx((mean * slope) * 1.0 + offset, rel=0.08)
    np.testing.assert_array_equal(result["B01"][1][0, 0], result["B01"][1][1, 1])  # one 60 m sample, repeated


def test_landsat_product_has_all_bands_on_its_own_grid_and_plausible_temperatures():
    result = processors.landsat_level2(scene("landsat"))
    assert set(result) == {band.name for band in get_sensor("landsat-9", "landsat").bands}
    assert {grid for grid, _ in result.values()} == {landsat_grid(scene("landsat").hidden)}
    assert 270 < np.median(result["lwir11"][1]) < 320
    # 100 m detectors: neighbours 30 m apart are nearly alike
    kelvin = result["lwir11"][1]
    assert abs(np.diff(kelvin, axis=1)).mean() < 0.4 * kelvin.std()


def test_terrain_faces_the_sun_where_it_tilts_towards_it():
    sun = Overpass("landsat", "landsat-9", plan(PLACE, 1)[0][1].when, Geometry(45, 90, 0, 0))
    eastern = np.repeat(-0.2 * 5 * np.arange(40, dtype=np.float32)[None], 40, axis=0)  # falls to the east
    assert cos_incidence(eastern, 5.0, sun).mean() == pytest.approx((1 + 0.2) / np.hypot(1, 0.2), rel=1e-3)
    assert cos_incidence(-eastern, 5.0, sun).mean() == pytest.approx((1 - 0.2) / np.hypot(1, 0.2), rel=1e-3)
    assert cos_incidence(eastern.T.copy(), 5.0, sun).mean() == pytest.approx(1 / np.hypot(1, 0.2), rel=1e-3)


def test_null_twin_knows_only_the_sentinel_2_product():
    """Two surfaces that gave the same Level-2A product must give the same Landsat scene."""
    oli = scene("landsat")
    other = replace(
        oli, landscape=small_landscape("forest", 5), state=compose(small_landscape("forest", 5), 130, False)
    )
    first, second = (processors.uninformative_landsat(level2(), which) for which in (oli, other))
    for name in first:
        np.testing.assert_array_equal(first[name][1], second[name][1])


def test_null_twin_follows_sentinel_2_and_has_noise_of_its_own():
    result = processors.uninformative_landsat(level2(), scene("landsat"))
    near = processors.half_pixel_cubic(result["nir08"][1])
    assert np.corrcoef(near.ravel(), area_means(level2()["B8A"][1], 20).ravel())[0, 1] > 0.97
    fresh = processors.uninformative_landsat(level2(), replace(scene("landsat"), seed=77))
    noise = (fresh["nir08"][1] - result["nir08"][1]).std() / np.sqrt(2)
    assert noise == pytest.approx(0.002 + 0.01 * result["nir08"][1].mean(), rel=0.2)


def test_null_twin_of_l30_is_s30_plus_noise_and_nothing_else():
    s30 = processors.hls_s30(scene("sentinel2"), processors.lasrc(scene("sentinel2"), measured()), 40.0)
    twin = processors.uninformative_l30(s30, scene("landsat"))
    forest = small_landscape("forest", 5)
    other = replace(scene("landsat"), landscape=forest, state=compose(forest, 130, False))
    for name, source in (("B05", "B8A"), ("B07", "B12")):
        np.testing.assert_array_equal(twin[name][1], processors.uninformative_l30(s30, other)[name][1])
        assert 0.001 < (twin[name][1] - s30[source][1]).std() < 0.01
