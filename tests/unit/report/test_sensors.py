"""What the report says about sensors: it appears with the conditions that it needs, and only with them."""

import json
import re
import zlib

import pandas as pd

from anyband.report import formatting as form
from anyband.report.palette import PLACEHOLDERS, THEME, rgb
from anyband.report.topics.sensors_at_hand import series
from anyband.statistics.protocol import label
from anyband.statistics.sensor_gains import ALL_TOGETHER, DEGRADED, ONE_METHOD, OWN_MODELS
from unit.report.fabricated import fabricate_unseen, rebuild, text_of

INKS = (THEME["--ink"][0], *PLACEHOLDERS.values())


def test_gap_closed_is_shown_as_it_was_computed(unseen):
    page, data, comparison = unseen
    table = pd.read_csv(comparison / "gap_closed.csv")
    shown = pd.read_csv(data / "tables/main-gap-closed.csv")
    assert shown["From and to"].tolist() == ["Sentinel-2 to Landsat", "Sentinel-2 to broadband"]
    for row, text in zip(table.to_dict("records"), shown["Gap closed [95 %]"], strict=True):
        assert text.startswith(f"{100 * row['closed']:.0f} % [")
    assert (data / "figures/main-gap-closed-figure.svg").is_file()
    assert "Sensors never trained on" in text_of(page)


def test_without_a_declared_family_claims_about_sensors_still_stand(unseen, linked, tmp_path):
    """An experiment on unseen sensors may have no baseline that takes every input of the endpoint."""
    config = fabricate_unseen()
    experiment = config.experiments["main"]
    methods = [method for method in experiment.methods if method != "input-fusion"]
    config = config.model_copy(update={"experiments": {"main": experiment.model_copy(update={"methods": methods})}})
    text = rebuild(tmp_path, config, linked(source=unseen[2].parents[1]))
    claims = json.loads((tmp_path / "report_data/claims.json").read_text())["main"]
    assert claims["claims"] == [] and "no baseline takes every input" in claims["reason"]
    assert len(claims["sensor_claims"]) == 3
    for sentence in (claims["reason"], *(claim["text"] for claim in claims["sensor_claims"])):
        assert sentence in text


def test_a_path_between_sensors_needs_its_conditions(unseen, report):
    computed = pd.read_csv(unseen[2] / "decomposition.csv")
    assert set(computed["path"]) == {OWN_MODELS, DEGRADED, ONE_METHOD}
    shown = pd.read_csv(unseen[1] / "tables/main-decomposition.csv")
    steps = computed[computed["factor"] != ALL_TOGETHER]
    assert shown["mIoU"].dropna().map("{:.1f}".format).tolist() == steps["miou"].map(form.points).tolist()
    assert "can be told with" not in text_of(unseen[0])
    text = text_of(report[0])
    assert "the conditions S2/gsd-30 and S2/gsd-30/drop-red-edge, which this run did not evaluate" in text
    assert "Sensors never trained on" not in text


def test_the_difference_of_two_sensors_is_told_in_words_with_the_numbers_of_its_table(report, results):
    """The default comparison has no specialists of HLS: the unified model reads both."""
    table = pd.read_csv(results / "comparison/main/decomposition.csv")
    own = table[table["path"] == OWN_MODELS]
    assert own["reader"].tolist()[1:3] == ["HLS unified", "HLS unified"]
    text = text_of(report[0])
    sentence = text[text.index("Why does Landsat score otherwise than Sentinel-2") :].split("(exploratory)")[0]
    assert f"from {form.points(own['miou'].iloc[0])} to {form.points(own['miou'].iloc[-1])} points" in sentence
    for row in own.iloc[1:-1].to_dict("records"):
        assert f"{form.signed_points(row['change'])} [" in sentence and f"] with {row['factor']}" in sentence


def test_only_sizes_of_one_disturbance_form_a_scale(unseen):
    found = series(pd.read_csv(unseen[2] / "robustness.csv"))
    assert {key: sorted(rows["size"].unique()) for key, rows in found.items()} == {("S2", "drop-random"): [25, 50, 75]}


def test_other_sensors_are_not_called_hls(unseen):
    other = pd.read_csv(unseen[1] / "tables/main-other-sensors.csv")
    assert list(other.columns) == ["Method", "BB", "NB", "HS"]
    assert "Only Broadband specialist was trained on these products." in text_of(unseen[0])
    headline = pd.read_csv(unseen[1] / "tables/main-headline.csv").set_index("Method")
    assert headline.loc[label("broad-only"), "Family, inputs"].endswith(" BB")


def test_figures_as_pdf_have_the_colours_of_the_light_page(unseen):
    figures = sorted((unseen[1] / "figures").glob("*.pdf"))
    assert {path.stem for path in figures} == {path.stem for path in (unseen[1] / "figures").glob("*.svg")}
    drawn = [path for path in figures if path.stat().st_size]
    assert len(drawn) > 3
    for path in drawn:
        streams = re.findall(rb"stream\r?\n(\x78.*?)\s*endstream", path.read_bytes(), re.DOTALL)
        content = b" ".join(zlib.decompressobj().decompress(stream) for stream in streams)
        used = {tuple(map(float, found)) for found in re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) rg", content)}
        near = [min(max(abs(a - b / 255) for a, b in zip(c, rgb(ink), strict=True)) for c in used) for ink in INKS]
        assert near[0] < 0.001, path.name
        assert min(near[1:]) > 0.001, f"{path.name}: placeholder colour"


def test_a_method_that_cannot_take_a_disturbed_input_has_a_dash(unseen):
    shown = pd.read_csv(unseen[1] / "tables/main-robustness.csv").set_index("Input")
    assert shown.loc["S2/drop-random-25", "Sentinel-2 specialist"] == form.DASH
    assert shown.loc["S2/drop-random-25", "anyband"][0].isdigit()
