"""Static hidden surface: the checks that once caught errors in it."""

import numpy as np
import pytest

from anyband.runtime import UserError
from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.cover import ARCHETYPES, BUILT, WATER
from anyband.simulation.land.label_map import CODES, label_codes
from anyband.simulation.land.landscape import build_landscape
from anyband.simulation.land.settlement import OPEN, ROOF, STREET
from anyband.simulation.land.terrain import slope_degrees
from surfaces import SIZE, small_landscape


def majority(label: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Most frequent class and its share in squares of `factor` cells."""
    side = label.shape[0] // factor
    squares = label[: side * factor, : side * factor].reshape(side, factor, side, factor)
    shares = np.stack([(squares == code).mean(axis=(1, 3)) for code in np.unique(label)])
    return shares.argmax(axis=0), shares.max(axis=0)


def equal_neighbours(label: np.ndarray) -> float:
    """Join count: share of neighbouring cells with the same class."""
    return float((label[1:] == label[:-1]).mean() + (label[:, 1:] == label[:, :-1]).mean()) / 2


SLOPES = {
    "arable": (2.2, 6),
    "bocage": (4.2, 11),
    "forest": (8.0, 20),
    "periurban": (2.8, 8),
    "lakeland": (3.2, 9),
    "upland": (13.5, 30),
}


@pytest.mark.parametrize("archetype", SLOPES)
def test_slopes_are_those_of_the_archetype(archetype):
    """The first terrain had 46 degrees on average and topography ruled every result."""
    mean, steep = SLOPES[archetype]
    slope = slope_degrees(small_landscape(archetype).dem, 5.0)
    assert slope.mean() == pytest.approx(mean, rel=0.25)
    assert np.quantile(slope, 0.95) < steep


def test_grain_is_that_of_real_land():
    """Grain moves the accuracy at 30 m more than any radiometric effect does."""
    covers = [small_landscape(name).cover for name in ARCHETYPES]
    pure = [float((majority(cover, 6)[1] > 0.9).mean()) for cover in covers]
    joins = [equal_neighbours(majority(cover, 2)[0]) for cover in covers]
    assert 0.40 < np.mean(pure) < 0.62
    assert min(pure) > 0.25
    assert max(pure) < 0.70
    assert 0.76 < np.mean(joins) < 0.90
    labels = [equal_neighbours(label_codes(small_landscape(name))[::2, ::2]) for name in ARCHETYPES]
    assert 0.85 < np.mean(labels) < 0.94


def test_every_class_occurs_in_nearly_every_place():
    labels = [label_codes(small_landscape(name)) for name in ARCHETYPES]
    share = np.array([[(label == code).mean() for code in CODES] for label in labels])
    assert ((share > 0.004).sum(axis=0) >= 5).all(), "a class that many places can miss leaves a split without it"
    assert (share.max(axis=0) < 0.8).all()


def test_sealed_cells_have_materials_and_roads_do_not_cross_water():
    landscape = small_landscape("periurban")
    sealed = landscape.cover == BUILT
    groups = landscape.library.groups
    built = np.concatenate([
        np.arange(groups[name].first, groups[name].first + groups[name].count)
        for name in ("roof_tile", "roof_shingle", "roof_metal", "asphalt", "concrete", "mineral")
    ])  # fmt: skip
    assert np.isin(landscape.built.material_a[sealed], built).all()
    assert (landscape.built.use[landscape.cover == WATER] == OPEN).all()
    roof, street = (landscape.built.use == ROOF).mean(), (landscape.built.use == STREET).mean()
    assert 0.02 < street < 0.12
    assert 0.03 < roof < 0.2


def test_mistakes_are_named():
    with pytest.raises(UserError, match="'desert' does not exist"):
        build_landscape(HiddenGrid(32632, 0.0, 0.0, 5.0, SIZE), "desert", 0)
    with pytest.raises(UserError, match="multiple of 4"):
        build_landscape(HiddenGrid(32632, 0.0, 0.0, 5.0, 401), "arable", 0)
