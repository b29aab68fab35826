import math
from dataclasses import replace

import pytest
import torch

from anyband.observation import BandGroup, Observation
from anyband.training.augmentation import SYMMETRIES, brighten, turn
from handmade import S2_10, band_set

SIDE = 240.0


def scene(pixel_m: float, shift: tuple[float, float]) -> BandGroup:
    """A group whose pixel values are the ground position of their centres: bands x, y and two copies."""
    size = int(SIDE / pixel_m)
    centre = (torch.arange(size) + 0.5) * pixel_m
    x, y = (centre + shift[0]).expand(size, size), (centre + shift[1])[:, None].expand(size, size)
    values = torch.stack((x, y, x, y))[None].contiguous()
    sets = (band_set(S2_10, pixel_m),)
    index = torch.zeros(1, dtype=torch.int64)
    valid = torch.ones_like(values, dtype=torch.bool)
    return BandGroup("landsat", values, valid, sets, index, pixel_m, torch.tensor([shift]))


def moved(x: torch.Tensor, y: torch.Tensor, symmetry: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a ground point (x, y) lies after the symmetry."""
    x, y = (SIDE - x if symmetry & 1 else x), (SIDE - y if symmetry & 2 else y)
    return (y, x) if symmetry & 4 else (x, y)


@pytest.mark.parametrize("symmetry", range(SYMMETRIES))
@pytest.mark.parametrize(("pixel_m", "shift"), [(10.0, (0.0, 0.0)), (30.0, (15.0, -15.0))])
def test_offsets_turn_with_the_pixels(symmetry, pixel_m, shift):
    """A flip that forgets the half pixel would put Landsat 30 m beside Sentinel-2."""
    observation, _ = turn(Observation((scene(pixel_m, shift),)), torch.zeros(1, 24, 24).long(), symmetry, SIDE)
    group = observation.groups[0]
    size = group.values.shape[-1]
    centre = (torch.arange(size) + 0.5) * pixel_m
    dx, dy = group.offset_m[0]
    old_x, old_y = group.values[0, 0], group.values[0, 1]
    new_x, new_y = moved(old_x, old_y, symmetry)
    assert torch.allclose(new_x, (centre + dx).expand(size, size))
    assert torch.allclose(new_y, (centre + dy)[:, None].expand(size, size))


def test_labels_turn_with_the_pixels():
    group = scene(10.0, (0.0, 0.0))
    labels = group.values[:, 0].long()
    for symmetry in range(SYMMETRIES):
        observation, turned = turn(Observation((group,)), labels, symmetry, SIDE)
        assert torch.equal(turned, observation.groups[0].values[:, 0].long())


def test_the_eight_symmetries_differ():
    group = scene(10.0, (0.0, 0.0))
    labels = torch.arange(576).reshape(1, 24, 24)
    images = {tuple(turn(Observation((group,)), labels, s, SIDE)[1].flatten().tolist()) for s in range(SYMMETRIES)}
    assert len(images) == SYMMETRIES


def test_brightness_keeps_the_ratio_of_places_within_a_band():
    torch.manual_seed(0)
    observation = Observation((scene(30.0, (15.0, 15.0)),))
    changed = brighten(observation, 0.1).groups[0].values
    ratio = changed / observation.groups[0].values
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio), rtol=1e-4)
    assert not torch.allclose(ratio[0, 0], ratio[0, 1])
    assert brighten(observation, 0.0) is observation


@pytest.mark.parametrize("symmetry", range(SYMMETRIES))
@pytest.mark.parametrize("azimuth", [0.0, 150.0, 290.0])
def test_the_azimuth_of_the_sun_turns_with_the_crop(symmetry, azimuth):
    """Ground that brightens towards the sun must do so in the turned crop, too."""
    group = scene(10.0, (0.0, 0.0))
    right, down = math.sin(math.radians(azimuth)), -math.cos(math.radians(azimuth))
    slope = right * group.values[:, :1] + down * group.values[:, 1:2]
    group = replace(group, values=slope.repeat(1, 4, 1, 1), scene=torch.tensor([[40.0, azimuth, 5.0, 130.0]]))
    observation, _ = turn(Observation((group,)), torch.zeros(1, 24, 24).long(), symmetry, SIDE)
    (turned,) = observation.groups
    image, angle = turned.values[0, 0], math.radians(float(turned.scene[0, 1]))
    assert float(image[0, 1] - image[0, 0]) == pytest.approx(10 * math.sin(angle), abs=1e-3)
    assert float(image[1, 0] - image[0, 0]) == pytest.approx(-10 * math.cos(angle), abs=1e-3)
    assert turned.scene[0, [0, 2, 3]].tolist() == [40, 5, 130]
    assert 0 <= turned.scene[0, 1] < 360


def test_an_unknown_azimuth_stays_unknown_in_every_turn():
    for symmetry in range(SYMMETRIES):
        observation, _ = turn(Observation((scene(10.0, (0.0, 0.0)),)), torch.zeros(1, 24, 24).long(), symmetry, SIDE)
        assert observation.groups[0].scene.isnan().all()
