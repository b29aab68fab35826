"""The report says what the comparison found, whole or with pieces missing."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from anyband.report import formatting as form
from anyband.report.build import write_report
from anyband.report.topics.sensors_at_hand import image_scores
from anyband.runtime import UserError
from anyband.statistics import run_tables
from unit.report.fabricated import entry_of, fabricate_config, rebuild, text_of

SMALL = ["s2-only", "input-fusion", "anyband"]


def test_first_lines_say_what_was_compared_and_that_scenes_are_simulated(report):
    text = text_of(report[0])
    start = text[text.index("anyband against") : text.index("On the primary endpoint")]
    assert "Twelve methods, each trained with the same five seeds" in start
    assert "twelve held-out blocks" in start
    assert "The scenes are simulated (simulator 1, configuration 3f9a). Only comparisons between methods" in start


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
    text = text_of(page)
    assert expected in text and difference in text
    assert text.index("Smallest difference this design can resolve") < text.index("Table 1.")
    assert "left out for every method: bare / sparse" in text
    copied = pd.read_csv(data / "comparison/main/general.csv").set_index("method")
    pd.testing.assert_frame_equal(copied, general)


def test_specialists_get_a_dash_for_the_endpoint_and_their_own_column(report):
    data = report[1]
    headline = pd.read_csv(data / "tables/main-headline.csv").set_index("Method")
    assert headline.loc["Sentinel-2 specialist", "mIoU [95 %]"] == form.DASH
    conditions = pd.read_csv(data / "tables/main-conditions.csv").set_index("Method")
    assert conditions.loc["Sentinel-2 specialist", "S2"][0].isdigit()
    assert conditions.loc["Sentinel-2 specialist", "S2+L9"] == form.DASH


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


def test_a_small_run_of_real_scenes(linked, tmp_path, monkeypatch):
    """What there is only for simulated scenes, tuned settings or translated images is not there."""
    monkeypatch.setattr("anyband.report.topics.cost_and_tuning.FROZEN", tmp_path / "none")
    config, results = fabricate_config(seeds=(3,), methods=SMALL), linked("scenes")
    for path in results.glob("scenes/*/*/*.json"):
        path.write_text(path.read_text().replace("anyband:simulated", "real"))
    entry = config.methods["anyband"].model_copy(update={"learning_rate": 0.008})
    config = config.model_copy(update={"methods": config.methods | {"anyband": entry}})
    text = rebuild(tmp_path, config, results)
    assert "simulated" not in text and "real scenes" in text
    assert "1 of the 5 required seeds" in text and "nan" not in text.lower().split()
    assert "Settings of their own: anyband (learning rate 0.008)." in text
    assert "Not tuned; settings as in the config." in text
    assert not (tmp_path / "report_data/tables/main-image-scores.csv").exists() and "Translated images" not in text
    (results / "comparison/main/variance.csv").unlink()
    with pytest.raises(UserError, match="variance.csv is missing: run the comparison of main again"):
        write_report(config, results, tmp_path / "r.html", tmp_path / "d")


def test_failed_method_and_failed_seed_are_named(linked, tmp_path):
    config, results = fabricate_config(methods=[*SMALL, "feature-fusion"]), linked()
    shutil.rmtree(results / "runs/main/feature-fusion")
    (results / "runs/main/input-fusion/seed-4").unlink()
    text = rebuild(tmp_path, config, results)
    assert "Feature fusion has no results." in text
    assert "Input fusion lacks seed 4, left out for every method" in text
    assert "No claims are made: the comparison has only 4 of the 5 required seeds." in text
    assert "Holm-adjusted p" in text  # the numbers stand
    assert "Conditions checked for" not in text


def test_proposed_method_that_failed_leaves_a_true_report(linked, tmp_path):
    results = linked()
    shutil.rmtree(results / "runs/main/anyband")
    text = rebuild(tmp_path, fabricate_config(seeds=(0, 1), methods=SMALL), results)
    assert "anyband has no results." in text
    assert "there is no headline" in text


def test_each_experiment_of_the_configuration_gets_its_sections_and_no_other_is_read(linked, tmp_path):
    config, results = fabricate_config(seeds=(0, 1), methods=SMALL), linked("benchmarks")
    shutil.copytree(results / "runs/main", results / "runs/again", symlinks=True)
    shutil.copytree(results / "benchmarks/train/main", results / "benchmarks/train/again")
    twice = config.model_copy(update={"experiments": config.experiments | {"again": config.experiments["main"]}})
    rebuild(tmp_path, twice, results)
    html = (tmp_path / "report.html").read_text()
    assert 'id="main-headline"' in html and 'id="again-headline"' in html
    assert html.count("<h1") == 1
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))
    shutil.rmtree(results / "runs/main")
    (results / "comparison/main/design.json").write_text("broken")
    rebuild(tmp_path, config.model_copy(update={"experiments": {"again": config.experiments["main"]}}), results)
    html = (tmp_path / "report.html").read_text()
    assert 'id="again-headline"' in html and "main-headline" not in html
    assert sorted(path.name for path in (tmp_path / "report_data/comparison").iterdir()) == ["again"]
    assert pd.read_csv(tmp_path / "report_data/tables/timing.csv").set_index("Rule").loc["train", "Jobs"] == 15


def test_same_results_give_the_same_bytes(tmp_path, results, config, report):
    rebuild(tmp_path, config, results, compare=False)
    assert (tmp_path / "report.html").read_bytes() == report[0].read_bytes()
    for path in (tmp_path / "report_data").rglob("*.*"):
        assert path.read_bytes() == (report[1] / path.relative_to(tmp_path / "report_data")).read_bytes(), path


def test_ledger_counts_scenes_pairs_and_chips(report):
    data = report[1]
    scenes = pd.read_csv(data / "tables/scenes-main.csv").set_index("Collection")
    assert scenes.loc["sentinel-2-l2a", "Scenes found"] == 30
    assert scenes.loc["sentinel-2-l2a", "Scenes used"] == 27
    losses = pd.read_csv(data / "tables/losses-main.csv")
    assert losses["Count"].tolist() == [27, 3, 30, 15]


def test_every_figure_is_a_valid_file_of_its_own(unseen):
    figures = sorted((unseen[1] / "figures").glob("*.svg"))
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
    assert row["mIoU [95 %]"][0].isdigit() and row["Family, inputs"] == "unified product HLS"
    assert headline.index.str.contains("twins").sum() == 1
    text = text_of(report[0])
    assert "HLS unified reads only HLS, so its endpoint is averaged over S30, L30 and S30+L30" in text
    assert "Only HLS unified was trained on these products." in text
    assert "No method was trained on" not in text


def test_a_method_without_its_twins_has_dashes_and_no_note(linked, tmp_path):
    config = fabricate_config(seeds=(0, 1), methods=[*SMALL, "hls-unified"], conditions=["S2", "L9", "S2+L9", "S30"])
    text = rebuild(tmp_path, config, linked())
    row = pd.read_csv(tmp_path / "report_data/tables/main-headline.csv").set_index("Method").loc["HLS unified"]
    assert row["mIoU [95 %]"] == form.DASH
    assert "on its HLS twins" not in text


def test_a_baseline_that_reads_only_hls_still_gets_its_maps_and_trials_are_told(linked, tmp_path):
    """With a ledger of the run's own."""
    config, results = fabricate_config(seeds=(0, 1), methods=["hls-unified", "anyband"]), linked()
    rows = [(m, t, 0.005, 0.01, "{}", 0.4, 9.0, t == 1) for m in ("hls-unified", "anyband") for t in (0, 1)]
    columns = ["method", "trial", "learning_rate", "weight_decay", "options", "validation_miou", "seconds", "chosen"]
    (results / "tuning/main").mkdir(parents=True)
    pd.DataFrame(rows, columns=columns).to_csv(results / "tuning/main/ledger.csv", index=False)
    text = rebuild(tmp_path, config, results)
    assert "HLS unified, S30+L30" in text and "Difference to HLS unified" in text
    assert "Every method had the same number of tuning trials (2 trials)" in text
    cost = pd.read_csv(tmp_path / "report_data/tables/main-cost.csv").set_index("Method")
    assert set(cost["Tuning trials"]) == {2}
    assert len(pd.read_csv(tmp_path / "report_data/tables/main-tuning.csv")) == 2


def test_translated_images_stand_beside_their_plain_variant(tmp_path):
    folders = {}
    for method, error in (("translation", 0.021), ("translation-plain", 0.034)):
        folders[method, 0] = tmp_path / method
        folders[method, 0].mkdir()
        table = pd.DataFrame({"band": ["B02", "all"], "rmse": error, "psnr_db": 30, "ssim": 0.9, "ergas": 2})
        table.assign(sam_deg=2.5).to_csv(tmp_path / method / "image_scores.csv", index=False)
    labels = {"translation": "Translation to S2", "translation-plain": "translation-plain"}
    entry = entry_of({"labels": labels, "methods": list(labels)}, image_scores=run_tables.image_scores(folders))
    table = image_scores(entry).frame()
    assert table["Method"].tolist()[:2] == ["Translation to S2", "translation-plain"]
    assert table["Band"].tolist()[:3] == ["all bands", "all bands", "B02"]
    assert table["RMSE × 100"].tolist()[:2] == ["2.10", "3.40"]
