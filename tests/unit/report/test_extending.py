"""The examples of docs/tutorials/new-table.md do what the page says."""

import numpy as np
import pandas as pd
import pytest

from anyband.report import cells, content, read
from anyband.report.render import Style
from anyband.report.topics import headline
from anyband.statistics import score_tables
from docs.followed import blocks
from unit.report.fabricated import entry_of

ROWS = [("anyband", "anyband", "proposed", 0.7), ("pixel", "Pixel classifier", "floor", 0.4)]


@pytest.fixture
def examples(root, monkeypatch):
    """Code of the section, run where its names are known; what it registers is gone after the test."""
    (_, _, table), (_, _, metric) = (b for b in blocks(root / "docs/tutorials/new-table.md") if b[1])
    monkeypatch.setattr(headline, "METRICS", score_tables.METRICS | {})
    monkeypatch.setattr(score_tables, "METRICS", headline.METRICS)
    makers = list(headline.RESULT.makers)
    names = vars(cells) | vars(content) | vars(read) | vars(headline) | {"np": np, "Metric": score_tables.Metric}
    exec(table, names)
    score_tables.METRICS.update(eval("{" + metric + "}", names))
    yield
    headline.RESULT.makers[:] = makers


@pytest.fixture
def entry():
    """An experiment with two methods."""
    general = pd.DataFrame(ROWS, columns=["method", "label", "role", "miou"])
    for name in score_tables.METRICS:
        general = general.assign(**{name: general["miou"], f"{name}_lower": 0.3, f"{name}_upper": 0.8})
    return entry_of({"labels": {"anyband": "anyband", "pixel": "Pixel classifier"}}, general=general)


def test_a_new_table_is_one_function(examples, entry):
    table = headline.RESULT.makers[-1](entry)
    assert table.frame()["To the best"].tolist() == ["0.0", "30.0"]
    topic = content.Topic("result", "Result", makers=[headline.RESULT.makers[-1]])
    (item,) = topic.section(entry, Style({}, {}), "section-{}", "{}", "main-{}").items
    assert item.key == "main-gap-to-best"


def test_a_new_metric_is_one_entry(examples, entry):
    assert "right_lower" in score_tables.scores(None, "anyband", ())
    assert score_tables.METRICS["right"].score(np.array([[3, 1], [0, 4]])) == 7 / 8
    assert headline.secondary(entry).columns[-1].heading == "Share right"
