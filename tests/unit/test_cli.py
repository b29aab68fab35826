"""The command `anyband`, on fabricated tables."""

import json
import os
import subprocess
import sys
from datetime import datetime
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

from anyband.catalog.pairs.pair_summary import STYLE, cloudy_matches, draw, read_dataset
from anyband.catalog.pairs.pairing import Clarity, Match, select_pairs
from anyband.catalog.pairs.site_pairs import DROP_COLUMNS, NOT_NEEDED, PAIR_COLUMNS, as_csv
from anyband.cli import app, main
from anyband.runtime import UserError


def pair(number, day_gap=1, clear=0.8, platforms=("sentinel-2a", "landsat-8")):
    row = dict.fromkeys(PAIR_COLUMNS, "x")
    return row | {
        "pair": number,
        "day_gap": day_gap,
        "clear_joint": f"{clear:.4f}",
        "clear_sentinel2": f"{clear + 0.05:.4f}",
        "clear_landsat": f"{clear + 0.1:.4f}",
        "platform_sentinel2": platforms[0],
        "platform_landsat": platforms[1],
    }


def dropped(reason, detail=""):
    return {"sentinel2": "s", "landsat": "", "reason": reason, "detail": detail}


CLOUDY = dropped("cloudy", "clear in both 0.100 < 0.3 (Sentinel-2 0.200, Landsat 0.400)")


def write_site(results, site, pairs, drops, bbox=None, dataset="main"):
    folder = results / "pairs" / dataset
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{site}.csv").write_text(as_csv(PAIR_COLUMNS, pairs))
    (folder / f"{site}.dropped.csv").write_text(as_csv(DROP_COLUMNS, drops))
    if bbox:
        manifest = results / "scenes" / dataset / site / "sentinel2.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(json.dumps({"query": {"bbox": bbox}, "items": []}))


@pytest.fixture
def results(tmp_path):
    """Three sites in three continents, one of them without pairs."""
    newest = "sentinel-2c", "landsat-9"
    write_site(
        tmp_path,
        "aspen",
        [pair(0, 0, 0.9), pair(1, 3, 0.5), pair(2, 1, 0.7, newest)],
        [CLOUDY, dropped("tier"), CLOUDY, dropped(NOT_NEEDED)],
        [10.3, 46.0, 10.4, 46.1],
    )
    write_site(tmp_path, "birch", [], [CLOUDY, dropped("no HLS")], [-70.4, -40.1, -70.3, -40.0])
    write_site(tmp_path, "cedar", [pair(0, 2, 0.6)], [], [179.9, -17.0, -179.9, -16.8])
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_the_table_has_a_line_for_every_site_and_the_totals(results):
    lines = run("pairs", "--results", results).output.splitlines()
    assert [line.split() for line in lines[2:5]] == [
        ["aspen", "3", "1", "0.70", "2", "cloudy,", "1", "tier"],
        ["birch", "0", "-", "-", "1", "cloudy,", "1", "no", "HLS"],
        ["cedar", "1", "2", "0.60"],
    ]
    assert lines[6].split() == ["all", "4", "1.5", "0.65", "3", "cloudy,", "1", "no", "HLS,", "1", "tier"]
    assert lines[-1] == "main: 4 pairs at 3 sites, 1 of them without pairs"
    assert run("pairs", "main", "--results", results).output.splitlines() == lines


def test_positions_come_from_the_searched_box_also_across_the_antimeridian(results):
    _, sites = read_dataset(results, None)
    assert [site.position for site in sites] == [
        pytest.approx(position) for position in ((10.35, 46.05), (-70.35, -40.05), (-180.0, -16.9))
    ]


def test_the_threshold_is_the_one_that_pairing_applied():
    """The figure reads what pairing writes: if one changes its words, the other must."""
    ids = type("Scene", (), {"item_id": "s"}), type("Scene", (), {"item_id": "l"})
    for scene in ids:
        scene.platform, scene.datetime = "", datetime(2022, 5, 10)
    ids[1].platform = "other"
    _, (drop,) = select_pairs([Match(*ids, *ids, Clarity(0.12, 0.5, 0.25))], 0.3)
    site = type("Site", (), {"drops": [dropped(drop.reason, drop.detail)]})
    assert cloudy_matches([site]) == ([(0.5, 0.25)], 0.3)


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_figure_is_written_in_the_form_of_its_name_and_twice_the_same(results, tmp_path, kind, start):
    contents = []
    for number in range(2):
        path = tmp_path / "figures" / f"{number}.{kind}"
        answer = run("pairs", "--results", results, "--plot", path)
        assert answer.output.endswith("1 of them without pairs\n")
        contents.append(path.read_bytes())
    assert contents[0].startswith(start)
    assert contents[0] == contents[1]
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == [f"0.{kind}", f"1.{kind}"]


def drawn(results):
    """The figure laid out, and the places of all texts in it."""
    with mpl.rc_context(STYLE):
        figure = draw(*read_dataset(results, None))
        FigureCanvasAgg(figure).draw()
        hidden = {
            tick.label1
            for axes in figure.axes
            for axis in (axes.xaxis, axes.yaxis)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
            if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        }
        texts = [text for text in figure.findobj(mpl.text.Text) if text.get_visible() and text.get_text()]
        return figure, {text: text.get_window_extent() for text in texts if text not in hidden}


def test_the_panels_show_what_is_in_the_tables(results):
    figure, _ = drawn(results)
    chart, gaps, clear, satellites, reasons = figure.axes
    assert figure.get_suptitle() == (
        "Dataset main: Sentinel-2 and Landsat scenes, 4 pairs at 3 sites, 1 of them without pairs"
    )
    assert [bar.get_height() for bar in gaps.patches] == [1, 1, 1, 1]
    assert [bar.get_width() for bar in satellites.patches] == [1, 3]
    assert [label.get_text() for label in satellites.get_yticklabels()] == [
        "Sentinel-2C + Landsat 9",
        "Sentinel-2A + Landsat 8",
    ]
    assert [
        (label.get_text(), bar.get_width())
        for label, bar in zip(reasons.get_yticklabels(), reasons.patches, strict=True)
    ] == [
        ("no HLS", 1),
        ("tier", 1),
        ("cloudy", 3),
    ]
    assert clear.lines[0].get_xydata().tolist() == [[100, 30], [30, 30], [30, 100]]
    assert [len(points.get_offsets()) for points in clear.collections] == [3, 4]
    land, full, empty = chart.collections
    assert full.get_offsets().ravel().tolist() == pytest.approx([10.35, 46.05, -180.0, -16.9])
    assert full.get_sizes()[0] == 3 * full.get_sizes()[1]
    assert len(empty.get_offsets()) == 1
    for axes in (gaps, clear):
        assert axes.get_xlabel()
        assert axes.get_ylabel()


@pytest.mark.parametrize("case", ["all", "one site", "nothing"])
def test_no_label_hides_another(results, tmp_path, case):
    if case != "all":
        results = tmp_path / "other"
        write_site(results, "aspen", [pair(0)] if case == "one site" else [], [], [10.3, 46.0, 10.4, 46.1])
    figure, places = drawn(results)
    for (first, box), (second, other) in combinations(places.items(), 2):
        assert not box.overlaps(other), f"{first.get_text()!r} and {second.get_text()!r}"
    assert all(figure.bbox.padded(1).contains(box.x0, box.y0) for box in places.values())


def test_mistakes_are_one_line(results, tmp_path, monkeypatch):
    write_site(results, "dune", [], [], dataset="second")
    broken = tmp_path / "broken"
    write_site(broken, "aspen", [], [])
    (broken / "pairs/main/aspen.csv").write_text("pair,day_gap\n")
    for arguments, line in (
        (["--results", results], "has pairs of several datasets: name one of main, second"),
        (["third", "--results", results], "has no pairs of dataset third: run the workflow first, known: main, second"),
        (["--results", tmp_path / "empty"], "has no pairs: run the workflow first"),
        (["main", "--results", results, "--plot", "a.jpg"], "--plot a.jpg: the name must end in one of .png, .svg"),
        (["--results", broken], "aspen.csv has no column"),
        (["main", "--results", results, "--plot", broken / "pairs/main/aspen.csv/a.png"], "no folder that can be"),
    ):
        monkeypatch.setattr(sys, "argv", ["anyband", "pairs", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert line in str(stopped.value)
        assert str(stopped.value).startswith("anyband: ")
        assert "\n" not in str(stopped.value)


def test_what_is_written_never_replaces_what_it_is_made_from(results, tmp_path, monkeypatch, capsys):
    run_folder = tmp_path / "run"
    (run_folder / "report_data/cards").mkdir(parents=True)
    for name in ("report.html", "report_data/provenance.json", "report_data/cards/x.html"):
        (run_folder / name).write_text("mine")
        arguments = ["compare-runs", run_folder, run_folder, "--out", run_folder / name]
        monkeypatch.setattr(sys, "argv", ["anyband", *map(str, arguments)])
        with pytest.raises(SystemExit, match="is a file that is read: name another one"):
            main()
        assert (run_folder / name).read_text() == "mine"
    link = tmp_path / "link.png"
    link.symlink_to(results / "pairs/main/aspen.csv")
    monkeypatch.setattr(sys, "argv", ["anyband", "pairs", "main", "--results", str(results), "--plot", str(link)])
    with pytest.raises(SystemExit, match="is a file that is read"):
        main()


def test_the_coordinate_systems_of_other_software_are_not_used():
    """QGIS and conda set these variables for every program of a shell."""
    code = "import anyband, rasterio; print(rasterio.CRS.from_epsg(32632).is_projected)"
    foreign = os.environ | {"PROJ_DATA": "/nowhere", "PROJ_LIB": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", code], env=foreign, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_a_closed_output_is_no_reason_to_stop(results):
    command = [sys.executable, "-m", "anyband.cli", "pairs", "main", "--results", str(results)]
    closed = ["bash", "-c", 'exec "$0" "$@" >&-', *command]
    done = subprocess.run(closed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_table_without_its_other_half_is_named(results):
    (results / "pairs/main/cedar.dropped.csv").unlink()
    with pytest.raises(UserError, match=r"cedar\.dropped\.csv is missing"):
        read_dataset(results, "main")


def test_help_needs_nothing_heavy():
    program = "import sys, anyband.cli; print([m for m in ('numpy', 'matplotlib', 'rasterio') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
    assert "pairs" in run("--help").output
    assert run().exit_code != 0


@pytest.fixture
def repository(root, tmp_path, monkeypatch):
    """A folder with the configuration, and Snakemake replaced by a record of its commands."""
    (tmp_path / "config.yaml").write_text((root / "config.yaml").read_text())
    (tmp_path / "two.yaml").write_text("tuning: {trials: 2}\n")
    monkeypatch.chdir(tmp_path)
    commands = []
    monkeypatch.setattr(
        "anyband.tuning.trials.subprocess.run", lambda command: commands.append(command) or type("", (), STATUS)
    )
    return commands


STATUS = {"returncode": 0}
LEDGER = """\
method,trial,learning_rate,weight_decay,options,validation_miou,seconds,chosen
pixel,0,0.005,0.01,{},0.25,10.0,False
pixel,1,0.002,0.03,"{""dim"": 32}",0.5,12.0,True
"""


def test_tune_asks_snakemake_for_the_ledger_and_shows_it(repository):
    ledger = Path("results/tuning/main/ledger.csv")
    ledger.parent.mkdir(parents=True)
    ledger.write_text(LEDGER)
    lines = run("tune", "--cores", 3, "--configfile", "two.yaml").output.splitlines()
    assert repository == [
        [sys.executable, "-m", "snakemake", str(ledger), "--cores", "3", "--configfile", "two.yaml"],
    ]
    assert [line.split() for line in lines[1:3]] == [
        ["pixel", "0", "0.005", "0.01", "-", "0.2500", "10"],
        ["pixel", "1", "0.002", "0.03", "dim", "32", "0.5000", "12", "*"],
    ]
    assert lines[-1].endswith("snakemake --cores 3 all --configfile two.yaml results/tuning/main/best.yaml")


def test_tune_of_some_methods_runs_their_trials_only_and_writes_no_ledger(repository):
    for trial, rate in enumerate((0.005, 0.002)):
        folder = Path(f"results/tuning/main/pixel/trial-{trial}")
        folder.mkdir(parents=True)
        training = {"learning_rate": rate, "weight_decay": 0.01}
        (folder / "settings.json").write_text(json.dumps({"model": "pixel", "options": {}, "training": training}))
        (folder / "history.csv").write_text(f"step,loss,val_miou,seconds\n6,1.0,{0.1 + trial},2.0\n")
    answer = run("tune", "main", "--methods", "pixel", "--configfile", "two.yaml").output
    (command,) = repository
    assert command[3:-4] == [f"results/tuning/main/pixel/trial-{trial}/history.csv" for trial in range(2)]
    assert not Path("results/tuning/main/ledger.csv").exists()
    best = "results/tuning/main/best-pixel.yaml"
    assert answer.endswith(f"--configfile two.yaml {best}\n")
    assert "learning_rate: 0.002" in Path(best).read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["mian"], "experiment 'mian' does not exist; did you mean 'main'?"),
        (["main", "--methods", "pixel,anybnd"], "--methods: 'anybnd' is not in experiments.main; did you mean 'any"),
        (["--configfile", "none.yaml"], "none.yaml cannot be read (No such file or directory)"),
        (["--configfile", "broken.yaml"], "broken.yaml, line 2: expected"),
        (["--configfile", "list.yaml"], "list.yaml has no keys and values"),
    ],
)
def test_mistakes_stop_tune_before_any_trial(repository, monkeypatch, arguments, line):
    Path("broken.yaml").write_text("tuning: {trials: 2\n")
    Path("list.yaml").write_text("[tuning]\n")
    monkeypatch.setattr(sys, "argv", ["anyband", "tune", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert str(stopped.value).startswith(f"anyband: {line}") or line in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert not repository


def test_tune_says_in_one_line_what_is_missing(repository, monkeypatch):
    from anyband.tuning import trials

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STATUS, "returncode", 1)
        with pytest.raises(UserError, match="snakemake stopped with status 1"):
            list(trials.tune("main", [], "1", []))
    monkeypatch.setattr("anyband.tuning.trials.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="snakemake is not installed"):
        list(trials.tune("main", [], "1", []))
    Path("config.yaml").unlink()
    with pytest.raises(UserError, match=r"config\.yaml cannot be read .*: run this in the repository"):
        list(trials.tune("main", [], "1", []))
