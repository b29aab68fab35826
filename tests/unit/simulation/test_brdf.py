"""Directional reflectance: published kernels, and a truth that the correction does not know."""

import numpy as np
import pytest

from anyband.simulation.atmosphere import Geometry
from anyband.simulation.brdf import (
    REFERENCE,
    TRUE_STRENGTH,
    c_factor,
    draw_strengths,
    li_sparse,
    ross_thick,
    true_factor,
)
from anyband.simulation.land.spectra import load_library

EAST, WEST = Geometry(40, 150, 10, 102), Geometry(40, 150, 10, 282)


def test_kernels_vanish_for_nadir_sun_and_nadir_view():
    overhead = Geometry(0, 0, 0, 0)
    assert ross_thick(overhead) == pytest.approx(0, abs=1e-9)
    assert li_sparse(overhead) == pytest.approx(0, abs=1e-9)


def test_kernels_are_reciprocal():
    there, back = Geometry(50, 30, 10, 200), Geometry(10, 200, 50, 30)
    assert ross_thick(there) == pytest.approx(ross_thick(back))
    assert li_sparse(there) == pytest.approx(li_sparse(back))


def test_correction_does_nothing_to_what_is_at_nadir_already():
    assert c_factor("red", Geometry(35, 150, 0, 0), 35) == pytest.approx(1)


def test_both_sides_of_a_swath_differ_and_the_correction_brings_them_nearer():
    strengths = draw_strengths(np.random.default_rng(0), load_library())
    factors = [true_factor("nir_narrow", seen, strengths) for seen in (EAST, WEST)]
    corrected = [factor * c_factor("nir_narrow", seen, 40) for factor, seen in zip(factors, (EAST, WEST), strict=True)]
    before, after = (np.abs(a - b).mean() for a, b in (factors, corrected))
    assert before > 0.02
    assert 0.002 < after < before  # nearer, but never equal: the truth has other kernels and other weights


def test_materials_of_a_place_scatter_differently_and_water_not_at_all():
    library = load_library()
    strengths = draw_strengths(np.random.default_rng(1), library)
    water, soil = library.groups["water"].first, library.groups["soil"].first
    factors = true_factor("red", WEST, strengths)
    assert factors[water] == pytest.approx(1)
    assert factors[soil] != pytest.approx(factors[library.groups["grass"].first], abs=1e-3)
    assert set(TRUE_STRENGTH) <= set(library.groups)


def test_reference_direction_leaves_the_library_as_it_is():
    strengths = draw_strengths(np.random.default_rng(1), load_library())
    np.testing.assert_allclose(true_factor("green", REFERENCE, strengths), 1, rtol=1e-6)
