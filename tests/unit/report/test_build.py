"""The report says what the comparison found, whole or with pieces missing."""

import json
import re
import shutil
from html import unescape

import pandas as pd
import pytest

from anyband.report import formatting as form
from anyband.report.build import write_report
from anyband.runtime import UserError
from unit.report.fabricated import compare_all, fabricate_config, fabricate_results

SMALL = ["s2-only", "input-fusion", "anyband"]


def text_of(page):
    """Visible text without markup, white space collapsed, entities as a browser shows them."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\N{NO-BREAK SPACE}", " ").split())


def rebuild(folder, config, results=None, **options):
    """Fabricate or take results, compare, report; returns the page's text. Figures are not drawn."""
    results = results or fabricate_results(folder / "results", config, **options)
    compare_all(results, config)
    write_undrawn(config, results, folder / "report.html", folder / "data")
    return text_of(folder / "report.html")


def write_undrawn(config, results, page, data):
    """Write a report whose figures are empty, which takes a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anyband.report.content.draw_svg", lambda *_: "<svg></svg>")
        patch.setattr("anyband.report.content.draw_pdf", lambda *_: b"")
        write_report(config, results, page, data)


def test_first_lines_say_what_was_compared_and_that_scenes_are_simulated(report):
    text = text_of(report[0])
    start = text[text.index("anyband against") : text.index("On the primary endpoint")]
    assert "Twelve methods, each trained with the same five seeds" in start
    assert "twelve held-out blocks" in start
    assert "The scenes are simulated (simulator 1, configuration 3f9a). Only comparisons between methods" in start


def test_real_scenes_are_not_called_simulated(tmp_path):
    text = rebuild(tmp_path, fabricate_config(seeds=(0, 1), methods=SMALL), simulated=None, stores=False)
    assert "simulated" not in text
    assert "real scenes" in text


def test_page_and_tables_show_the_numbers_of_the_comparison(report, results):
    page, data = report
    general = pd.read_csv(results / "comparison/main/general.csv").set_index("method")
    shown = pd.read_csv(data / "tables/main-headline.csv").set_index("Method")
    rival = general.loc["input-fusion"]
    expected = f"{form.points(rival.miou)} {form.interval(rival.miou_lower, rival.miou_upper)}"
    assert shown.loc["Input fusion", "mIoU [95 %]"] == expected
    difference = f"{form.signed_points(rival.difference)} "
    difference += form.interval(rival.difference_lower, rival.difference_upper, signed=True)
    assert shown.loc["Input fusion", "anyband minus this [95 %]"] == difference
    assert expected in text_of(page) and difference in text_of(page)
    copied = pd.read_csv(data / "comparison/main/general.csv").set_index("method")
    pd.testing.assert_frame_equal(copied, general)


def test_resolution_floor_stands_above_the_headline_table(report):
    text = text_of(report[0])
    assert text.index("Smallest difference this design can resolve") < text.index("Table 1.")


def test_specialists_get_a_dash_for_the_endpoint_and_their_own_column(report):
    data = report[1]
    headline = pd.read_csv(data / "tables/main-headline.csv").set_index("Method")
    assert headline.loc["Sentinel-2 specialist", "mIoU [95 %]"] == form.DASH
    conditions = pd.read_csv(data / "tables/main-conditions.csv").set_index("Method")
    assert conditions.loc["Sentinel-2 specialist", "S2"][0].isdigit()
    assert conditions.loc["Sentinel-2 specialist", "S2+L9"] == form.DASH


def test_absent_class_is_named(report):
    assert "left out for every method: bare / sparse" in text_of(report[0])


def test_claims_are_those_of_the_comparison_and_link_to_their_evidence(report, results):
    page, data = report
    claims = json.loads((results / "comparison/main/claims.json").read_text())["claims"]
    assert len(claims) == 6
    for claim in claims:
        assert claim["text"] in text_of(page)
    html = page.read_text()
    for target in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{target}"' in html, f"link to {target} leads nowhere"
    assert json.loads((data / "claims.json").read_text())["main"]["claims"] == claims


def test_four_seeds_give_numbers_and_no_claims(tmp_path):
    text = rebuild(tmp_path, fabricate_config(seeds=(0, 1, 2, 3), methods=SMALL), stores=False)
    assert "No claims are made: the comparison has only 4 of the 5 required seeds." in text
    assert "Holm-adjusted p" in text  # the numbers stand
    assert "Conditions checked for" not in text


def test_single_seed_is_reported_without_a_seed_variance(tmp_path):
    text = rebuild(tmp_path, fabricate_config(seeds=(3,), methods=SMALL), stores=False)
    assert "1 of the 5 required seeds" in text
    assert "nan" not in text.lower().split()


def test_failed_method_and_failed_seed_are_named(tmp_path):
    config = fabricate_config(methods=[*SMALL, "feature-fusion"])
    results = fabricate_results(tmp_path / "results", config, stores=False)
    shutil.rmtree(results / "runs/main/feature-fusion")
    shutil.rmtree(results / "runs/main/input-fusion/seed-4")
    text = rebuild(tmp_path, config, results)
    assert "Feature fusion has no results." in text
    assert "Input fusion lacks seed 4, left out for every method" in text
    assert "4 of the 5 required seeds" in text


def test_proposed_method_that_failed_leaves_a_true_report(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=SMALL)
    results = fabricate_results(tmp_path / "results", config, stores=False)
    shutil.rmtree(results / "runs/main/anyband")
    text = rebuild(tmp_path, config, results)
    assert "anyband has no results." in text
    assert "there is no headline" in text


def test_each_experiment_gets_its_sections(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=SMALL)
    results = fabricate_results(tmp_path / "results", config, stores=False)
    shutil.copytree(results / "runs/main", results / "runs/again")
    twice = config.model_copy(update={"experiments": config.experiments | {"again": config.experiments["main"]}})
    rebuild(tmp_path, twice, results)
    html = (tmp_path / "report.html").read_text()
    assert 'id="main-headline"' in html and 'id="again-headline"' in html
    assert html.count("<h1") == 1
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_missing_comparison_is_one_clear_line(tmp_path, results, config):
    copied = tmp_path / "results"
    shutil.copytree(results, copied)
    (copied / "comparison/main/variance.csv").unlink()
    with pytest.raises(UserError, match="variance.csv is missing: run the comparison of main again"):
        write_report(config, copied, tmp_path / "r.html", tmp_path / "d")


def test_same_results_give_the_same_bytes(tmp_path, results, config, report):
    write_report(config, results, tmp_path / "again.html", tmp_path / "data")
    assert (tmp_path / "again.html").read_bytes() == report[0].read_bytes()
    for path in (tmp_path / "data").rglob("*.*"):
        assert path.read_bytes() == (report[1] / path.relative_to(tmp_path / "data")).read_bytes(), path


def test_ledger_counts_scenes_pairs_and_chips(report):
    data = report[1]
    scenes = pd.read_csv(data / "tables/scenes-main.csv").set_index("Collection")
    assert scenes.loc["sentinel-2-l2a", "Scenes found"] == 30
    assert scenes.loc["sentinel-2-l2a", "Scenes used"] == 27
    losses = pd.read_csv(data / "tables/losses-main.csv")
    assert losses["Count"].tolist() == [27, 3, 30, 15]


def test_every_figure_is_a_valid_file_of_its_own(report):
    import xml.etree.ElementTree as ElementTree

    figures = sorted((report[1] / "figures").glob("*.svg"))
    assert {"main-forest.svg", "main-units.svg", "pairs-main.svg"} <= {path.name for path in figures}
    for path in figures:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]\b", path.read_text()), f"{path.name}: placeholder colour"


def test_latex_tables_are_plain_ascii(report):
    for path in report[1].rglob("*.tex"):
        assert path.read_text().isascii(), path


def test_the_endpoint_on_twins_is_said_beside_its_number(report):
    headline = pd.read_csv(report[1] / "tables/main-headline.csv").set_index("Method")
    row = headline.loc["HLS unified on its HLS twins"]
    assert row["mIoU [95 %]"][0].isdigit() and row["Inputs"] == "HLS"
    assert headline.index.str.contains("twins").sum() == 1
    text = text_of(report[0])
    assert "HLS unified reads only HLS, so its endpoint is averaged over S30, L30 and S30+L30" in text
    assert "Only HLS unified was trained on these products." in text
    assert "No method was trained on" not in text


def test_a_method_without_its_twins_has_dashes_and_no_note(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=[*SMALL, "hls-unified"], conditions=["S2", "L9", "S2+L9", "S30"])
    text = rebuild(tmp_path, config, stores=False)
    row = pd.read_csv(tmp_path / "data/tables/main-headline.csv").set_index("Method").loc["HLS unified"]
    assert row["mIoU [95 %]"] == form.DASH
    assert "on its HLS twins" not in text


def test_a_baseline_that_reads_only_hls_still_gets_its_maps(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=["hls-unified", "anyband"])
    text = rebuild(tmp_path, config)
    assert "HLS unified, S30+L30" in text and "Difference to HLS unified" in text


def test_translated_images_stand_beside_their_plain_variant(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=["translation", "translation-plain", "anyband"])
    rebuild(tmp_path, config, stores=False)
    table = pd.read_csv(tmp_path / "data/tables/main-image-scores.csv")
    assert table["Method"].tolist()[:2] == ["Translation to S2", "translation-plain"]
    assert table["Band"].tolist()[:3] == ["all bands", "all bands", "B02"]
    assert table["RMSE × 100"].tolist()[:2] == [2.12, 3.42]


def test_without_translation_there_is_no_table_of_images(tmp_path):
    text = rebuild(tmp_path, fabricate_config(seeds=(0, 1), methods=SMALL), stores=False)
    assert not (tmp_path / "data/tables/main-image-scores.csv").exists()
    assert "Translated images" not in text


def test_only_the_experiments_of_the_configuration_are_read(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=SMALL)
    results = fabricate_results(tmp_path / "results", config, stores=False)
    shutil.copytree(results / "runs/main", results / "runs/rivals")
    shutil.copytree(results / "benchmarks/train/main", results / "benchmarks/train/rivals")
    both = config.model_copy(update={"experiments": config.experiments | {"rivals": config.experiments["main"]}})
    compare_all(results, both)
    (results / "comparison/main/design.json").write_text("broken")
    only = config.model_copy(update={"experiments": {"rivals": config.experiments["main"]}})
    write_undrawn(only, results, results / "rivals/report.html", results / "rivals/report_data")
    html = (results / "rivals/report.html").read_text()
    assert 'id="rivals-headline"' in html and "main-headline" not in html
    assert sorted(path.name for path in (results / "rivals/report_data/comparison").iterdir()) == ["rivals"]
    timing = pd.read_csv(results / "rivals/report_data/tables/timing.csv").set_index("Rule")
    assert timing.loc["train", "Jobs"] == 6


def test_tuning_is_told_with_its_ledger_or_said_not_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr("anyband.report.topics.cost_and_tuning.FROZEN", tmp_path / "none")
    config = fabricate_config(seeds=(0, 1), methods=SMALL)
    results = fabricate_results(tmp_path / "results", config, stores=False)
    assert "Not tuned; settings as in the config." in rebuild(tmp_path, config, results)
    rows = [(m, t, 0.005, 0.01, "{}", 0.4 + t / 100, 9.0, t == 1) for m in SMALL for t in (0, 1)]
    columns = ["method", "trial", "learning_rate", "weight_decay", "options", "validation_miou", "seconds", "chosen"]
    (results / "tuning/main").mkdir(parents=True)
    pd.DataFrame(rows, columns=columns).to_csv(results / "tuning/main/ledger.csv", index=False)
    text = rebuild(tmp_path, config, results)
    assert "Every method had the same number of tuning trials (2 trials)" in text
    cost = pd.read_csv(tmp_path / "data/tables/main-cost.csv").set_index("Method")
    assert set(cost["Tuning trials"]) == {2}
    assert len(pd.read_csv(tmp_path / "data/tables/main-tuning.csv")) == 3


def test_settings_of_a_method_of_its_own_are_in_the_methods_text(tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=SMALL)
    entry = config.methods["anyband"].model_copy(update={"learning_rate": 0.008})
    text = rebuild(tmp_path, config.model_copy(update={"methods": config.methods | {"anyband": entry}}), stores=False)
    assert "Settings of their own: anyband (learning rate 0.008)." in text
