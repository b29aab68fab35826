"""The converter that a pretraining is: any bands in, any bands out, through the spectrum in between."""

from torch import Tensor

from anyband.apply.harmonisers.converter import Task
from anyband.models.core.storage import load
from anyband.models.proposed.reconstruction import Reconstruction
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError


class Learned:
    """Every band of the target that the knots of the pretraining tell."""

    def __init__(self, task: Task, model: Reconstruction) -> None:
        """Keep model and bands.

        Raises:
            UserError: no band of the target is one that the pretraining knows of.
        """
        self.model = model
        reflective = (band for band in task.target.bands if band.quantity == "surface_reflectance")
        self.bands = tuple(band for band in reflective if model.tells(band))
        if not self.bands:
            raise UserError(f"--method learned: the pretraining knows no band like those of {task.target.platform}")

    def __call__(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Reflectance (B, bands, H, W) on the query grid, and where it holds (B, H, W) bool."""
        return self.model.pixels(observation, query, self.bands)


def make(task: Task) -> Learned:
    """The converter for a task.

    Raises:
        UserError: no run, or one that is no pretraining.
    """
    if task.run is None:
        raise UserError(
            "--method learned: name a pretraining with --model (results/pretrained/main/anyband-pretrained/seed-0)"
        )
    _, model = load(task.run)
    if not isinstance(model, Reconstruction):
        raise UserError(f"--method learned: {task.run} is no pretraining")
    return Learned(task, model)
