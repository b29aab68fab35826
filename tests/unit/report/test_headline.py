"""README, report and report_data show the same numbers."""

import re
import shutil

import pandas as pd
import pytest

from anyband.report import formatting as form
from anyband.runtime import UserError
from tools import headline
from unit.report.fabricated import text_of

README = f"# Title\n\nWords.\n\n{headline.START}\nold\n{headline.END}\n\nMore words.\n"


@pytest.fixture
def finished(results, report, tmp_path):
    """A finished run with its report where the workflow writes it."""
    folder = tmp_path / "results"
    shutil.copytree(results / "comparison", folder / "comparison")
    shutil.copytree(report[1], folder / "report_data")
    shutil.copy(report[0], folder / "report.html")
    return folder


def rows(text):
    """Cells of a markdown table by method, without emphasis."""
    cells = [[cell.strip().strip("*\\").strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()]
    return {row[0]: row for row in cells if len(row) == len(cells[0])}


def test_readme_has_the_numbers_of_the_committed_run(root):
    table = pd.read_csv(root / headline.NUMBERS)
    assert headline.between((root / "README.md").read_text()) == headline.markdown(table)


def test_readme_report_and_report_data_agree(finished, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README)
    headline.fill(readme, headline.numbers(finished))
    shown = rows(headline.between(readme.read_text()))
    table = pd.read_csv(finished / "report_data/tables/main-headline.csv").set_index("Method")
    page = text_of(finished / "report.html")
    ranked = table[table["mIoU [95 %]"] != form.DASH]
    assert len(ranked) > 8
    for method, row in ranked.iterrows():
        name = next(key for key in shown if method.startswith(key))
        assert shown[name][4] == row["mIoU [95 %]"] and shown[name][4] in page, method
        assert shown[name][5] == row["anyband minus this [95 %]"] and shown[name][6] == row["Holm p"], method
    conditions = pd.read_csv(finished / "report_data/tables/main-conditions.csv").set_index("Method")
    for method in conditions.index:
        expected = [cell.split(" ")[0] for cell in conditions.loc[method, ["S2", "L9", "S2+L9"]]]
        assert shown[method][1:4] == expected, method


def test_the_rest_of_the_readme_stays_and_a_second_time_changes_nothing(finished, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README)
    headline.fill(readme, headline.numbers(finished))
    once = readme.read_text()
    assert once.startswith("# Title\n\nWords.\n") and once.endswith("\n\nMore words.\n") and "old" not in once
    assert headline.markdown(pd.read_csv(tmp_path / headline.NUMBERS)) == headline.between(once)
    headline.fill(readme, headline.numbers(finished))
    assert readme.read_text() == once


def test_the_commit_and_that_scenes_are_simulated_stand_under_the_table(finished):
    text = headline.markdown(headline.numbers(finished))
    assert "**simulated** scenes" in text and re.search(r"Made by commit `([0-9a-f]{12}|unknown)`", text)


def test_a_report_of_another_comparison_is_refused(finished):
    changed = finished / "report_data/comparison/main/general.csv"
    changed.write_text(changed.read_text().replace("0.5", "0.6"))
    with pytest.raises(UserError, match="made from another comparison"):
        headline.numbers(finished)
    shutil.rmtree(finished / "report_data")
    with pytest.raises(UserError, match="run the workflow to its end"):
        headline.numbers(finished)


@pytest.mark.parametrize("text", ["no markers", headline.END + headline.START, README + headline.START])
def test_a_readme_without_its_markers_is_left_alone(finished, tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(UserError, match="the README needs one line"):
        headline.fill(readme, headline.numbers(finished))
    assert readme.read_text() == text and not (tmp_path / headline.NUMBERS).exists()
