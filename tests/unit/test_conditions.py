import pytest

from anyband.conditions import CONDITIONS, FAMILIES, KINDS, Step, parse
from anyband.evaluation.perturbations import ACTIONS
from anyband.products import OPTICAL
from anyband.sensors import get_sensor, platforms


def test_every_kind_has_its_action_and_every_example_is_read():
    assert set(KINDS) == set(ACTIONS)
    for kind, entry in KINDS.items():
        for example in entry.examples:
            first = "BB" if kind == "as" else "S30+L30"
            (step,) = parse(f"{first}/{example.replace('gsd-30', 'gsd-60')}").steps
            assert step.kind == kind


@pytest.mark.parametrize("key", CONDITIONS)
def test_an_availability_is_a_condition_without_steps(key):
    condition = parse(key)
    assert frozenset(condition.products) == CONDITIONS[key]
    assert condition.steps == ()


def test_what_a_name_says():
    assert parse("S2+L9/drop-swir").steps == (Step("drop", ("swir",), ("sentinel2", "landsat")),)
    assert parse("S2+L9/cloudy-50").steps == (Step("cloudy", ("50",), ("landsat",)),)
    assert parse("S2+L9/cloudy-50@S2").steps == (Step("cloudy", ("50",), ("sentinel2",)),)
    assert parse("S2/drop-random-25-3").steps[0].values == ("25", "3")
    assert parse("S2/gsd-30-absent").steps[0].values == ("30", "absent")
    assert [step.kind for step in parse("S2+L9/late/srf-absent").steps] == ["late", "srf"]


def test_bands_that_were_dropped_can_be_filled_with_the_nearest_that_are_left():
    assert [step.kind for step in parse("S2/drop-random-50-1/as-S2").steps] == ["drop-random", "as"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("S3", "'S3' is no availability; did you mean 'S30'"),
        ("S2/drop-rededge", "did you mean 'drop-red-edge'"),
        ("S2+L9/drop-swir@S30", "'S30' is not among its products"),
        ("S2/drop-random-0", "is no perturbation"),
        ("L9/gsd-20", "not coarser than the 30 m pixels"),
        ("S2/moved-30", "not whole in the 60 m pixels"),
        ("S2/merged", "needs two products"),
        ("S2/cloudy-50/late", "must come first"),
        ("S2/", "is no perturbation"),
        ("S2/as-S2", "is what it is already"),
        ("S2/gsd-30/as-S2", "is what it is already"),
        ("S2+L9/as-S2", "takes one product"),
        ("BB/as-S31", "did you mean 'as-S30'"),
        ("BB/as-S2/drop-swir", "must come last"),
    ],
)
def test_a_wrong_name_is_one_clear_line(key, words):
    with pytest.raises(ValueError, match=words) as error:
        parse(key)
    assert "\n" not in str(error.value)


def test_families_are_of_concepts_that_sensors_have():
    sensors = [get_sensor(platform, product) for product in OPTICAL for platform in platforms(product)]
    assert frozenset().union(*FAMILIES.values()) <= {band.concept for sensor in sensors for band in sensor.bands}
