"""The specialist of any product: which product it is of is known before there is a model."""

import pytest
import torch

from anyband.models.baselines.input_fusion import Sentinel2Only
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.storage import build, training_products
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import get_sensor
from handmade import covariance, make_group
from small_split import SMALL


def statistics_of(product: str, platform: str) -> Statistics:
    bands = get_sensor(platform, product).bands
    entries = [BandMoments(product, b.name, b.response.centre_nm, b.quantity, 0.2, 0.1) for b in bands]
    return Statistics(tuple(entries), (1,) * 3, covariance(entries))


@pytest.mark.parametrize("product", ["broadband", "narrowband", "hyperspectral", "hls_s30"])
def test_it_trains_on_its_product_alone_and_maps_it(product):
    assert training_products("sensor-only", {"product": product}) == {product}
    platform = "sentinel-2a" if product == "hls_s30" else f"{product}-1"
    method = build("sensor-only", SMALL | {"product": product}, statistics_of(product, platform), 3).eval()
    assert method.usable(frozenset({product, "sentinel2"})) == {product}
    assert not method.usable(frozenset({"sentinel2"}))
    band_set = get_sensor(platform, product).groups()
    ((pixel_m, bands),) = band_set.items()
    observation = Observation((make_group(product, bands, pixel_m, 480.0, 2, 0, 0.0),))
    with torch.no_grad():
        assert method(observation, QueryGrid(10.0, 48, 48)).shape == (2, 3, 48, 48)


def test_for_sentinel_2_it_is_the_network_of_the_specialist():
    statistics = statistics_of("sentinel2", "sentinel-2a")
    torch.manual_seed(0)
    one = build("sensor-only", SMALL, statistics, 3)
    torch.manual_seed(0)
    other = Sentinel2Only(Sentinel2Only.options_type.parse(SMALL, "s2-only"), statistics, 3)
    for (name, a), (same, b) in zip(one.state_dict().items(), other.state_dict().items(), strict=True):
        assert name == same and torch.equal(a, b)


def test_product_that_no_sensor_delivers_is_one_line():
    with pytest.raises(UserError, match="options.product: no sensor delivers 'broadbnd'"):
        training_products("sensor-only", {"product": "broadbnd"})


def test_it_cannot_be_trained_without_its_product():
    with pytest.raises(UserError, match="cannot be trained without landsat"):
        training_products("sensor-only", {"product": "landsat"}, "landsat")
