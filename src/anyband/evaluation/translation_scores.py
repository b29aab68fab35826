"""Image scores of a method that translates one sensor's images into another's."""

import numpy as np
import pandas as pd
import torch

from anyband.chips.dataset import ChipTable
from anyband.evaluation.image_scores import nothing, tidy
from anyband.evaluation.inference import BATCH, label_grid
from anyband.models.baselines.translation import Translation
from anyband.models.core.method import Method


def score_images(method: Method, table: ChipTable, products: frozenset[str]) -> pd.DataFrame:
    """Scores per band of Landsat translated to Sentinel-2, over all chips of a table and where both saw the ground.

    The real image is of another moment than the translated one, so change and clouds' edges count as error. No row
    for a method that translates nothing, or when the table's `products` lack the source or the target.
    """
    if not isinstance(method, Translation) or not method.training_products() <= products:
        return nothing()
    parts: list[tuple[np.ndarray, ...]] = []
    with torch.inference_mode():
        for indices in table.ordered_batches(BATCH):
            observation = table.observation(indices, method.training_products())
            made, real, both = method.images(observation, label_grid(table))
            parts.append((real.numpy(), made.numpy(), both.numpy()))
    image, estimate, valid = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return tidy(image, estimate, valid, method.target.bands["sentinel2"])
