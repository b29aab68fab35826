"""The trials on the real workflow, from the data of the tiny run on."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from anyband.config import Config, MethodSettings, Run, Training
from tiny_workflow import ROOT, TINY, environment

TWO_TRIALS = {"tuning": {"trials": 2}}


@pytest.fixture(scope="module")
def tuned(tiny_run, tmp_path_factory):
    """A copy of the tiny run with two trials of its two methods."""
    workflow = tiny_run.copy(tmp_path_factory.mktemp("tuned") / "run")
    workflow.succeed(change=TWO_TRIALS, target="tuning")
    return workflow


def rows(folder):
    return list(csv.DictReader((folder / "results/tuning/main/ledger.csv").read_text().splitlines()))


def test_the_ledger_has_as_many_trials_of_every_method_and_chooses_the_best(tuned):
    ledger = rows(tuned.folder)
    assert [(row["method"], row["trial"]) for row in ledger] == [
        ("anyband", "0"), ("anyband", "1"), ("s2-only", "0"), ("s2-only", "1"),
    ]  # fmt: skip
    for method in ("anyband", "s2-only"):
        own = [row for row in ledger if row["method"] == method]
        (chosen,) = (row for row in own if row["chosen"] == "True")
        assert float(chosen["validation_miou"]) == max(float(row["validation_miou"]) for row in own)
        assert float(own[0]["learning_rate"]) == Config().run("main", method).training.learning_rate
        assert len({row["learning_rate"] for row in own}) == 2
        for row in own:
            folder = tuned.folder / "results/tuning/main" / method / f"trial-{row['trial']}"
            last = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))[-1]
            assert float(row["validation_miou"]) == float(last["val_miou"])
            settings = json.loads((folder / "settings.json").read_text())
            assert settings["training"]["learning_rate"] == float(row["learning_rate"])
            assert settings["training"]["steps"] == int(last["step"]) == 6, "a trial is as long as a training"
            assert settings["seed"] == 1000
            assert not (folder / "model.safetensors").exists()


def test_trials_leave_the_comparison_as_it_was(tuned, tiny_run):
    """All but the report, which shows the ledger."""
    for path in tiny_run.folder.glob("results/runs/main/*/seed-0/*"):
        assert (tuned.folder / path.relative_to(tiny_run.folder)).read_bytes() == path.read_bytes()
    printed = tuned.succeed("--dry-run", change=TWO_TRIALS)
    assert set(re.findall(r"^(\w+) +\d+$", printed, re.M)) - {"total"} == {"report", "all"}


def test_the_chosen_preset_trains_only_methods_whose_settings_it_changes(tuned):
    changed = {row["method"] for row in rows(tuned.folder) if row["chosen"] == "True" and row["trial"] != "0"}
    printed = tuned.succeed("--dry-run", change=TWO_TRIALS, configs=["results/tuning/main/best.yaml"])
    assert set(re.findall(r"Training ([\w-]+), seed", printed)) == changed


@pytest.mark.parametrize(
    ("change", "trials"),
    [
        ({"tuning": {"trials": 3}}, {("2", "anyband"), ("2", "s2-only")}),
        ({"methods": {"s2-only": {"options": {"dim": 32}}}}, {("0", "s2-only"), ("1", "s2-only")}),
        ({"experiments": {"main": {"conditions": ["S2", "L9"]}}}, set()),
    ],
    ids=["more trials", "one method's option", "conditions of the test"],
)
def test_only_trials_that_a_change_touches_run_again(tuned, change, trials):
    printed = tuned.succeed("--dry-run", change=TWO_TRIALS | change, target="tuning")
    assert set(re.findall(r"Trial (\d+) of ([\w-]+)", printed)) == trials


def test_a_trial_does_not_read_the_test_split(tuned, tmp_path):
    """With a table of splits that has lost its test rows, a trial gives the same history."""
    table = (tuned.folder / "results/splits/main.csv").read_text().splitlines()
    column = table[0].split(",").index("split")
    kept = [line for line in table if line.split(",")[column] != "test"]
    assert 1 < len(kept) < len(table)
    (tmp_path / "split.csv").write_text("\n".join(kept) + "\n")
    before = tuned.folder / "results/tuning/main/s2-only/trial-1"
    settings = json.loads((before / "settings.json").read_text())
    tiny = yaml.safe_load(TINY.read_text())["experiments"]["main"]["training"]
    run = Run(
        name="s2-only", method=MethodSettings(model="s2-only"), training=Training(**tiny), classes=classes(settings)
    )
    stores = sorted(map(str, tuned.folder.glob("results/chips/main/*.zarr")))
    done = subprocess.run(
        [sys.executable, "-m", "anyband.steps.trial", f"--settings={run.as_json()}", "--seed=1000", "--trial=1"]
        + [f"--split={tmp_path / 'split.csv'}", "--chips", *stores, "--threads=1", f"--out={tmp_path / 'out'}"],
        cwd=ROOT / "src",
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "out/settings.json").read_text())
    assert again == settings
    first, second = (
        [(row["step"], row["val_miou"]) for row in csv.DictReader((folder / "history.csv").read_text().splitlines())]
        for folder in (before, tmp_path / "out")
    )
    assert first[-1][0] == second[-1][0]
    assert float(first[-1][1]) == pytest.approx(float(second[-1][1]), abs=0.02)


@pytest.mark.slow
def test_the_command_shows_the_ledger_and_where_the_preset_lies(tuned):
    """Run where config.yaml and the rules lie, as a person does."""
    for name in ("Snakefile", "workflow", "src"):
        if not (tuned.folder / name).exists():
            (tuned.folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "config.yaml", tuned.folder / "config.yaml")
    (tuned.folder / "two.yaml").write_text(yaml.safe_dump(TWO_TRIALS))
    command = [sys.executable, "-m", "anyband.cli", "tune", "main", "--cores", "2"]
    command += ["--configfile", str(TINY), "--configfile", "two.yaml"]
    done = subprocess.run(command, cwd=tuned.folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["anyband", "anyband", "s2-only", "s2-only"]
    assert lines[-1].endswith("two.yaml results/tuning/main/best.yaml")


def classes(settings):
    """The scored classes of a run by code."""
    from anyband.landcover import SCORED

    return {code: SCORED[code] for code in settings["classes"]}
