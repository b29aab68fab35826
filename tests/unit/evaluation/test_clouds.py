from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from anyband.evaluation.perturbations import STEP_M, cloud_field, cover
from handmade import SETS, make_group

NAMES = ("oak-0-r0c0", "oak-0-r0c1")


def acquisition(product="sentinel2", offset=0.0, side=960.0):
    return tuple(
        make_group(product, bands, pixel, side, 2, i, offset) for i, (pixel, bands) in enumerate(SETS[product])
    )


def test_the_share_is_the_stated_one_and_nothing_leaks():
    for percent in (10, 50, 90):
        fine, _, coarse = cover(acquisition(), percent, NAMES)
        gone = (~fine.valid[:, 0]).float().mean(dim=(1, 2))
        assert torch.allclose(gone, torch.tensor(percent / 100), atol=0.002)
        assert (~coarse.valid[:, 0]).float().mean() >= gone.mean() - 0.01  # a pixel that a cloud touches is lost
        for group in (fine, coarse):
            assert not group.values[~group.valid].any()
            assert torch.isfinite(group.values).all()


def test_all_grids_see_the_same_clouds():
    fine, middle, _ = cover(acquisition(), 40, NAMES)
    hidden = (~fine.valid[:, 0]).float()
    touched = torch.nn.functional.max_pool2d(hidden, 2).bool()
    assert torch.equal(touched, ~middle.valid[:, 0])


def test_clouds_lie_at_their_place_whatever_the_offset():
    (straight,), (shifted,) = (cover(acquisition("landsat", offset), 40, NAMES) for offset in (0.0, 30.0))
    assert torch.equal(straight.valid[..., 1:, 1:], shifted.valid[..., :-1, :-1])


def test_more_percent_cover_what_fewer_did():
    few, many = (cover(acquisition(), percent, NAMES)[0].valid for percent in (25, 60))
    assert not (many & ~few).any()


def test_clouds_are_fixed_per_chip_and_product():
    assert np.array_equal(cloud_field("a", "landsat"), cloud_field("a", "landsat"))
    assert not np.array_equal(cloud_field("a", "landsat"), cloud_field("b", "landsat"))
    assert not np.array_equal(cloud_field("a", "landsat"), cloud_field("a", "sentinel2"))
    group = acquisition("landsat")[0]
    swapped = replace(group, values=group.values.flip(0))
    one, other = (cover((g,), 40, n)[0].valid for g, n in ((group, NAMES), (swapped, NAMES[::-1])))
    assert torch.equal(one, other.flip(0))


def test_clouds_are_blobs_and_not_speckle():
    sizes = []
    for name in map(str, range(20)):
        field = cloud_field(name, "landsat")[:96, :96]
        labels, count = ndimage.label(field > np.median(field))
        sizes.append(np.bincount(labels.ravel())[1:].max() / (labels > 0).sum())
        assert count < 40
    assert np.mean(sizes) > 0.5  # most of the cloud is one cloud
    assert pytest.approx(10.0) == STEP_M


def test_chips_wider_than_the_field_are_covered_too():
    (group,) = cover(acquisition("landsat", side=3840.0), 50, NAMES)
    assert 0.4 < (~group.valid).float().mean() < 0.65
