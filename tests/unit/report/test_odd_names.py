"""From runs to the report with names that pandas and YAML read as something else, and with what desktops leave."""

import json
import re

import pytest

from anyband.config import ComparisonSettings, Config, Dataset, Experiment, MethodSettings
from anyband.report.compare_runs import compare_runs
from anyband.runtime import UserError, read_csv
from anyband.statistics.cube import build_cube, read_runs
from unit.report import fabricated

METHODS = {"null": "input-fusion", "1e5": "feature-fusion", "nan": "s2-only", "007": "l9-only", "true": "pixel"}
SITES = ["None", "007", "NA", "null", "nan", "1e5", "True", "inf", "NaN", "0x1f", "no", "N-A"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Results of a comparison with such methods and test sites, and its report."""
    results = tmp_path_factory.mktemp("odd") / "results"
    config = Config(
        datasets={"main": Dataset()},
        methods={"anyband": MethodSettings(model="anyband")}
        | {name: MethodSettings(model=model) for name, model in METHODS.items()},
        experiments={"main": Experiment(seeds=[0, 1], methods=["anyband", *METHODS])},
    )
    skill = {"anyband": fabricated.SKILL["anyband"]} | {name: fabricated.SKILL[m] for name, m in METHODS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fabricated, "TEST_SITES", SITES)
        fabricated.fabricate_results(results, config, skill=skill)
    for place in ("splits/._main.csv", "pairs/main/._None.csv", "pairs/main/None (1).csv", "pairs/.DS_Store",
                  "benchmarks/train/main/._null.jsonl", "runs/main/null/.DS_Store", "scenes/main/.DS_Store",
                  "runs/main/null/seed-0/confusion (1).csv", "runs/main/null/seed-0/._confusion.csv"):  # fmt: skip
        (results / place).write_bytes(b"\x00\x05\x16\x07")
    fabricated.compare_all(results, config)
    (results / "comparison/main/._general.csv").write_bytes(b"\x00\x05")
    fabricated.rebuild(results, config, results, compare=False)
    return results


def test_no_name_changes_its_meaning_between_runs_and_report(made):
    general = read_csv(made / "comparison/main/general.csv")
    assert set(general["method"]) >= {"anyband", *METHODS}
    assert general.set_index("method").loc[["null", "1e5", "anyband"], "difference"].notna().tolist() == [1, 1, 0]
    units = read_csv(made / "comparison/main/units.csv")
    assert set(units.loc[units["kind"] == "block", "unit"]) == set(read_csv(made / "splits/main.csv")["block"][:24])
    page = (made / "report.html").read_text()
    table = (made / "report_data/tables/main-headline.csv").read_text()
    for name in METHODS:
        assert re.search(rf"^{name}[, ]", table, re.MULTILINE), name
        assert f">{name}<" in page, name
    assert set(read_csv(made / "splits/main.csv")["site"]) >= set(SITES)
    assert "._" not in json.dumps(json.loads((made / "report_data/provenance.json").read_text())["files_sha256"])


def test_two_runs_with_such_names_compare(made, tmp_path):
    assert compare_runs(made, made, tmp_path / "page.html")[0] == "Results: 0 changes"


def test_a_count_that_is_no_whole_number_is_one_line(made):
    settings = ComparisonSettings(
        name="main", experiment=Experiment(methods=["null"], proposed="null"), classes={10: "a"}
    )
    table = read_runs([made / "runs/main/null/seed-0"], "confusion.csv")
    for value in (None, 0.5, "many"):
        damaged = table.assign(count=table["count"].astype(object).where(table.index != 3, value))
        with pytest.raises(UserError, match=r"^[^\n]*column 'count' has a value that is no whole number[^\n]*$"):
            build_cube(damaged.infer_objects(), settings)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), ("cut", "middle of a line"), (None, "cannot be read"), (b"PK\x03\x04\xff", "is not text")],
)
def test_a_damaged_table_of_a_run_is_one_line_that_names_it(made, tmp_path, content, words):
    path = tmp_path / "confusion.csv"
    if content is None:
        path.mkdir()
    else:
        whole = (made / "runs/main/null/seed-0/confusion.csv").read_bytes()
        path.write_bytes(whole[:1003] if content == "cut" else content)
    with pytest.raises(UserError, match=rf"^[^\n]*confusion.csv[^\n]*{words}[^\n]*$"):
        read_runs([tmp_path], "confusion.csv")
