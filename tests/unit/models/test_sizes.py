"""A method may not win by being larger: parameters are matched, except where a method is larger by nature."""

import pytest

from anyband.config import Config
from anyband.evaluation.evaluate_run import parameters
from anyband.methods import labels
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.storage import build, training_products
from anyband.sensors import get_sensor
from handmade import covariance

PLATFORM = {
    "sentinel2": "sentinel-2a",
    "landsat": "landsat-9",
    "hls_s30": "sentinel-2a",
    "hls_l30": "landsat-9",
}
LARGER_OR_FLOOR = {"satlas-full-size", "prediction-full-size", "analytic", "random-forest", "texture-forest", "pixel"}
MATCHED = [
    (experiment, method)
    for experiment in ("main", "rivals")
    for method in Config().experiments[experiment].methods
    if method not in LARGER_OR_FLOOR
]


def size(experiment: str, name: str) -> int:
    settings = Config().run(experiment, name).method
    products = sorted(training_products(settings.model, settings.options), reverse=True)
    entries = [
        BandMoments(product, band.name, band.response.centre_nm, band.quantity, 0.2, 0.1)
        for product in products
        for band in get_sensor(PLATFORM[product], product).bands
        if band.concept not in ("water_vapour", "cirrus")
    ]
    statistics = Statistics(tuple(entries), (1,) * 8, covariance(entries))
    return parameters(build(settings.model, settings.options, statistics, 8))


@pytest.mark.parametrize(("experiment", "method"), MATCHED)
def test_parameters_are_within_five_percent_of_the_proposed(experiment, method):
    assert size(experiment, method) == pytest.approx(size("main", "anyband"), rel=0.05)


def test_two_full_specialists_are_twice_the_size_and_say_so():
    size_of_both = size("main", "s2-only") + size("main", "l9-only")
    assert size("main", "prediction-full-size") == size_of_both == pytest.approx(2 * size("main", "anyband"), rel=0.05)
    assert "twice the size" in labels()["prediction-full-size"]
