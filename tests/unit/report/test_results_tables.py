"""Tables of results."""

import pytest

from anyband.report.topics.headline import products as shown


@pytest.mark.parametrize(
    ("conditions", "products"),
    [("S2 L9 S2+L9 S30", "S2, L9, HLS"), ("S2 S2+L9", "S2"), ("L9 S2+L9", "L9"), ("S2+L9", "S2, L9")],
)
def test_a_specialist_that_ignores_the_other_sensor_is_not_said_to_use_it(conditions, products):
    assert shown(conditions) == products
