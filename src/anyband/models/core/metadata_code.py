"""What is known of an acquisition as a whole (sun, view, day of the year) as a vector, and what stands for its absence.

Angles and days enter by sines and cosines, so that a year and a turn close. Each kind of fact has a flag that says that
it is absent, whose weights are what is learned to stand for it. The facts of some training samples are hidden, or
nothing would be learned of absence where every item says all.
"""

import math

import torch
from torch import Tensor, nn

from anyband.models.core.layers import linear
from anyband.observation import SCENE

HIDDEN_CHANCE = 0.3
YEAR_DAYS = 365.25
VALUES, FLAGS = 6, 4


class SceneCode(nn.Module):
    """A vector (B, E) for acquisitions of which `scene` (B, 4) is known, in the order of `SCENE`."""

    def __init__(self, width: int) -> None:
        """`width` is E."""
        super().__init__()
        self.weigh = linear(VALUES + FLAGS, width, gain=0.1)

    def forward(self, scene: Tensor) -> Tensor:
        """The vectors; in training, those of a random part of the samples are that of nothing known."""
        if self.training:
            hidden = torch.rand(len(scene), 1) < HIDDEN_CHANCE
            scene = scene.masked_fill(hidden.to(scene.device), math.nan)
        vector: Tensor = self.weigh(encoded(scene))
        return vector


def encoded(scene: Tensor) -> Tensor:
    """Facts (B, 4) as numbers (B, 10) about one: values, 0 where absent, and for each kind a flag that is 1 there.

    Kinds are the height of the sun, the direction of its light over ground (which needs both of its angles), the day of
    the year, and the view.
    """
    facts = dict(zip(SCENE, scene.unbind(-1), strict=True))
    sun, azimuth, view = (facts[name].deg2rad() for name in ("sun_zenith", "sun_azimuth", "view_zenith"))
    day = facts["day_of_year"] * (2 * math.pi / YEAR_DAYS)
    kinds = (
        (sun.cos(),),
        (sun.sin() * azimuth.sin(), sun.sin() * azimuth.cos()),
        (day.sin(), day.cos()),
        (view.cos(),),
    )
    absent = [values[0].isnan().float() for values in kinds]
    return torch.stack([*(value.nan_to_num(0.0) for values in kinds for value in values), *absent], dim=-1)
