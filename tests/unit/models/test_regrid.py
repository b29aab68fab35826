import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.models.core.regrid import apply_separable, moment_weights, reading_weights

OFFSETS = st.sampled_from([-15.0, -7.5, 0.0, 5.0, 15.0])


def offset(value: float) -> torch.Tensor:
    return torch.tensor([value])


def test_nearest_reading_takes_the_pixel_that_contains_the_point():
    weights = reading_weights(4, 30.0, offset(15.0), 12, 10.0, linear=False)[0]
    # Points lie at 5, 15, ... 115 m; pixels start at 15 m, so 5 m is off the row and takes its first pixel.
    assert weights.argmax(dim=1).tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3]


@given(OFFSETS, st.sampled_from([10.0, 15.0, 20.0, 30.0, 60.0]), st.sampled_from([5.0, 10.0, 30.0]))
def test_linear_reading_reproduces_a_ramp_in_metres(shift, pixel_m, spacing_m):
    pixels, points = int(480 / pixel_m), int(480 / spacing_m)
    weights = reading_weights(pixels, pixel_m, offset(shift), points, spacing_m, linear=True)[0]
    centres = (np.arange(pixels) + 0.5) * pixel_m + shift
    wanted = (np.arange(points) + 0.5) * spacing_m
    inside = (wanted >= centres[0]) & (wanted <= centres[-1])
    read = weights.numpy() @ centres
    assert np.allclose(read[inside], wanted[inside], atol=1e-2)
    assert np.allclose(weights.sum(dim=1), 1)


def test_linear_weights_fall_with_distance():
    weights = reading_weights(3, 30.0, offset(0.0), 9, 10.0, linear=True)[0]
    # The point at 35 m is 10 m from the second centre (45 m) and 20 m from the first (15 m).
    assert weights[3, 1] > weights[3, 0] > 0
    assert weights[3, 2] == 0


@settings(deadline=None)
@given(OFFSETS, st.sampled_from([10.0, 12.5, 15.0, 30.0, 60.0, 100.0]), st.sampled_from([30.0, 40.0, 60.0, 80.0]))
def test_moments_share_out_the_ground_of_every_covered_cell(shift, pixel_m, cell_m):
    cells, order = int(960 // cell_m), 3
    pixels = int(np.ceil((960 - shift) / pixel_m)) + 1
    weights = moment_weights(pixels, pixel_m, offset(shift), cells, cell_m, order)[0].reshape(cells, order, pixels)
    covered = np.arange(cells) * cell_m >= shift
    total = weights.sum(dim=2).numpy()
    assert np.allclose(total[covered, 0], 1, atol=1e-5)
    assert np.allclose(total[covered, 1:], 0, atol=1e-5)


def test_a_pixel_across_a_cell_edge_counts_in_both_cells_by_area():
    weights = moment_weights(4, 30.0, offset(0.0), 3, 40.0, 1)[0]
    assert weights[0].tolist() == pytest.approx([0.75, 0.25, 0, 0])
    assert weights[1].tolist() == pytest.approx([0, 0.5, 0.5, 0])


def test_moments_know_where_in_the_cell_the_light_is():
    weights = moment_weights(6, 10.0, offset(0.0), 1, 60.0, 2)[0].reshape(2, 6)
    assert weights[1, 0] > 0 > weights[1, -1]
    assert weights[1, 0] == pytest.approx(-float(weights[1, -1]))


def test_each_sample_is_read_at_its_own_offset():
    image = torch.arange(4.0).reshape(1, 1, 4, 1).expand(2, 4, 4, 1)
    rows = reading_weights(4, 10.0, torch.tensor([0.0, 0.0]), 4, 10.0, linear=False)
    columns = reading_weights(4, 10.0, torch.tensor([0.0, 10.0]), 4, 10.0, linear=False)
    read = apply_separable(rows, columns, image)
    assert read[0, 0, :, 0].tolist() == [0, 1, 2, 3]
    assert read[1, 0, :, 0].tolist() == [0, 0, 1, 2]
