import math

import pytest
import torch

from anyband.models.rivals.swin import SIZES, SwinV2, relative_positions, shift_mask


@pytest.mark.parametrize(("size", "published"), [("t", 28_351_570), ("b", 87_930_848)])
def test_sizes_are_those_of_torchvision(size, published):
    # num_params of Swin_V2_T_Weights and Swin_V2_B_Weights, torchvision 0.28
    with torch.device("meta"):
        net = SwinV2(3, SIZES[size])
    assert sum(p.numel() for p in net.parameters()) == published


@pytest.mark.parametrize("shape", [(48, 48), (64, 32), (72, 128), (4, 4)])
def test_stages_halve_the_map_and_double_the_channels(shape):
    height, width = shape
    stages = SwinV2(5, SIZES["ci"])(torch.rand(2, 5, *shape))
    assert [s.shape[1] for s in stages] == [8, 16, 32, 64]
    down, across = height // 4, width // 4
    for stage in stages:
        assert stage.shape[2:] == (down, across)
        down, across = -(-down // 2), -(-across // 2)


def test_the_forward_pass_is_torchvisions():
    # Recorded from torchvision 0.28 swin_v2_t with every parameter set by `pattern` and the image below: mean and
    # root mean square of each stage.
    recorded = [(0.1322432, 0.6186198), (0.0257053, 0.6347405), (0.0045000, 1.6768323), (0.0090038, 0.6121647)]
    net = SwinV2(3, SIZES["t"]).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(pattern(parameter.shape))
        stages = net(pattern((1, 3, 72, 128)) * 5)
    for stage, (mean, square) in zip(stages, recorded, strict=True):
        assert float(stage.double().mean()) == pytest.approx(mean, abs=1e-5)
        assert float(stage.double().square().mean().sqrt()) == pytest.approx(square, rel=1e-4)


def pattern(shape) -> torch.Tensor:
    """Reproducible numbers of about 0.1 without any random generator."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (0.15 * torch.sin(count * 0.618 + 0.3 * count.sqrt())).float().reshape(shape)


def test_offsets_are_log_spaced_and_antisymmetric():
    table, index = relative_positions()
    assert table.shape == (1, 15, 15, 2)
    assert torch.allclose(table, -table.flip(1, 2))
    assert table[0, 14, 7].tolist() == pytest.approx([math.log2(9) / 3, 0.0])
    pairs = index.reshape(64, 64)
    assert (pairs.diagonal() == 7 * 15 + 7).all()
    assert pairs[9, 0] == (7 + 1) * 15 + 7 + 1  # one row and one column further


def test_shifted_windows_do_not_look_across_the_edge_of_the_map():
    mask = shift_mask(16, 16, (4, 4))
    assert mask.shape == (4, 64, 64)
    assert (mask[0] == 0).all()
    assert (mask[3] != 0).float().mean() == 0.75  # four quarters from four corners
    one_axis = shift_mask(8, 16, (0, 4))
    assert (one_axis[1] != 0).float().mean() == 0.5


def test_blocks_are_dropped_in_training_only():
    net = SwinV2(3, SIZES["t"])
    block = net.features[7][1]
    assert block.drop_path == pytest.approx(0.2)
    branch = torch.ones(1000, 1, 1, 1)
    torch.manual_seed(0)
    assert block.skip(branch).mean() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(block.eval().skip(branch), branch)


def test_every_used_parameter_gets_a_gradient():
    net = SwinV2(3, SIZES["ci"])
    sum(stage.square().sum() for stage in net(torch.rand(1, 3, 72, 72))).backward()
    unused = {name for name, p in net.named_parameters() if p.grad is None}
    assert unused == {"norm.weight", "norm.bias", "head.weight", "head.bias"}
