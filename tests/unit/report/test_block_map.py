"""Maps of places and of differences: everything lies where it is, and signs can be told without colour."""

from types import SimpleNamespace

import pandas as pd
import pytest

from anyband.report.palette import SIGNS, SPLITS
from anyband.report.render import Sheet
from anyband.report.topics.scenes import difference_places, draw_differences, draw_places, places

COLUMNS = ["site", "chip", "block", "split", "x", "y", "epsg"]
CHIPS = [
    ("north", "a", "b1", "test", 500_000.0, 0.0, 32631),  # the central meridian of zone 31 on the equator: 3 E, 0 N
    ("north", "b", "b1", "train", 900_000.0, 0.0, 32631),  # a chip of the block that is not tested must not move it
    ("east", "c", "b2", "test", 500_000.0, 5_000_000.0, 32633),
    ("east", "d", "b2", "test", 500_000.0, 5_020_000.0, 32633),
    ("east", "e", "b2", "test", 500_000.0, 5_010_000.0, 32633),
]
DIFFERENCES = pd.DataFrame({"block": ["b2", "b1", "b9"], "difference": [-0.02, 0.01, 0.5]})


@pytest.fixture
def data():
    """Two places with three blocks' differences, of which one is no block of the data."""
    return SimpleNamespace(
        splits=(splits := pd.DataFrame(CHIPS, columns=COLUMNS)),
        pairs=pd.DataFrame({"site": ["east", "east"]}),
        chips=lambda split: splits[splits["split"] == split],
    )


def test_blocks_lie_where_their_tested_chips_are_with_their_difference_in_points(data):
    table = difference_places(data, DIFFERENCES).set_index("block")
    assert table.index.tolist() == ["b1", "b2"]
    assert table.loc["b1", ["longitude", "latitude", "difference"]].tolist() == pytest.approx([3, 0, 1], abs=1e-6)
    assert table.loc["b2", "longitude"] == pytest.approx(15) and 45 < table.loc["b2", "latitude"] < 45.4
    assert table.loc["b2", "difference"] == pytest.approx(-2)


@pytest.mark.parametrize("wide", [False, True])
def test_gains_and_losses_have_shapes_of_their_own_and_areas_by_size(data, wide):
    (axes,) = draw_differences(difference_places(data, DIFFERENCES), Sheet(wide)).axes
    better, worse = axes.collections
    assert len(better.get_offsets()) == len(worse.get_offsets()) == 1
    assert worse.get_sizes()[0] > better.get_sizes()[0]
    assert len({marker for _, marker in SIGNS.values()}) == 2


def test_places_count_pairs_and_take_the_split_of_most_chips(data):
    table = places(data).set_index("site")
    assert table.loc["east", ["pairs", "split"]].tolist() == [2, "test"]
    assert table.loc["north", "pairs"] == 0
    figure = draw_places(places(data), Sheet())
    drawn = sum(len(marks.get_offsets()) for marks in figure.axes[0].collections)
    assert drawn == len(table) and len({marker for _, marker in SPLITS.values()}) == len(SPLITS)
