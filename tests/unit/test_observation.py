"""What a model sees."""

import pytest
import torch

from anyband.observation import BandGroup, Observation
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
