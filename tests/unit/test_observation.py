"""What a model sees."""

import math
from datetime import UTC, datetime

import pytest
import torch

from anyband.observation import BandGroup, Observation, scene_row
from anyband.sensors import BandSet, get_sensor


def group(names=("B02", "B03"), **changes):
    bands = get_sensor("sentinel-2a", "sentinel2").band_set(names)
    fields = {
        "product": "sentinel2",
        "values": torch.rand(2, len(names), 4, 4),
        "valid": torch.ones(2, len(names), 4, 4, dtype=torch.bool),
        "band_sets": (bands,),
        "band_set_index": torch.zeros(2, dtype=torch.int64),
        "pixel_m": 10.0,
        "offset_m": torch.zeros(2, 2),
    }
    return BandGroup(**(fields | changes))


def test_selected_bands_keep_their_description():
    chosen = group().select_bands((1,))
    assert [band.name for band in chosen.band_sets[0]] == ["B03"]
    assert torch.equal(chosen.values[:, 0], chosen.values[:, 0])
    assert chosen.values.shape == (2, 1, 4, 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"valid": torch.ones(2, 2, 4, 4)},
        {"band_sets": (BandSet("x", ()),)},
        {"offset_m": torch.zeros(2)},
    ],
)
def test_tensors_that_do_not_belong_together_are_refused(changes):
    with pytest.raises(ValueError, match="sentinel2"):
        group(**changes)


def test_groups_come_finest_first_and_products_can_be_left_out():
    observation = Observation((group(pixel_m=20.0), group(), group(product="landsat", pixel_m=30.0)))
    assert [g.pixel_m for g in observation.of("sentinel2")] == [10.0, 20.0]
    assert observation.only(frozenset({"landsat"})).products == {"landsat"}


def test_facts_of_the_scene_stay_with_their_samples():
    row = torch.tensor([[30.0, 150.0, 5.0, 100.0], [40.0, 160.0, 6.0, 200.0]])
    kept = group(scene=row).select_bands((1,)).part(slice(1, 2), torch.device("cpu"))
    assert torch.equal(kept.scene, row[1:])
    assert group().scene.shape == (2, 4) and group().scene.isnan().all(), "nothing is known unless told"
    with pytest.raises(ValueError, match=r"sentinel2: scene must be \(2, 4\)"):
        group(scene=row[:, :3])


def test_what_an_item_does_not_say_is_not_a_number():
    row = scene_row(datetime(2022, 2, 1, 10, 30, tzinfo=UTC), sun_zenith=40.0, view_zenith=0.0)
    assert row[0] == 40 and row[2:] == (0, 32) and math.isnan(row[1])
    assert all(math.isnan(fact) for fact in scene_row(None))
