"""The hidden surface on a day, and its labels."""

import numpy as np
import pytest

from anyband.simulation.land import cover
from anyband.simulation.land.cover import ARCHETYPES
from anyband.simulation.land.label_map import CODES, label_codes
from anyband.simulation.land.surface import compose
from surfaces import JULY, MAY, reflectance, small_landscape

# Real or published mean reflectances of B02, B03, B04, B05, B07, B8A, B11, B12 in May; forests as seen with a crown
# factor of 0.78 for deciduous trees.
LEVELS = {
    cover.DECIDUOUS: (0.025, 0.061, 0.024, 0.091, 0.376, 0.382, 0.197, 0.087),
    cover.CONIFER: (0.019, 0.044, 0.021, 0.070, 0.212, 0.215, 0.103, 0.045),
    cover.WINTER_CEREAL: (0.021, 0.047, 0.024, 0.076, 0.378, 0.388, 0.170, 0.076),
    cover.SUMMER_CROP: (0.067, 0.109, 0.136, 0.164, 0.267, 0.271, 0.268, 0.216),
    cover.GRASS: (0.044, 0.088, 0.066, 0.137, 0.365, 0.374, 0.252, 0.145),
}


@pytest.fixture(scope="module")
def may():
    """Reflectance (cells, 8), hidden class and label of a sample of all archetypes in May."""
    places = [small_landscape(name) for name in ARCHETYPES]
    values = np.concatenate([reflectance(place, MAY)[::2, ::2].reshape(-1, 8) for place in places])
    hidden = np.concatenate([place.cover[::2, ::2].ravel() for place in places])
    label = np.concatenate([label_codes(place)[::2, ::2].ravel() for place in places])
    return values, hidden, label


@pytest.mark.parametrize("hidden_class", LEVELS)
def test_mean_reflectance_of_the_classes_is_that_of_real_scenes(may, hidden_class):
    values, hidden, _ = may
    expected = np.array(LEVELS[hidden_class])
    # bare fields vary with the six soils of the place, so they are allowed more
    relative = 0.4 if hidden_class == cover.SUMMER_CROP else 0.2
    error = np.abs(values[hidden == hidden_class].mean(axis=0) - expected)
    assert (error < 0.012 + relative * expected).all(), error


def test_built_land_has_the_level_of_real_towns(may):
    values, _, label = may
    expected = np.array([0.096, 0.125, 0.130, 0.155, 0.257, 0.260, 0.216, 0.171])
    assert (np.abs(values[label == 50].mean(axis=0) - expected) < 0.04).all()


def test_bands_are_as_correlated_as_in_real_scenes(may):
    """Shortwave-infrared bands that are too independent would give one sensor information it never has."""
    values, _, _ = may
    correlation = np.corrcoef(values.T)
    assert correlation[6, 7] > 0.84
    assert 0.75 < correlation[0, 2] < 0.98
    assert -0.45 < correlation[2, 5] < 0.25


def test_cells_show_the_material_of_their_cover():
    """A grass margin once turned the whole field beside it into grass."""
    landscape = small_landscape("lakeland")
    state = compose(landscape, MAY, southern=False)
    for name in ("deciduous", "conifer", "shrub", "grass", "winter_cereal", "rapeseed", "water", "wetland"):
        hidden_class = getattr(cover, name.upper())
        group = landscape.library.groups[name]
        rows = state.material_a[landscape.cover == hidden_class]
        assert ((rows >= group.first) & (rows < group.first + group.count)).all(), name


def test_compose_is_reproducible_and_changes_with_the_season():
    landscape = small_landscape("arable")
    first, again, later = (compose(landscape, day, southern=False) for day in (MAY, MAY, JULY))
    assert first.material_a.tobytes() == again.material_a.tobytes()
    assert first.fraction_b.tobytes() == again.fraction_b.tobytes()
    assert (first.material_a != later.material_a).mean() > 0.3
    sealed = landscape.cover == cover.BUILT
    np.testing.assert_array_equal(first.material_a[sealed], later.material_a[sealed])


def test_skin_is_hot_on_dry_ground_and_cool_on_water():
    landscape = small_landscape("periurban")
    skin = compose(landscape, JULY, southern=False).skin_offset_k
    mean = {code: float(skin[landscape.cover == code].mean()) for code in (1, 8, 10)}
    assert mean[cover.WATER] < 0 < mean[cover.DECIDUOUS] < 5 < mean[cover.BUILT] < 20


def test_labels_are_worldcover_codes_without_specks():
    landscape = small_landscape("bocage")
    label = label_codes(landscape)
    assert label.shape == landscape.cover.shape
    assert label.dtype == np.uint8
    assert set(np.unique(label)) <= set(CODES)
    cells = label[::2, ::2]
    np.testing.assert_array_equal(np.repeat(np.repeat(cells, 2, 0), 2, 1), label)
    inner = cells[1:-1, 1:-1]
    alone = np.ones(inner.shape, bool)
    for neighbour in (cells[:-2, 1:-1], cells[2:, 1:-1], cells[1:-1, :-2], cells[1:-1, 2:]):
        alone &= neighbour != inner
    assert alone.mean() < 0.002


def test_labels_agree_with_the_cover_below_them():
    """Labels and pixels shifted by one cell would still look right on a map."""
    landscape = small_landscape("lakeland")
    truth = np.zeros(12, np.uint8)
    for hidden, code in cover.WORLDCOVER.items():
        truth[hidden] = code
    label, below = label_codes(landscape), truth[landscape.cover]
    agreement = (label == below).mean()
    assert agreement > 0.88
    for shift in (-2, 2):
        for axis in (0, 1):
            assert (np.roll(label, shift, axis) == below).mean() < agreement - 0.005
