import math

import numpy as np
import pytest

from anyband.evaluation.image_scores import sam, ssim, tidy


@pytest.fixture
def scene():
    random = np.random.default_rng(0)
    reference = 0.2 + 0.1 * random.random((2, 20, 24, 3))
    estimate = reference + np.array([0.0, 0.01, -0.02])
    return reference, estimate, np.ones((2, 20, 24), bool)


def test_a_constant_offset_has_known_scores(scene):
    names = ("B02", "B03", "B04")
    table = tidy(*scene, names).set_index("band")
    assert list(table.index) == [*names, "all"]
    assert table["rmse"].tolist() == pytest.approx([0, 0.01, 0.02, math.sqrt((0.01**2 + 0.02**2) / 3)], abs=1e-12)
    assert table["psnr_db"].tolist()[1:3] == pytest.approx([40, -20 * math.log10(0.02)])
    assert table.loc["B02", "psnr_db"] > 250
    terms = 100 / 3 * np.array([0, 0.01, 0.02]) / scene[0].mean(axis=(0, 1, 2))
    assert table.loc["all", "ergas"] == pytest.approx(math.sqrt((terms**2).mean()))
    assert tidy(*scene, names, ratio=1.0)["ergas"].iloc[-1] == pytest.approx(3 * table.loc["all", "ergas"])
    assert table.loc["all", "sam_deg"] == pytest.approx(sam(*scene))
    assert table["sam_deg"].isna().sum() == 3


def test_the_spectral_angle_ignores_brightness():
    ones = np.ones((1, 4, 4), bool)
    reference = np.broadcast_to([0.3, 0.4], (1, 4, 4, 2))
    assert sam(reference, 2 * reference, ones) == pytest.approx(0, abs=1e-5)
    assert sam(reference, np.broadcast_to([0.4, 0.3], (1, 4, 4, 2)), ones) == pytest.approx(
        math.degrees(math.atan2(4, 3) - math.atan2(3, 4))
    )


def test_identical_images_are_perfectly_similar(scene):
    reference, _, valid = scene
    assert ssim(reference, reference, valid) == pytest.approx([1, 1, 1])


def test_similarity_is_the_published_formula():
    random = np.random.default_rng(1)
    x, y = random.random((2, 1, 11, 11, 1))
    offset = np.arange(-5, 6)
    weight = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    a, b = x[0, ..., 0], y[0, ..., 0]
    mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
    var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
    covariance = (weight * (a - mean_a) * (b - mean_b)).sum()
    expected = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    expected /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    assert ssim(x, y, np.ones((1, 11, 11), bool)) == pytest.approx([expected])


def test_pixels_that_are_not_valid_do_not_count(scene):
    reference, estimate, valid = scene
    before = tidy(reference, estimate, valid & (np.arange(24) < 20), ("a", "b", "c"))
    spoiled = estimate.copy()
    spoiled[:, :, 20:] = np.nan
    after = tidy(reference, spoiled, valid & (np.arange(24) < 20), ("a", "b", "c"))
    assert before.equals(after)
    assert np.isfinite(after.loc[after.band != "all", "ssim"]).all()


def test_without_any_valid_pixel_there_are_no_scores(scene):
    reference, estimate, valid = scene
    table = tidy(reference, estimate, ~valid, ("a", "b", "c"))
    assert table.drop(columns="band").isna().all().all()
