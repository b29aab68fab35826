"""The Gaussian conversion: the expected value of the target's bands under the prior of `models.analytic`.

E[B rho | y] = B mu + B K A^T (A K A^T + R)^-1 (y - A mu), with A the responses of the bands at hand, B those of the
target, and mean and spread of the prior from the training pixels of a run.
"""

import numpy as np
import torch
from torch import Tensor

from anyband.apply.harmonisers import HarmoniseTask
from anyband.apply.harmonisers.resample import resample
from anyband.models.baselines.analytic import AnalyticOptions, SpectralPrior
from anyband.models.core.normalisation import Statistics, conditional
from anyband.models.core.storage import read_recipe
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band


class Gaussian:
    """One matrix from bands to bands, for the bands that were all seen; resampling before it."""

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
