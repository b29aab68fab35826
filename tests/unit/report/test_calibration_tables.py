"""T6 says what the comparison found, and nothing of maps without probabilities."""

import pandas as pd

from anyband.report import formatting as form
from unit.report.fabricated import text_of


def test_values_are_those_of_the_comparison(report, results):
    found = pd.read_csv(results / "comparison/main/calibration.csv").set_index(["label", "condition"])
    shown = pd.read_csv(report[1] / "tables/main-calibration.csv").set_index(["Method", "At hand"])
    row = found.loc[("anyband", "S2+L9")]
    assert shown.loc[("anyband", "S2+L9"), "Temperature"] == "1.25 1.25 to 1.25"
    for when in ("before", "after"):
        bounds = form.interval(row[f"ece_{when}_lower"], row[f"ece_{when}_upper"])
        assert shown.loc[("anyband", "S2+L9"), f"ECE {when}"] == f"{form.points(row[f'ece_{when}'])} {bounds}"
    assert row["ece_after"] < row["ece_before"]
    assert shown.loc[("anyband", "S2+L9"), "NLL before"].startswith("0.600")
    assert shown.loc[("anyband", "S2+L9"), "Brier after"].startswith("0.350")


def test_rows_are_the_endpoint_of_each_method_and_dashes_without_probabilities(report):
    shown = pd.read_csv(report[1] / "tables/main-calibration.csv")
    own = shown.groupby("Method")["At hand"].agg(list)
    assert own["anyband"] == ["S2", "L9", "S2+L9"]
    assert own["HLS unified"] == ["S30", "L30", "S30+L30"]
    assert own["Sentinel-2 specialist"] == ["S2"]
    (majority,) = shown[shown["Method"] == "Majority class"].to_dict("records")
    assert set(majority.values()) == {"Majority class", form.DASH}


def test_classes_and_other_sensors_have_tables_of_their_own(report):
    classes = pd.read_csv(report[1] / "tables/main-class-calibration.csv").set_index("Method")
    assert classes.loc["anyband", "bare / sparse"] == "0.0 → 0.0"  # absent, and no probability for it
    before, after = map(float, classes.loc["anyband", "tree cover"].split(" → "))
    assert before > after > 0
    assert "Sentinel-2 specialist" not in classes.index
    other = pd.read_csv(report[1] / "tables/main-calibration-other.csv").set_index("Method")
    assert list(other) == ["S30", "L30", "S30+L30"]
    assert "→" in other.loc["anyband", "S30"] and "Input fusion" not in other.index


def test_page_says_how_it_was_fitted_and_never_that_a_method_is_calibrated(report, unseen):
    text = text_of(report[0])
    assert "fitted to the validation chips under the same condition" in text
    assert "After temperature scaling" in (unseen[1] / "figures/main-reliability.svg").read_text()
    assert "is calibrated" not in text and "well-calibrated" not in text
    assert (report[1] / "tables/main-calibration.tex").is_file()
    assert "guo2017" in (report[1] / "references.bib").read_text()
