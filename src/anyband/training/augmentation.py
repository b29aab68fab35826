"""Random symmetries of the metric frame and random brightness, the same for every method."""

from dataclasses import replace

import torch
from torch import Tensor

from anyband.observation import SCENE, BandGroup, Observation

SYMMETRIES = 8


def turn(observation: Observation, labels: Tensor, symmetry: int, side_m: float) -> tuple[Observation, Tensor]:
    """Apply one of the 8 symmetries of the square of `side_m` metres to all groups and to the labels (B, H, W).

    A group whose corner lies off the square's corner keeps its true place: its offset is turned with it, and so is the
    azimuth of the sun, or shadows would fall towards it.
    """
    flip_x, flip_y, transpose = bool(symmetry & 1), bool(symmetry & 2), bool(symmetry & 4)
    groups = tuple(_turn_group(group, flip_x, flip_y, transpose, side_m) for group in observation.groups)
    return Observation(groups), _turn_image(labels, flip_x, flip_y, transpose)


def _turn_image(image: Tensor, flip_x: bool, flip_y: bool, transpose: bool) -> Tensor:
    axes = [axis for axis, wanted in ((-1, flip_x), (-2, flip_y)) if wanted]
    flipped = image.flip(axes) if axes else image
    return flipped.transpose(-1, -2) if transpose else flipped


def _turn_group(group: BandGroup, flip_x: bool, flip_y: bool, transpose: bool, side_m: float) -> BandGroup:
    height, width = group.values.shape[2:]
    dx, dy = group.offset_m.unbind(1)
    if flip_x:
        dx = side_m - (dx + width * group.pixel_m)
    if flip_y:
        dy = side_m - (dy + height * group.pixel_m)
    return replace(
        group,
        values=_turn_image(group.values, flip_x, flip_y, transpose),
        valid=_turn_image(group.valid, flip_x, flip_y, transpose),
        offset_m=torch.stack((dy, dx) if transpose else (dx, dy), dim=1),
        scene=_turn_scene(group.scene, flip_x, flip_y, transpose),
    )


def _turn_scene(scene: Tensor, flip_x: bool, flip_y: bool, transpose: bool) -> Tensor:
    """The azimuth counts clockwise from up: a flip mirrors it, and transposing exchanges right and down."""
    place = SCENE.index("sun_azimuth")
    azimuth = scene[:, place]
    if flip_x:
        azimuth = -azimuth
    if flip_y:
        azimuth = 180 - azimuth
    if transpose:
        azimuth = 270 - azimuth
    turned = scene.clone()
    turned[:, place] = azimuth.remainder(360)
    return turned


def brighten(observation: Observation, spread: float) -> Observation:
    """Multiply each sample and product by one random gain and each of its bands by another, about 1.

    Gains are log-normal with standard deviations `spread` and `spread` / 2: what illumination and the residual
    atmosphere do to a scene.
    """
    if spread == 0:
        return observation
    common = {p: spread * torch.randn(observation.batch, 1, 1, 1) for p in sorted(observation.products)}
    groups = []
    for group in observation.groups:
        single = spread / 2 * torch.randn(*group.values.shape[:2], 1, 1)
        groups.append(replace(group, values=group.values * torch.exp(common[group.product] + single)))
    return Observation(tuple(groups))
