"""Every method learns: what tells two halves of the ground apart is found within a few steps."""

from dataclasses import replace

import pytest
import torch

from anyband.methods import MODELS
from anyband.models.core.method import Method
from anyband.models.core.storage import build, model_class
from anyband.observation import Observation, QueryGrid

QUERY = QueryGrid(10.0, 24, 24)
OWN_SIZES = {"satlas-full-size": {"size": "ci"}} | dict.fromkeys(
    ("pixel", "analytic", "satlas", "random-forest", "texture-forest"), {}
)
STEPS = 15


def two_halves(observe, products):
    """A batch whose right half is brighter in every band, and labels (B, H, W) that say so."""
    groups = []
    for group in observe(products).groups:
        brighter = torch.zeros_like(group.values)
        brighter[..., group.values.shape[3] // 2 :] = 0.3
        groups.append(replace(group, values=group.values + brighter))
    labels = torch.zeros(2, 24, 24, dtype=torch.int64)
    labels[:, :, 12:] = 1
    return Observation(tuple(groups)), QUERY, labels


@pytest.mark.parametrize("name", sorted(MODELS))
def test_it_learns(name, statistics, small, observe):
    torch.manual_seed(0)
    method = build(name, OWN_SIZES.get(name, small), statistics, 4)
    batch = two_halves(observe, sorted(method.drawn(0.99, method.training_products)))
    if model_class(name).fit is not Method.fit:
        method.fit([batch] * 4)
        right = method.eval()(*batch[:2]).argmax(dim=1) == batch[2]
        assert right.float().mean() > 0.9
        return
    rate = 0.001 if name == "satlas-full-size" else 0.01  # 0.01 throws its large network far away at first
    optimizer, losses = torch.optim.AdamW(method.parameters(), lr=rate), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = method.loss(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-5:]) < 0.7 * losses[0], [round(loss, 3) for loss in losses]
