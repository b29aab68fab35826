"""Numbers as people read them."""

import math

import pytest

from anyband.report import formatting as form
from anyband.report.topics.headline import products


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (form.points(0.74378), "74.4"),
        (form.points(None), "–"),
        (form.signed_points(-0.0004), "0.0"),
        (form.signed_points(-0.034), "−3.4"),
        (form.signed_points(0.034), "+3.4"),
        (form.interval(0.1, 0.2), "[10.0, 20.0]"),
        (form.interval(math.nan, 0.2), ""),
        (form.p_value(0.0004), "<0.001"),
        (form.p_value(0.0499), "0.050"),
        (form.count(1234567), "1 234 567"),
        (form.magnitude(943_000), "943 k"),
        (form.magnitude(1_006_000), "1.01 M"),
        (form.duration(7.23), "7.2 s"),
        (form.duration(65), "1 min 05 s"),
        (form.duration(4800), "1 h 20 min"),
        (form.plural(1, "seed"), "1 seed"),
        (form.in_words(12, "block"), "twelve blocks"),
        (form.listing(["a", "b", "c"]), "a, b and c"),
        (form.listing([]), "none"),
    ],
)
def test_formatted(shown, expected):
    assert shown.replace(form.THIN_SPACE, " ") == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [("S2 L9 S2+L9 S30", "S2, L9, HLS"), ("S2 S2+L9", "S2"), ("L9 S2+L9", "L9"), ("S2+L9", "S2, L9")],
)
def test_a_specialist_that_ignores_the_other_sensor_is_not_said_to_use_it(conditions, expected):
    assert products(conditions) == expected
