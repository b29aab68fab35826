"""Fusion of predictions: one specialist per sensor, each blind to the other, and a rule that joins their probabilities.

With z_s the logits of specialist s, of the S sensors that saw a pixel:

* "mean-logits": sum_s z_s / S.
* "mean": log(sum_s softmax(z_s) / S), the linear opinion pool.
* "product": sum_s log softmax(z_s / T_s) - (S - 1) log prior, the posterior of sensors that are independent given the
  class (Kittler et al. 1998, On combining classifiers, IEEE TPAMI 20(3), product rule). The temperatures T_s (Guo et
  al. 2017, On calibration of modern neural networks) take away what confidence a specialist has too much or too little
  of. The prior is the share of the classes in training pixels; it fits a cross-entropy without class weights.
* "stacked": a multinomial logistic regression on the log softmax(z_s / T_s) of both (Wolpert 1992, Stacked
  generalization, Neural Networks 5), which starts from the product.

Temperatures and regression are fitted on validation chips after training. With one sensor every rule hands on the
prediction of that sensor's specialist.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from anyband.models.baselines.input_fusion import LandsatOnly, Sentinel2Only, StackOptions
from anyband.models.core.method import Batch, Method, Options, Subsets
from anyband.models.core.network import mean_cross_entropy
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

RULES = ("mean-logits", "mean", "product", "stacked")
PIXELS_PER_BATCH = 2048
RIDGE = 0.01
"""Weight of the squared distance of the stacked regression from the product of predictions."""


@dataclass(frozen=True)
class PredictionFusionOptions(StackOptions):
    """Sizes of each of the two specialists: by default both together are as large as one of the other methods.

    `{dim: 64, fine: 32, hidden: 64, features: 48}` makes two specialists of full size, the upper reference.

    Attributes:
        rule: "mean-logits", "mean", "product" or "stacked".
    """

    dim: int = 48
    fine: int = 24
    hidden: int = 48
    features: int = 24
    rule: str = "stacked"


class PredictionFusion(Method):
    """Two specialists, trained side by side on the same batches with a loss each."""

    label = "Prediction fusion"
    role = "baseline"
    family = "fusion of predictions"
    colours = ("#842001", "#a66139")
    marker = "h"
    cite = "kittler1998"
    entry_labels = {"prediction-full-size": "Two full specialists (twice the size)"}
    options_type = PredictionFusionOptions
    options: PredictionFusionOptions
    log_temperature: Tensor
    stack_weight: Tensor
    stack_bias: Tensor
    log_prior: Tensor

    def __init__(self, options: PredictionFusionOptions, statistics: Statistics, classes: int) -> None:
        """Build the specialists; before calibration temperatures are 1 and the stack is the product.

        Raises:
            UserError: no such rule.
        """
        super().__init__(options, statistics, classes)
        if options.rule not in RULES:
            raise UserError(f"options.rule {options.rule!r} does not exist; known: {', '.join(RULES)}")
        self.specialists = nn.ModuleList(
            specialist(options, statistics, classes) for specialist in (Sentinel2Only, LandsatOnly)
        )
        self.register_buffer("log_prior", log_shares(statistics.label_counts, classes), persistent=False)
        self.register_buffer("log_temperature", torch.zeros(len(self.products)))
        weight, bias = product_as_stack(self.log_prior, len(self.products))
        self.register_buffer("stack_weight", weight)
        self.register_buffer("stack_bias", bias)

    @classmethod
    def training_subsets(cls, options: Options) -> tuple[Subsets, ...]:
        """Both sensors together."""
        return ((frozenset(cls.products_of(options)),),)

    def loss(self, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """The mean cross-entropy of the specialists."""
        observation, query, labels = batch
        return mean_cross_entropy(self.each(observation, query), labels, class_weights)

    def each(self, observation: Observation, query: QueryGrid) -> list[Tensor]:
        """Logits (B, classes, H, W) of every specialist whose sensor is present, in the order of `products`."""
        pairs = zip(self.products, self.specialists, strict=True)
        return [specialist(observation, query) for product, specialist in pairs if observation.of(product)]

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        pairs = zip(self.products, self.specialists, strict=True)
        logits, seen, index = [], [], []
        for number, (product, specialist) in enumerate(pairs):
            if observation.of(product):
                logits.append(specialist(observation, query))
                seen.append(observed_pixels(observation, product, query))
                index.append(number)
        return self.join(torch.stack(logits), torch.stack(seen), index)

    def join(self, logits: Tensor, seen: Tensor, index: list[int]) -> Tensor:
        """Join predictions by the rule.

        Args:
            logits: (S, B, classes, H, W) of the specialists that are present.
            seen: (S, B, 1, H, W) 1.0 where the sensor saw the pixel, else 0.0; where none did, all count.
            index: (S,) their positions in `products`.

        Returns:
            (B, classes, H, W).
        """
        seen = torch.where(seen.sum(dim=0) > 0, seen, torch.ones_like(seen))
        count = seen.sum(dim=0)
        if self.options.rule == "mean-logits":
            return (logits * seen).sum(dim=0) / count
        if self.options.rule == "mean":
            return ((logits.softmax(dim=2) * seen).sum(dim=0) / count).clamp_min(1e-12).log()
        temperature = self.log_temperature[index].exp()[:, None, None, None, None]
        log_probability = (logits / temperature).log_softmax(dim=2)
        product = (log_probability * seen).sum(dim=0) - (count - 1) * self.log_prior[:, None, None]
        if self.options.rule == "product" or len(index) < len(self.products):
            return product
        both = log_probability.permute(1, 0, 2, 3, 4).flatten(1, 2)
        stacked = torch.einsum("kc,bchw->bkhw", self.stack_weight, both) + self.stack_bias[:, None, None]
        return torch.where(count == len(self.products), stacked, product)

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Fit temperatures and regression to evenly spaced pixels that are scored and that both sensors saw.

        Without any chip temperatures stay 1 and the stack is the product.
        """
        logits, labels = [], []
        for observation, query, label in batches:
            seen = torch.stack([observed_pixels(observation, product, query)[:, 0] for product in self.products])
            where = ((label >= 0) & (seen > 0).all(dim=0)).flatten().nonzero()[:, 0]
            where = where[:: max(len(where) // PIXELS_PER_BATCH, 1)]
            each = torch.stack(self.each(observation, query))
            logits.append(each.movedim(2, -1).flatten(1, 3)[:, where])
            labels.append(label.flatten()[where])
        if not labels:
            return
        every, truth = torch.cat(logits, dim=1).double(), torch.cat(labels)  # (S, N, classes), (N,)
        if not len(truth):
            raise UserError("prediction-fusion: no validation pixel is scored and seen by both sensors")
        log_temperature = torch.stack([fit_log_temperature(one, truth) for one in every])
        self.log_temperature.copy_(log_temperature)
        features = (every / log_temperature.exp()[:, None, None]).log_softmax(dim=-1).movedim(0, 1).flatten(1)
        weight, bias = fit_stack(features, truth, *product_as_stack(self.log_prior.double(), len(self.products)))
        self.stack_weight.copy_(weight)
        self.stack_bias.copy_(bias)


def log_shares(label_counts: tuple[int, ...], classes: int) -> Tensor:
    """Log share (classes,) of every class among training pixels; a class without any counts as one pixel."""
    counts = torch.tensor(label_counts or (1,) * classes, dtype=torch.float64).clamp_min(1.0)
    return (counts / counts.sum()).log().float()


def product_as_stack(log_prior: Tensor, sensors: int) -> tuple[Tensor, Tensor]:
    """Weight (classes, S * classes) and bias (classes,) of the regression that equals the product of predictions."""
    eye = torch.eye(len(log_prior), dtype=log_prior.dtype)
    return eye.repeat(1, sensors), (1 - sensors) * log_prior


def observed_pixels(observation: Observation, product: str, query: QueryGrid) -> Tensor:
    """1.0 where the product has a valid band at the query's pixel, else 0.0, as (B, 1, H, W)."""
    parts = []
    for group in observation.of(product):
        any_band = group.valid.any(dim=1)[..., None].float()
        everywhere = torch.ones_like(any_band)
        read, _ = FeatureMap(any_band, everywhere, group.pixel_m, group.offset_m).read(query, linear=False)
        parts.append(read)
    return torch.stack(parts).amax(dim=0).permute(0, 3, 1, 2)


def fit_log_temperature(logits: Tensor, labels: Tensor) -> Tensor:
    """The log T that minimises the cross-entropy of logits (N, classes) / T; a scalar."""
    free = torch.zeros((), dtype=logits.dtype)
    return minimise([free], lambda: cross_entropy(logits * (-free).exp(), labels))[0]


def fit_stack(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression near a start.

    Args:
        features: (N, F).
        labels: (N,).
        weight: (classes, F) start, towards which the ridge draws.
        bias: (classes,) start.

    Returns:
        Weight and bias of the fit.
    """
    free_weight, free_bias = weight.clone(), bias.clone()

    def loss() -> Tensor:
        distance = (free_weight - weight).square().sum() + (free_bias - bias).square().sum()
        return cross_entropy(features @ free_weight.T + free_bias, labels) + RIDGE * distance

    fitted = minimise([free_weight, free_bias], loss)
    return fitted[0], fitted[1]


def minimise(free: list[Tensor], loss: Callable[[], Tensor]) -> list[Tensor]:
    """Values of `free` at the minimum of a smooth `loss` of them, by L-BFGS."""

    def evaluate() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    with torch.enable_grad():
        optimizer = torch.optim.LBFGS([t.requires_grad_() for t in free], max_iter=100, line_search_fn="strong_wolfe")
        optimizer.step(evaluate)  # type: ignore[no-untyped-call]
    return [tensor.detach() for tensor in free]
