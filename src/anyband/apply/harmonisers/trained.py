"""Harmonisers made from a run: the spectral prior of any, the translator of a `translation` run, a pretraining."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from anyband.apply.harmonisers import HarmoniseTask
from anyband.apply.harmonisers.resample import resample
from anyband.models.baselines.analytic import AnalyticOptions, SpectralPrior
from anyband.models.baselines.translation import Translation
from anyband.models.core.band_stack import GRID_M
from anyband.models.core.normalisation import Statistics, conditional
from anyband.models.core.storage import load, read_recipe
from anyband.models.proposed.reconstruction import Reconstruction
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band


class Gaussian:
    """The expected value of the target's bands under the prior of `models.analytic`: one matrix from bands to bands.

    E[B rho | y] = B mu + B K A^T (A K A^T + R)^-1 (y - A mu), with A the responses of the bands at hand, B those of the
    target, and mean and spread of the prior from the training pixels of a run. For the bands that were all seen;
    resampling before it.
    """

    def __init__(self, task: HarmoniseTask) -> None:
        """Make the prior of the task's run.

        Raises:
            UserError: no run was named, or no band at hand, or none of the target, is one of reflectance within the
                prior's wavelengths.
        """
        run = task.needed_run(
            "--method analytic: name any trained run with --model, its training pixels give the prior"
        )
        recipe = read_recipe(run)
        options = AnalyticOptions.parse(recipe.options if recipe.model == "analytic" else {}, recipe.method)
        prior = SpectralPrior(options, Statistics.from_dict(recipe.statistics))
        self.prior, self.resampling = prior, task.resampling
        self.bands = tuple(band for band in task.target.bands if prior.response(band) is not None)
        usable = [band for band in task.source if prior.response(band) is not None]
        if not self.bands or not usable:
            raise UserError(
                f"--method analytic: no reflective band of {task.target.platform if usable else task.platform}"
            )
        self._known: dict[tuple[str, ...], tuple[list[int], Tensor, Tensor]] = {}

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        values, valid, bands = resample(observation, query, self.resampling)
        chosen, gain, bias = self.conversion(bands)
        made = torch.einsum("tc,bchw->bthw", gain, values[:, chosen]) + bias[:, None, None]
        return made, valid[:, chosen].all(dim=1)

    def conversion(self, bands: tuple[Band, ...]) -> tuple[list[int], Tensor, Tensor]:
        """Positions of the usable bands (C), gain (T, C) and bias (T,)."""
        key = tuple(band.name for band in bands)
        if key not in self._known:
            responses = [self.prior.response(band) for band in bands]
            chosen = [n for n, response in enumerate(responses) if response is not None]
            source = np.array([response for response in responses if response is not None])
            target = np.array([self.prior.response(band) for band in self.bands])
            gain, _ = conditional(self.prior.covariance, source, target, self.prior.noise**2)
            bias = target @ self.prior.mean - gain @ source @ self.prior.mean
            self._known[key] = chosen, torch.from_numpy(gain).float(), torch.from_numpy(bias).float()
        return self._known[key]


class Translated:
    """Landsat to Sentinel-2: bands that the run was trained with, made on 10 m and averaged to coarser grids."""

    def __init__(self, task: HarmoniseTask) -> None:
        """Load the run.

        Raises:
            UserError: no run of that model, or other sensors than Landsat and Sentinel-2.
        """
        if (task.product, task.target.product) != ("landsat", "sentinel2"):
            raise UserError("--method translation makes sentinel-2a, -2b or -2c from Landsat 8 or 9 alone")
        example = "results/runs/main/translation/seed-0"
        run = task.needed_run(f"--method translation: name a trained run with --model ({example})")
        _, model = load(run)
        if not isinstance(model, Translation):
            raise UserError(f"--method translation: {run} is not a run of the model translation")
        self.model = model
        self.bands = tuple(task.target.band(name) for name in model.target.bands["sentinel2"])

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        scaled, seen = self.model.translate(observation, query)
        made = (scaled * self.model.target.std + self.model.target.mean).permute(0, 3, 1, 2)
        share = seen.permute(0, 3, 1, 2)
        if (times := round(query.pixel_m / GRID_M)) > 1:
            share = avg_pool2d(seen.permute(0, 3, 1, 2), times)
            made = avg_pool2d(made * seen.permute(0, 3, 1, 2), times) / share.clamp_min(1e-6)
        return made, share[:, 0] > 0.5


class Learned:
    """Any bands in, any bands out, through the spectrum in between, wherever the knots of the pretraining tell."""

    def __init__(self, task: HarmoniseTask) -> None:
        """Load the pretraining.

        Raises:
            UserError: no run, one that is no pretraining, or one that knows no band of the target.
        """
        example = "results/pretrained/main/anyband-pretrained/seed-0"
        run = task.needed_run(f"--method learned: name a pretraining with --model ({example})")
        _, model = load(run)
        if not isinstance(model, Reconstruction):
            raise UserError(f"--method learned: {run} is no pretraining")
        self.model = model
        reflective = (band for band in task.target.bands if band.quantity == "surface_reflectance")
        self.bands = tuple(band for band in reflective if model.tells(band))
        if not self.bands:
            raise UserError(f"--method learned: the pretraining knows no band like those of {task.target.platform}")

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        return self.model.pixels(observation, query, self.bands)
