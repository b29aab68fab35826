"""Sensors that training never saw: as they are, and as if they were a sensor that it saw."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anyband.conditions import CONDITIONS, STANDS_FOR, parse
from anyband.evaluation.evaluate_run import views
from anyband.evaluation.inference import watched
from anyband.evaluation.perturbations import Chips, perturb
from anyband.models.core.method import UnsupportedInputError
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.storage import build, training_products
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.sensors import get_sensor, platforms
from handmade import covariance, make_group
from small_split import SMALL

SEEN = ("sentinel2", "landsat")
PLATFORM = {product: f"{product}-1" for product in ("broadband", "narrowband", "hyperspectral")}
PLATFORM |= {"sentinel2": "sentinel-2b", "landsat": "landsat-8", "hls_s30": "sentinel-2b", "hls_l30": "landsat-8"}
QUERY = QueryGrid(10.0, 48, 48)


def reflective(product: str, platform: str | None = None):
    bands = get_sensor(platform or PLATFORM[product], product).bands
    return tuple(band for band in bands if band.quantity == "surface_reflectance")


def observe(product: str, seed: int = 0) -> Observation:
    """Two chips of a product, every pixel its own value, a tenth not valid."""
    names = tuple(band.name for band in reflective(product))
    groups = []
    for number, (pixel_m, bands) in enumerate(get_sensor(PLATFORM[product], product).groups(names).items()):
        group = make_group(product, bands, pixel_m, 480.0, 2, seed + number, 0.0)
        valid = torch.rand(group.values.shape, generator=torch.Generator().manual_seed(number)) > 0.1
        groups.append(replace(group, values=group.values * valid, valid=valid))
    return Observation(tuple(groups))


@pytest.fixture
def statistics() -> Statistics:
    entries = [
        BandMoments(product, b.name, b.response.centre_nm, b.quantity, 0.2, 0.1)
        for product in SEEN
        for b in reflective(product)
    ]
    return Statistics(tuple(entries), (1,) * 4, covariance(entries))


def do(observation: Observation, key: str) -> Observation:
    chips = Chips(("a-0-r0c0", "a-0-r0c1"), lambda product: (observation.of(product), torch.tensor([True, True])))
    return perturb(observation, parse(key).steps, chips)


@pytest.mark.parametrize(
    ("name", "product", "target"),
    [("BB", "broadband", "S2"), ("HS", "hyperspectral", "L9"), ("S2", "sentinel2", "L9"), ("L9", "landsat", "S2")],
)
def test_every_band_of_the_other_sensor_has_the_values_of_the_nearest_band(name, product, target):
    before = observe(product)
    after = do(before, f"{name}/as-{target}")
    wanted = reflective(STANDS_FOR[target], platforms(STANDS_FOR[target])[0])
    assert after.products == {STANDS_FOR[target]}
    found = {band.name: (group, c) for group in after.groups for c, band in enumerate(group.band_sets[0])}
    assert set(found) == {band.name for band in wanted}
    source = [(group, c, band) for group in before.groups for c, band in enumerate(group.band_sets[0])]
    for band in wanted:
        group, channel = found[band.name]
        distances = [abs(other.response.centre_nm - band.response.centre_nm) for _, _, other in source]
        origin, index, near = source[int(np.argmin(distances))]
        assert torch.equal(group.values[:, channel], origin.values[:, index])
        assert torch.equal(group.valid[:, channel], origin.valid[:, index])
        assert (group.pixel_m, group.band_sets[0].bands[channel].gsd_m) == (origin.pixel_m, near.gsd_m)
        assert torch.equal(group.offset_m, origin.offset_m)
        assert group.band_sets[0].bands[channel].response is band.response, "it claims to be the other band"


def test_red_edge_of_sentinel_2_comes_from_red_or_near_infrared_where_a_sensor_has_none():
    after = do(observe("landsat"), "L9/as-S2")
    before = observe("landsat").groups[0]
    names = [band.name for band in before.band_sets[0]]
    (group,) = after.groups
    mapped = {band.name: group.values[:, c] for c, band in enumerate(group.band_sets[0])}
    assert torch.equal(mapped["B05"], before.values[:, names.index("red")])
    assert torch.equal(mapped["B07"], before.values[:, names.index("nir08")])


def test_mapping_keeps_the_platforms_of_a_mixed_batch_apart_in_nothing_but_the_pixels():
    """Two satellites in a batch have two descriptions before, and one afterwards, for every sample."""
    first = observe("hls_s30").groups[0]
    names = tuple(band.name for band in first.band_sets[0])
    sets = tuple(get_sensor(platform, "hls_s30").band_set(names) for platform in ("sentinel-2a", "sentinel-2b"))
    mixed = Observation((replace(first, band_sets=sets, band_set_index=torch.arange(2)),))
    for group in do(mixed, "S30/as-L9").groups:
        assert len(group.band_sets) == 1 and group.band_set_index.tolist() == [0, 0]


def test_only_temperature_at_hand_can_stand_for_nothing():
    band = get_sensor("landsat-9", "landsat").band_set(("lwir11",))
    with pytest.raises(UnsupportedInputError, match="no band of reflectance"):
        do(Observation((make_group("landsat", band, 30.0, 480.0, 1, 0, 0.0),)), "L9/as-S2")


def test_specialist_reads_another_sensor_only_under_its_own_name(statistics):
    method = build("s2-only", SMALL, statistics, 4).eval()
    found = views(method, ["BB", "BB/as-S2", "BB/as-L9", "L9/as-S2", "S2/as-L9"])
    assert set(found) == {"BB/as-S2", "L9/as-S2"}
    assert found["BB/as-S2"].products == {"broadband"} and found["BB/as-S2"].shown == {"sentinel2"}
    with torch.no_grad():
        logits = method(do(observe("broadband"), "BB/as-S2"), QUERY)
    assert logits.shape == (2, 4, 48, 48) and bool(logits.isfinite().all())


def test_order_of_two_hundred_bands_with_their_descriptions_changes_nothing(statistics):
    torch.manual_seed(0)
    method = build("anyband", SMALL, statistics, 4).eval()
    assert set(views(method, ["BB", "NB", "HS"])) == {"BB", "NB", "HS"}
    (group,) = observe("hyperspectral").groups
    order = tuple(np.random.default_rng(1).permutation(200).tolist())
    shuffled: BandGroup = group.select_bands(order)
    assert [band.name for band in shuffled.band_sets[0]] != [band.name for band in group.band_sets[0]]
    with torch.no_grad():
        plain, other = (method(Observation((one,)), QUERY) for one in (group, shuffled))
        wrong = method(Observation((replace(shuffled, band_sets=group.band_sets),)), QUERY)
    assert plain.shape == (2, 4, 48, 48) and bool(plain.isfinite().all())
    torch.testing.assert_close(plain, other, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(plain, wrong, atol=1e-3), "descriptions must matter, or this test shows nothing"


@pytest.mark.parametrize(
    ("model", "left_out", "options", "expected"),
    [
        ("anyband", "none", {}, {"S2", "L9", "S2+L9"}),
        ("anyband", "landsat", {}, {"S2"}),
        ("l9-only", "none", {}, {"L9", "S2+L9"}),
        ("hls-unified", "none", {}, {"S30", "L30", "S30+L30"}),
        ("sensor-only", "none", {"product": "broadband"}, {"BB"}),
        ("sensor-only", "none", {"product": "hls_l30"}, {"L30", "S30+L30"}),
    ],
)
def test_training_is_watched_on_products_that_it_has(model, left_out, options, expected):
    """Whatever is watched must be among the products that the training reads anyway."""
    products = training_products(model, options, left_out)
    entries = [
        BandMoments(p, b.name, b.response.centre_nm, b.quantity, 0.2, 0.1)
        for p in products
        for b in reflective(p, platforms(p)[0])
    ]
    method = build(model, SMALL | options, Statistics(tuple(entries), (1,) * 3, covariance(entries)), 3)
    found = watched(method)
    assert set(found) == expected <= set(CONDITIONS)
    assert all(used <= products for used in found.values())
