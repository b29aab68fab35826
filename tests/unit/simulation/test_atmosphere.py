"""The analytic atmosphere: known limits, an exact way back, and errors only where the retrieval is wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.simulation.atmosphere import (
    AEROSOLS,
    ASSUMED,
    Geometry,
    draw_air,
    optics,
    rayleigh_thickness,
    remove_adjacency,
    to_surface,
    to_top,
)

GEOMETRY = Geometry(sun_zenith=40, sun_azimuth=150, view_zenith=8, view_azimuth=100)
AOT = np.full((4, 4), 0.2, np.float32)
reflectance = st.floats(0.0, 0.9)


def test_rayleigh_thickness_has_the_published_values():
    # Bodhaine et al. 1999, table 3: 0.0971 at 550 nm; 0.235 at 443 nm (standard pressure).
    assert rayleigh_thickness(0.55) == pytest.approx(0.097, abs=0.001)
    assert rayleigh_thickness(0.443) == pytest.approx(0.2355, abs=0.002)


def test_geometry_turns_light_backwards_when_sun_and_sensor_are_in_line():
    assert Geometry(30, 120, 30, 120).cos_scattering == pytest.approx(-1)
    assert Geometry(0, 0, 0, 0).cos_scattering == pytest.approx(-1)


@given(value=reflectance, wavelength=st.floats(443, 2200))
def test_right_atmosphere_gives_the_surface_back(value, wavelength):
    seen = optics(wavelength, AOT, ASSUMED, GEOMETRY, 200.0)
    surface = np.full((4, 4), value, np.float32)
    np.testing.assert_allclose(to_surface(to_top(surface, surface, seen), seen), surface, atol=2e-5)


@given(value=st.floats(0.02, 0.3), around=st.floats(0.02, 0.3))
def test_adjacency_moves_a_pixel_towards_its_surroundings_and_is_removed(value, around):
    seen = optics(490, AOT, ASSUMED, GEOMETRY, 0.0)
    surface, environment = (np.full((4, 4), v, np.float32) for v in (value, around))
    first = to_surface(to_top(surface, environment, seen), seen)
    assert abs(first - environment).max() <= abs(surface - environment).max() + 1e-4
    # The removal is of first order: a few per cent of the contrast stay.
    left = abs(remove_adjacency(first, environment, seen) - surface).max()
    assert left <= 0.05 * abs(value - around) + 1e-3


def test_path_reflectance_falls_with_wavelength_and_altitude():
    paths = [float(optics(w, AOT, ASSUMED, GEOMETRY, 0.0).path[0, 0]) for w in (443, 560, 865, 2200)]
    assert paths == sorted(paths, reverse=True)
    assert 0.05 < paths[0] < 0.15
    assert float(optics(443, AOT, ASSUMED, GEOMETRY, 2000.0).path[0, 0]) < paths[0]


def test_underestimated_aerosol_leaves_dark_surfaces_too_bright_in_the_blue():
    surface = np.full((4, 4), 0.03, np.float32)
    top = to_top(surface, surface, optics(490, AOT, ASSUMED, GEOMETRY, 0.0))
    error = to_surface(top, optics(490, AOT - np.float32(0.1), ASSUMED, GEOMETRY, 0.0)) - surface
    assert 0.001 < float(error.mean()) < 0.02


def test_another_aerosol_type_is_an_error_although_the_amount_is_right():
    surface = np.full((4, 4), 0.03, np.float32)
    top = to_top(surface, surface, optics(443, AOT, AEROSOLS["smoke"], GEOMETRY, 0.0))
    assert abs(to_surface(top, optics(443, AOT, ASSUMED, GEOMETRY, 0.0)) - surface).max() > 5e-4


def test_both_processors_are_wrong_and_not_in_the_same_way():
    shape = np.random.default_rng(0).standard_normal((9, 9)).astype(np.float32)
    errors = []
    for seed in range(200):
        air = draw_air(np.random.default_rng(seed), shape)
        assert min(air.aot.min(), air.aot_lasrc.min(), air.aot_sen2cor.min()) > 0
        assert np.ptp(air.aot_sen2cor) == 0 and np.ptp(air.aot) > 0
        errors.append([(air.aot_lasrc - air.aot).mean(), (air.aot_sen2cor - air.aot).mean()])
    spread = np.std(errors, axis=0)
    assert 0.02 < spread[0] < spread[1] < 0.12
    assert abs(np.corrcoef(np.transpose(errors))[0, 1]) < 0.35
