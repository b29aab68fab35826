"""F12: what goes together in a pair, and what nobody says."""

import numpy as np
import pandas as pd
import pytest

from anyband.audit.hypotheses import MIN_QUALITY
from anyband.report.read import DataRecord, read_data
from anyband.report.render import Sheet
from anyband.report.topics.scenes import ABSENT, MIN_SHIFT_QUALITY, PANELS, draw_pair_quality, pair_table


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
