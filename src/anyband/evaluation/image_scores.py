"""Scores of translated images against real ones. None of them says what a map made from the image is worth.

Images are float arrays (N, H, W, B) of N chips, H x W pixels and B bands, in reflectance; `valid` (N, H, W) is where
both were observed, and nothing else is scored. A score without any valid pixel is NaN.
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter

from anyband.chips.dataset import ChipDataset
from anyband.evaluation.confusion import IMAGES
from anyband.evaluation.inference import BATCH, label_grid
from anyband.models.baselines.translation import Translation
from anyband.models.core.method import Method

Images = NDArray[np.floating]
Mask = NDArray[np.bool_]
# Window of Wang et al. 2004: 11 x 11 pixels, Gaussian of 1.5 pixels.
SSIM_RADIUS, SSIM_SIGMA = 5, 1.5


def _band_means(values: Images) -> NDArray[np.float64]:
    """Means (B,) of the spectra (n, B), NaN without any."""
    return values.mean(axis=0) if len(values) else np.full(values.shape[1], np.nan)


def rmse(reference: Images, estimate: Images, valid: Mask) -> NDArray[np.float64]:
    """Root of the mean squared error per band (B,), in the unit of the images."""
    return np.asarray(np.sqrt(_band_means((estimate[valid] - reference[valid]).astype(np.float64) ** 2)))


def ssim(reference: Images, estimate: Images, valid: Mask, peak: float = 1.0) -> NDArray[np.float64]:
    """Structural similarity per band (B,), mean over windows that are valid throughout.

    Wang et al. 2004, IEEE Transactions on Image Processing 13(4), eq. 13, with K1 = 0.01 and K2 = 0.03. With a peak of
    1 the constants are large for dark bands, so values of different bands do not compare.
    """
    whole = minimum_filter(valid, 2 * SSIM_RADIUS + 1, axes=(1, 2), mode="constant", cval=0)
    total = np.zeros(reference.shape[-1])
    for i in range(len(reference)):  # one chip at a time, as a split fills the memory several times over
        x, y = (np.where(valid[i, ..., None], image[i], 0.0).astype(np.float64) for image in (reference, estimate))
        total += _similarity(x, y, peak)[whole[i]].sum(axis=0)
    return total / whole.sum() if whole.any() else np.full(len(total), np.nan)


def _similarity(x: NDArray[np.float64], y: NDArray[np.float64], peak: float) -> NDArray[np.float64]:
    """Structural similarity of the windows around all pixels (H, W, B)."""
    mean_x, mean_y, square_x, square_y, product = (
        gaussian_filter(image, SSIM_SIGMA, radius=SSIM_RADIUS, axes=(0, 1), mode="constant")
        for image in (x, y, x * x, y * y, x * y)
    )
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * (product - mean_x * mean_y) + c2)
    spread = square_x - mean_x**2 + square_y - mean_y**2 + c2
    return np.asarray(likeness / ((mean_x**2 + mean_y**2 + c1) * spread))


def sam(reference: Images, estimate: Images, valid: Mask) -> float:
    """Spectral angle, degrees: mean over pixels of the angle between the two spectra (Kruse et al. 1993, RSE 44)."""
    x, y = reference[valid].astype(np.float64), estimate[valid].astype(np.float64)
    size = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    x, y, size = x[size > 0], y[size > 0], size[size > 0]
    if not len(size):
        return float("nan")
    return float(np.degrees(np.arccos(np.clip((x * y).sum(axis=-1) / size, -1, 1))).mean())


def tidy(
    reference: Images, estimate: Images, valid: Mask, bands: tuple[str, ...], ratio: float = 1 / 3
) -> pd.DataFrame:
    """One row per band, and a row "all": RMSE over all values, PSNR of that, mean SSIM, ERGAS and spectral angle.

    PSNR is 20 log10(1 / RMSE), dB. ERGAS is the quadratic mean over bands of 100 ratio RMSE / mean, 0 is perfect: Wald
    2000, "Quality of high resolution synthesised images: is there a simple criterion?". `ratio` is the pixel size of
    the translated image over that of its source: 10 m / 30 m.
    """
    errors, likeness = (score(reference, estimate, valid) for score in (rmse, ssim))
    relative = 100 * ratio * errors / _band_means(reference[valid].astype(np.float64))
    with_all = np.append(errors, np.sqrt((errors**2).mean()))
    with np.errstate(divide="ignore"):
        decibel = 20 * np.log10(1 / with_all)
    columns = {
        "band": [*bands, "all"],
        "rmse": with_all,
        "psnr_db": decibel,
        "ssim": np.append(likeness, likeness.mean()),
        "ergas": np.append(relative, np.sqrt((relative**2).mean())),
        "sam_deg": [*(float("nan") for _ in bands), sam(reference, estimate, valid)],
    }
    return pd.DataFrame(columns, columns=["band", *IMAGES])


def score_images(method: Method, table: ChipDataset, products: frozenset[str]) -> pd.DataFrame:
    """Scores per band of Landsat translated to Sentinel-2, over all chips of a table and where both saw the ground.

    The real image is of another moment than the translated one, so change and clouds' edges count as error. No row
    for a method that translates nothing, or when the table's `products` lack the source or the target.
    """
    if not isinstance(method, Translation) or not method.training_products <= products:
        return pd.DataFrame(columns=["band", *IMAGES])
    parts: list[tuple[np.ndarray, ...]] = []
    chips = table.having(method.training_products)
    with torch.inference_mode():
        for start in range(0, len(chips), BATCH):
            indices = chips[start : start + BATCH]
            observation = table.observation(indices, method.training_products)
            made, real, both = method.images(observation, label_grid(table))
            parts.append((real.numpy(), made.numpy(), both.numpy()))
    if not parts:
        return pd.DataFrame(columns=["band", *IMAGES])
    image, estimate, valid = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return tidy(image, estimate, valid, method.target.bands[method.products[0]])
