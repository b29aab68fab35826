"""The training loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

IGNORED = -1


def class_weights(label_counts: tuple[int, ...], kind: str) -> Tensor | None:
    """Weights (classes,) of the cross-entropy from training pixels per class, or None for equal weights.

    "sqrt-inverse": one over the square root of the class's share, scaled so that the mean over pixels is 1.
    """
    if kind == "none":
        return None
    counts = torch.tensor(label_counts, dtype=torch.float64).clamp_min(1)
    share = counts / counts.sum()
    weights = share.rsqrt()
    return (weights / (weights * share).sum()).float()


def masked_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy over scored pixels; 0 when a batch has none.

    Args:
        logits: (B, classes, H, W).
        labels: (B, H, W) int64 class index, -1 where not scored.
        weights: (classes,) or None.
    """
    total = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp_min(1)


def mean_cross_entropy(maps: Sequence[Tensor], labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of the masked cross-entropies of several maps (B, classes, H, W) of the same ground; arguments as above."""
    return torch.stack([masked_cross_entropy(logits, labels, weights) for logits in maps]).mean()
