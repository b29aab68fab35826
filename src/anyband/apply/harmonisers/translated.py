"""The translator of a trained `translation` run: Landsat to Sentinel-2."""

from torch import Tensor
from torch.nn.functional import avg_pool2d

from anyband.apply.harmonisers.converter import Task
from anyband.models.baselines.translation import Translation
from anyband.models.core.band_stack import GRID_M
from anyband.models.core.storage import load
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError


class Translated:
    """Bands that the run was trained with, made on 10 m and averaged where coarser ones are asked for."""

    def __init__(self, task: Task, model: Translation) -> None:
        """Keep model and bands."""
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


def make(task: Task) -> Translated:
    """The converter for a task.

    Raises:
        UserError: no run of that model, or other sensors than Landsat and Sentinel-2.
    """
    if (task.product, task.target.product) != ("landsat", "sentinel2"):
        raise UserError("--method translation makes sentinel-2a, -2b or -2c from Landsat 8 or 9 alone")
    if task.run is None:
        raise UserError("--method translation: name a trained run with --model (results/runs/main/translation/seed-0)")
    _, model = load(task.run)
    if not isinstance(model, Translation):
        raise UserError(f"--method translation: {task.run} is not a run of the model translation")
    return Translated(task, model)
