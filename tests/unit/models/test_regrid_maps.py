import pytest
import torch

from anyband.models.core.network import CellTokens
from anyband.models.core.regrid import FeatureMap, upsample_cells
from anyband.observation import QueryGrid

QUERY = QueryGrid(10.0, 24, 24)


def constant(pixel_m: float, shift: float, holes: bool = False) -> FeatureMap:
    size = int(240 // pixel_m)
    weight = torch.ones(1, size, size, 1)
    if holes:
        weight[:, ::3, ::2] = 0
    level = torch.tensor([0.3, -1.0, 2.0])
    return FeatureMap(level * weight, weight, pixel_m, torch.full((1, 2), shift))


@pytest.mark.parametrize(
    ("pixel_m", "shift", "holes"),
    [
        (10, 0, False),
        (20, 0, False),
        (30, 15, False),
        (30, -15, False),
        (60, 0, False),
        (15, 7.5, False),
        (10, 0, True),
    ],
)
def test_a_constant_scene_gives_one_token_whatever_the_grid_phase_and_mask(pixel_m, shift, holes):
    torch.manual_seed(0)
    tokens = CellTokens(3, 8, order=3, cell_m=60.0)
    reference, _ = tokens(constant(10.0, 0.0), QUERY)
    seen, _ = tokens(constant(float(pixel_m), float(shift), holes), QUERY)
    assert torch.allclose(seen, reference, atol=1e-4)


def test_a_cell_that_nobody_observed_is_finite_and_marked():
    features = constant(10.0, 0.0)
    hidden = FeatureMap(features.values * 0, features.weight * 0, 10.0, features.offset_m)
    token, covered = CellTokens(3, 8, order=2, cell_m=60.0)(hidden, QUERY)
    assert torch.isfinite(token).all()
    assert (covered == 0).all()


def test_cells_move_with_the_ground():
    torch.manual_seed(1)
    values = torch.rand(1, 24, 24, 3)
    wide = FeatureMap(values, torch.ones(1, 24, 24, 1), 10.0, torch.zeros(1, 2))
    part = FeatureMap(values[:, 6:, 12:], torch.ones(1, 18, 12, 1), 10.0, torch.zeros(1, 2))
    tokens = CellTokens(3, 8, order=3, cell_m=60.0)
    everywhere, _ = tokens(wide, QUERY)
    shifted, _ = tokens(part, QueryGrid(10.0, 18, 12))
    assert torch.allclose(shifted, everywhere[:, 1:, 2:], atol=1e-5)


def test_reading_honours_the_offset_in_metres():
    values = torch.arange(8.0).reshape(1, 1, 8, 1).expand(1, 8, 8, 1)
    weight = torch.ones(1, 8, 8, 1)
    centred, _ = FeatureMap(values, weight, 30.0, torch.zeros(1, 2)).read(QUERY, linear=True)
    moved, _ = FeatureMap(values, weight, 30.0, torch.tensor([[15.0, 0.0]])).read(QUERY, linear=True)
    # The same pixel values lie half a pixel further right: every point reads half a pixel less.
    assert torch.allclose(centred[0, 0, 6:18, 0] - moved[0, 0, 6:18, 0], torch.full((12,), 0.5), atol=1e-5)


def test_reading_does_not_blend_unobserved_pixels_in():
    values, weight = torch.ones(1, 8, 8, 1), torch.ones(1, 8, 8, 1)
    values[:, :, 4:], weight[:, :, 4:] = 0, 0
    read, seen = FeatureMap(values, weight, 30.0, torch.zeros(1, 2)).read(QUERY, linear=True)
    assert torch.allclose(read[seen > 0], torch.ones(()), atol=1e-5)
    assert (seen == 0).any()


def test_general_and_exact_upsampling_agree():
    cells = torch.rand(2, 4, 4, 3)
    exact = upsample_cells(cells, 60.0, QueryGrid(10.0, 24, 24))
    longer = upsample_cells(cells, 60.0, QueryGrid(10.0, 23, 24))
    assert torch.allclose(exact[:, :23], longer, atol=1e-5)
