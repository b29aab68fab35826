"""Harmonisers that are trained runs: the translator of a `translation` run, and a pretraining."""

from torch import Tensor
from torch.nn.functional import avg_pool2d

from anyband.apply.harmonisers import HarmoniseTask
from anyband.models.baselines.translation import Translation
from anyband.models.core.band_stack import GRID_M
from anyband.models.core.storage import load
from anyband.models.proposed.reconstruction import Reconstruction
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError


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
