"""What goes together in a pair; maps of places and differences: everything lies where it is, signs need no colour."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from anyband.audit.hypotheses import MIN_QUALITY
from anyband.report.palette import SIGNS, SPLITS
from anyband.report.read import DataRecord, read_data
from anyband.report.render import Sheet
from anyband.report.topics.scenes import (
    ABSENT,
    MIN_SHIFT_QUALITY,
    PANELS,
    difference_places,
    draw_differences,
    draw_pair_quality,
    draw_places,
    pair_table,
    places,
)


@pytest.fixture
def record(results, config) -> DataRecord:
    return read_data(results, "main", config.datasets["main"])


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def shift(metres, quality):
    return {"sentinel2-landsat": {"shift": {"distance_m": metres, "quality": quality}}}


def with_changes(record, **changes):
    return DataRecord(**{**record.__dict__, **changes})


def test_columns_are_those_of_pairs_and_items(record):
    table = pair_table(record)
    assert list(table) == [column for column, _, _ in PANELS] and len(table) == len(record.pairs)
    assert table["sun_difference_deg"].tolist() == pytest.approx([2.5] * len(table))
    assert (table["view_landsat_deg"] == 0).all()
    assert table["view_sentinel2_deg"].isna().all() and table["shift_m"].isna().all()


def test_the_angle_at_the_ground_comes_before_that_at_the_satellite(record):
    items = [
        item | {"properties": item["properties"] | {"view:incidence_angle": 7.5, "view:off_nadir": 6.8}}
        for item in record.manifests["alder-moor", "sentinel2"]["items"]
    ]
    manifests = {**record.manifests, ("alder-moor", "sentinel2"): {"items": items}}
    table = pair_table(with_changes(record, manifests=manifests))
    here = (record.pairs["site"] == "alder-moor").to_numpy()
    assert (table.loc[here, "view_sentinel2_deg"] == 7.5).all()
    assert table.loc[~here, "view_sentinel2_deg"].isna().all()


def test_only_shifts_that_the_audit_is_sure_of_count(record):
    assert MIN_SHIFT_QUALITY == MIN_QUALITY
    pairs = [
        {"pair": 0, "comparisons": shift(3.2, 0.9)},
        {"pair": 1, "comparisons": shift(50.0, MIN_QUALITY - 0.1)},
    ]
    audit = {"sites": {"alder-moor": {"pairs": pairs}, "birch-moor": {"pairs": [{"pair": 0, "comparisons": {}}]}}}
    table = pair_table(with_changes(record, audit=audit))
    assert table["shift_m"].dropna().tolist() == [3.2]


@pytest.mark.parametrize("wide", [False, True])
def test_panels_without_values_say_so(record, wide):
    figure = draw_pair_quality(pair_table(record), Sheet(wide))
    assert len(figure.axes) == len(PANELS)
    assert texts(figure) == ["no audit with a measured shift", ABSENT]
    nothing = pd.DataFrame({column: [np.nan] for column, _, _ in PANELS})
    assert len(texts(draw_pair_quality(nothing, Sheet(wide)))) == len(PANELS)


def test_bars_hold_every_pair(record):
    table = pair_table(record)
    panels = dict(zip((column for column, _, _ in PANELS), draw_pair_quality(table, Sheet()).axes, strict=True))
    for column, panel in panels.items():
        assert sum(bar.get_height() for bar in panel.patches) == table[column].notna().sum()


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
