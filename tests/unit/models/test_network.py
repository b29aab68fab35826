import pytest
import torch

from anyband.models.core.network import Trunk, rotary_angles, rotate


def test_attention_depends_on_metres_between_cells_only():
    torch.manual_seed(0)
    query, key = torch.randn(1, 1, 36, 16), torch.randn(1, 1, 36, 16)
    query, key = query[:, :, :1].expand_as(query), key[:, :, :1].expand_as(key)
    cosine, sine = rotary_angles(6, 6, 60.0, 8)
    score = (rotate(query, cosine, sine) @ rotate(key, cosine, sine).transpose(-1, -2))[0, 0]
    # Cells 0 -> 7 and 14 -> 21 are both one step down and one to the right.
    assert score[0, 7] == pytest.approx(float(score[14, 21]), abs=1e-4)
    assert abs(float(score[0, 7] - score[7, 0])) > 1e-4


def test_smaller_cells_mean_shorter_steps():
    near, _ = rotary_angles(2, 2, 30.0, 8)
    far, _ = rotary_angles(2, 2, 60.0, 8)
    assert (near[1] >= far[1] - 1e-6)[1:4].all()


def test_any_extent_goes_through():
    trunk = Trunk(16, 1, 2, 2.0, 60.0)
    for down, across in ((4, 4), (16, 16), (3, 7)):
        assert trunk(torch.randn(2, down, across, 16)).shape == (2, down, across, 16)


def test_a_width_without_room_for_positions_is_refused():
    with pytest.raises(ValueError, match="multiple of 4"):
        Trunk(20, 1, 2, 2.0, 60.0)


def test_a_map_leaves_no_table_that_training_cannot_use():
    """A training whose crops have the extent of an earlier map failed at the backward pass."""
    rotary_angles.cache_clear()
    trunk, cells = Trunk(16, 1, 2, 2.0, 60.0), torch.randn(2, 5, 5, 16)
    with torch.inference_mode():
        trunk(cells)
    trunk(cells).sum().backward()
