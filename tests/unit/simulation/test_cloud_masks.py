"""Quality layers: bits as documented, margins, and errors that exist but stay small."""

import numpy as np
import pytest

from anyband.simulation.atmosphere import SkyOnGrid
from anyband.simulation.cloud_masks import (
    Detected,
    detect,
    fmask,
    from_scene_classification,
    qa_pixel,
    scene_classification,
    scl_percentages,
    within,
)


def single(what: str) -> Detected:
    """One pixel of one kind in the middle of nothing."""
    empty = {name: np.zeros((21, 21), bool) for name in ("cloud", "shadow", "cirrus", "sure", "doubtful", "water")}
    empty[what][10, 10] = True
    return Detected(**empty)


# Values as USGS lists them for Landsat 8-9 Collection 2 QA_PIXEL.
@pytest.mark.parametrize(
    ("what", "value"), [("cloud", 22280), ("shadow", 23888), ("water", 21952), ("cirrus", 54596), ("sure", 21824)]
)
def test_qa_pixel_has_the_published_values(what, value):
    assert qa_pixel(single(what))[10, 10] == value


def test_qa_pixel_widens_clouds_by_three_pixels():
    layer = qa_pixel(single("cloud"))
    assert layer[10, 13] == 21762  # dilated cloud
    assert layer[10, 14] == 21824  # clear


def test_fmask_bits_and_margin():
    assert fmask(single("cloud"), 1)[10, 10] == 0b01000010
    assert fmask(single("shadow"), 1)[10, 10] == 0b01001000
    assert fmask(single("water"), 0)[10, 10] == 0b00100000
    layer = fmask(single("cloud"), 1)
    assert layer[10, 15] == 0b01000100 and layer[10, 16] == 0b01000000
    assert (layer != 255).all()


def test_distance_counts_diagonals():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert within(mask, 1.5).sum() == 9
    assert not within(np.zeros((5, 5), bool), 3).any()


def sky(cover: np.ndarray, noise: np.ndarray | None = None) -> SkyOnGrid:
    nothing = np.zeros(cover.shape, np.float32)
    return SkyOnGrid(cover.astype(np.float32), nothing + 0.6, nothing, nothing, nothing if noise is None else noise)


def bands(shape: tuple[int, int], **levels: float) -> dict[str, np.ndarray]:
    base = {"blue": 0.04, "green": 0.07, "red": 0.05, "nir_narrow": 0.3, "swir1": 0.2} | levels
    return {name: np.full(shape, level, np.float32) for name, level in base.items()}


def test_classes_of_clear_ground():
    shape = (4, 4)
    for levels, expected in (
        ({}, 4),
        ({"red": 0.2, "nir_narrow": 0.25}, 5),
        ({"green": 0.06, "nir_narrow": 0.03, "swir1": 0.02}, 6),
        ({"green": 0.01, "nir_narrow": 0.04, "swir1": 0.03}, 2),
    ):
        ground = bands(shape, **levels)
        found = detect(np.random.default_rng(0), sky(np.zeros(shape)), ground)
        assert (scene_classification(found, ground) == expected).all(), levels


def test_thick_cloud_is_found_and_thin_edges_are_not():
    cover = np.tile(np.linspace(0, 1, 50), (50, 1))
    ground = bands(cover.shape)
    found = detect(np.random.default_rng(0), sky(cover), ground)
    classes = scene_classification(found, ground)
    assert (classes[cover > 0.7] == 9).all()
    assert (classes[cover < 0.05] == 4).all()
    missed = (cover > 0.02) & ~np.isin(classes, (8, 9))
    assert missed.any()


def test_bright_roofs_are_false_alarms_only_here_and_there():
    noise = np.random.default_rng(1).standard_normal((200, 200)).astype(np.float32)
    ground = bands((200, 200), blue=0.3)
    found = detect(np.random.default_rng(0), sky(np.zeros((200, 200)), noise), ground)
    assert 0.02 < found.cloud.mean() < 0.3


def test_scene_classification_survives_the_way_to_the_null_twin():
    classes = np.array([[3, 6, 7, 8, 9, 10, 4]], np.uint8)
    found = from_scene_classification(classes)
    assert found.cloud.tolist() == [[False, False, False, True, True, False, False]]
    assert found.shadow[0, 0] and found.water[0, 1] and found.doubtful[0, 2] and found.cirrus[0, 5]


def test_percentages_sum_to_a_hundred():
    classes = np.random.default_rng(0).integers(1, 12, (50, 50)).astype(np.uint8)
    shares = scl_percentages(classes)
    assert sum(shares.values()) == pytest.approx(100, abs=1e-3)
    assert shares["nodata_pixel"] == 0
