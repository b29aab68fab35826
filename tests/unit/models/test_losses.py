import pytest
import torch

from anyband.models.core.network import class_weights, masked_cross_entropy, mean_cross_entropy


def test_unscored_pixels_do_not_count():
    logits = torch.randn(1, 3, 4, 4)
    labels = torch.randint(0, 3, (1, 4, 4))
    labels[0, :2] = -1
    expected = torch.nn.functional.cross_entropy(logits[:, :, 2:], labels[:, 2:])
    assert masked_cross_entropy(logits, labels, None).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_without_a_scored_pixel_costs_nothing():
    loss = masked_cross_entropy(torch.randn(1, 3, 4, 4), torch.full((1, 4, 4), -1), None)
    assert loss.item() == 0


def test_rare_classes_weigh_more_and_the_mean_pixel_weighs_one():
    weights = class_weights((900, 90, 10), "sqrt-inverse")
    assert weights is not None
    assert weights[2] / weights[0] == pytest.approx(90**0.5, rel=1e-4)
    assert float(weights @ torch.tensor([0.9, 0.09, 0.01])) == pytest.approx(1, rel=1e-5)


def test_an_absent_class_gets_a_finite_weight():
    weights = class_weights((10, 0), "sqrt-inverse")
    assert weights is not None
    assert torch.isfinite(weights).all()


def test_equal_weights_are_no_weights():
    assert class_weights((1, 2), "none") is None


def test_the_loss_of_several_maps_is_the_mean():
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    maps = [torch.randn(1, 3, 4, 4) for _ in range(2)]
    losses = [float(mean_cross_entropy(chosen, labels, None)) for chosen in (maps[:1], maps[1:], maps)]
    assert losses[2] == pytest.approx((losses[0] + losses[1]) / 2)
