"""The spectral library."""

import json

import numpy as np
import pytest

from anyband.simulation.land.spectra import DATA, load_library
from surfaces import RESPONSES


@pytest.fixture(scope="module")
def library():
    return load_library()


def test_band_values_are_the_mean_of_the_spectra_under_the_response(library):
    rows = np.arange(0, library.rows, 700)
    spectra = library.coefficient[rows] @ library.basis
    expected = np.stack([spectra @ response.quadrature(library.wavelength_nm) for response in RESPONSES], axis=1)
    np.testing.assert_allclose(library.band_values(RESPONSES)[rows], np.maximum(expected, 0), atol=1e-4)


def test_reflectance_is_physical(library):
    values = library.band_values(RESPONSES)
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() < 0.85
    assert library.rows == sum(group.count for group in library.groups.values()) < 65_536


def test_levels_of_vegetation_go_from_ground_to_canopy(library):
    values = library.band_values(RESPONSES)
    red, near = values[:, 2], values[:, 5]
    ndvi = (near - red) / (near + red)
    for name in ("deciduous", "grass", "winter_cereal", "summer_crop"):
        group = library.groups[name]
        sets = np.arange(group.sets)
        rows = np.stack([group.row(sets, 1, level) for level in range(group.levels)])
        if name != "grass":
            assert (np.diff(ndvi[rows].mean(axis=1)) > 0).all(), name
        assert ndvi[rows[-1]].mean() > ndvi[rows[0]].mean() + 0.4
        dry = group.row(sets, 3, group.levels - 1)
        assert ndvi[dry].mean() < 0.6 * ndvi[rows[-1]].mean()


def test_wet_soil_is_darker_most_of_all_where_water_absorbs(library):
    values = library.band_values(RESPONSES)
    group = library.groups["soil"]
    dry, wet = (values[group.row(np.arange(group.sets), 0, level)] for level in (0, 3))
    ratio = (wet / dry).mean(axis=0)
    assert (ratio < 0.65).all()
    assert ratio[7] < ratio[6] < ratio[2]


def test_no_two_places_share_a_spectrum(library):
    """A model could otherwise learn the finite library by heart and meet the same rows in places held out."""
    first, second = library.of_place(1), library.of_place(2)
    for name, group in library.groups.items():
        rows = slice(group.first, group.first + group.count)
        apart = np.abs(first.coefficient[rows] - second.coefficient[rows]).max(axis=1)
        # a set mixed with itself in both places stays as it is; that is rare
        assert (apart == 0).mean() <= 0.15, name
    np.testing.assert_array_equal(library.of_place(1).coefficient, first.coefficient)
    assert first.groups == library.groups


def test_mixed_library_stays_inside_the_range_of_the_original(library):
    values, mixed = library.band_values(RESPONSES), library.of_place(5).band_values(RESPONSES)
    for group in library.groups.values():
        rows = slice(group.first, group.first + group.count)
        assert (mixed[rows].max(axis=0) <= values[rows].max(axis=0) + 1e-3).all()


def test_library_is_small_and_says_where_it_comes_from():
    assert (DATA / "spectral_library.npz").stat().st_size < 1_000_000
    table = json.loads((DATA / "spectral_library.json").read_text())
    assert set(table["sources"]) == set(table["groups"])
    assert table["rmse"] < 5e-4
    assert {"xleaf", "earthlib"} <= set(table["packages"]) & set(table["licences"])
