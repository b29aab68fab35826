"""The score that a pretraining reports while it runs."""

import numpy as np
import torch

from anyband.chips.dataset import ChipDataset
from anyband.evaluation.inference import CHIPS, evenly_spaced, label_grid
from anyband.models.core.method import Method
from anyband.models.proposed.reconstruction import Reconstruction


@torch.inference_mode()
def explained(method: Method, table: ChipDataset) -> float:
    """Mean over ordered pairs of products, and the bands of the second, of 1 - squared error / variance.

    On evenly spaced validation chips. The two acquisitions are up to some days apart, so 1 is out of reach.
    """
    assert isinstance(method, Reconstruction)
    method.eval()
    products = method.training_products
    observation, query = table.observation(evenly_spaced(len(table), CHIPS), products), label_grid(table)
    shares = []
    for source in sorted(products):
        spectra = method(observation.only(frozenset({source})), query)
        for group in (group for group in observation.groups if group.product != source):
            shares += method.explained(spectra, query, group)
    return float(np.mean(shares)) if shares else float("nan")
