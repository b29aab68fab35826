"""What the gain is made of, and which controls a claim survives."""

import pandas as pd
import pytest

from anyband.config import Config
from anyband.report.topics.gain import gain_parts
from anyband.report.topics.headline import cloud_weighted, control, family
from unit.report.fabricated import entry_of

COLUMNS = ["endpoint", "first", "second", "difference", "difference_lower", "difference_upper", "p_adjusted"]
PAIRS = [
    ("primary", "anyband", "anyband-plain", 0.02, 0.01, 0.03, 0.01),
    ("S2", "anyband", "anyband-plain", 0.5, 0.4, 0.6, 0.01),
    ("primary", "anyband-codes-only", "anyband-plain", -0.03, -0.05, -0.02, 0.02),
    ("primary", "anyband", "anyband-without-landsat", 0.2, 0.1, 0.3, 0.01),
    ("S2", "anyband", "anyband-without-landsat", 0.01, 0.0, 0.02, 0.04),
    ("S2", "s2-only", "s2-only-plain", 0.015, 0.01, 0.02, 0.01),
]


def entry(**frames):
    names = dict.fromkeys(name for row in PAIRS for name in row[1:3])
    general = pd.DataFrame({"method": [*names, "one-space", "input-fusion"], "role": "baseline", "miou": 0.7})
    table = pd.DataFrame(PAIRS, columns=COLUMNS).assign(resolution=0.01)
    labels = {name: name.upper() for name in general["method"]}
    return entry_of({"labels": labels}, Config(), **{"pairwise": table, "general": general} | frames)


def test_parts_are_what_has_them_minus_what_lacks_them_each_where_it_shows():
    table = gain_parts(entry()).frame()
    assert table["With − without"].tolist() == [
        "ANYBAND − ANYBAND-PLAIN",
        "ANYBAND-PLAIN − ANYBAND-CODES-ONLY",
        "ANYBAND − ANYBAND-WITHOUT-LANDSAT",
        "S2-ONLY − S2-ONLY-PLAIN",
    ]
    assert table["On"].tolist() == ["endpoint", "endpoint", "S2", "S2"]
    assert [cell.split(" ")[0] for cell in table["Points [95 %]"]] == ["+2.0", "+3.0", "+1.0", "+1.5"]
    assert "+2.0" in table["Points [95 %]"][1] and "+5.0" in table["Points [95 %]"][1]  # turned with its interval


def test_without_variants_there_is_no_such_table():
    assert gain_parts(entry(pairwise=pd.DataFrame(columns=[*COLUMNS, "resolution"]))) is None


@pytest.mark.parametrize(
    ("claims", "reason", "verdict"),
    [
        ([{"kind": "better", "first": "anyband", "second": "one-space"}], None, "survives"),
        ([{"kind": "equivalent", "first": "anyband", "second": "one-space"}], None, "does not survive"),
        ([{"kind": "better", "first": "one-space", "second": "anyband"}], None, "does not survive"),
        ([], "too few seeds", "no claims"),
    ],
)
def test_a_control_says_whether_the_gain_survives_it(claims, reason, verdict):
    found = entry()
    found.claims.update(claims=claims, reason=reason)
    assert control(found, "one-space") == f"one space: {verdict}"
    assert control(found, "input-fusion") == ""
    assert control(found, found.rival).startswith("same preparation: ")


def test_every_method_has_a_family():
    found = entry()
    assert all(family(found, method) for method in Config().methods)
    assert family(found, "majority") == ""


def test_the_third_endpoint_is_shown_where_it_is_known():
    row = {"method": "anyband", "label": "anyband", "role": "proposed", "miou": 0.75}
    row |= {"weight_s2": 0.1, "weight_l9": 0.2, "weight_both": 0.7} | dict.fromkeys(("difference", "p_holm"))
    table = pd.DataFrame([row])
    bounds = dict.fromkeys(("miou_lower", "miou_upper", "difference_lower", "difference_upper", "resolution"), 0.7)
    shown = cloud_weighted(entry(cloud_weighted=table.assign(**bounds)))
    assert shown.words["shares"] == ["10 %", "20 %", "70 %"] and len(shown.rows) == 1
    assert cloud_weighted(entry(cloud_weighted=table[:0])) is None
