"""Tables of results."""

import pytest

from anyband.report.results_tables import _products, cost
from anyband.statistics import tables


@pytest.mark.parametrize(
    ("conditions", "products"),
    [("S2 L9 S2+L9 S30", "S2, L9, HLS"), ("S2 S2+L9", "S2"), ("L9 S2+L9", "L9"), ("S2+L9", "S2, L9")],
)
def test_a_specialist_that_ignores_the_other_sensor_is_not_said_to_use_it(conditions, products):
    assert _products(conditions) == products


def costs(**note: str):
    content = {"parameters": 10, "macs_per_km2": 5, "train_seconds": 1.0, "inference_km2_per_s": 2, "peak_memory_mb": 3}
    runs = {("anyband", 0): content, ("anyband", 1): content, ("satlas", 0): content | note, ("satlas", 1): content}
    return tables.cost(runs)


def footnotes(table):
    general = table[["method"]].assign(role="baseline")
    design = {"labels": {"anyband": "AnyBand", "satlas": "Satlas"}, "seeds": [0, 1]}
    return cost({"cost": table, "general": general}, design).notes


def test_the_cost_table_says_what_a_method_started_from():
    table = costs(note="sentinel2: weights of s2.pth")
    assert table.set_index("method")["note"].to_dict() == {"anyband": "", "satlas": "sentinel2: weights of s2.pth"}
    assert footnotes(table) == ["Satlas started from: sentinel2: weights of s2.pth."]
    assert "note" not in costs()
    assert not footnotes(costs())
