"""The rules as text: formatting, lint, quoting, one-line configuration errors."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from anyband.config import Config
from tiny_workflow import ROOT, Workflow, jobs, snakemake

RIVALS, ABLATIONS = (Config().experiments[name].methods for name in ("rivals", "ablations"))
FILES = ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml"]


def test_unlock_needs_no_number_of_cores(tmp_path):
    """README says so; the rules ask for the cores, which Snakemake then does not know."""
    done = snakemake(["--unlock", *FILES, "--directory", tmp_path])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_path_placeholder_is_quoted(root):
    for path in (root / "workflow/rules").glob("*.smk"):
        for shell in re.findall(r"shell:\n((?:\s+\".*\"\n)+)", path.read_text()):
            bare = re.findall(r"\{(?:input|output|log)[^}]*(?<!:q)\}", shell)
            assert not bare, f"{path.name}: {bare}"


def test_root_snakefile_has_no_logic(root):
    text = (root / "Snakefile").read_text()
    assert len(text.splitlines()) <= 50
    assert not re.search(r"^\s*(def|for|if) ", text, re.M)


@pytest.fixture
def step(root, tmp_path):
    """Runs a command as the rules do, in front of a program of that name; gives status, what is shown, and its log."""

    def run(name, script):
        text = (root / "workflow/rules/common.smk").read_text()
        given = {"ROOT": root, "CORES": 1, "IS_CLONE": True, "PYTHON": "", "Path": Path, "sys": sys}
        given["CONFIG"] = SimpleNamespace(extract=SimpleNamespace(scheduler="threads"))
        prefix = eval(re.search(r"^shell\.prefix(\(.*?^\))", text, re.M | re.S)[1], given).format()
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        strict = f'set -euo pipefail; {prefix} export PATH="{tmp_path}:$PATH"; '
        command = ["bash", "-c", f"{strict}step log.txt {name} --standalone"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, done.stderr, (tmp_path / "log.txt").read_text()

    return run


TRACEBACK = "Traceback (most recent call last):\n  File x\ntorch.distributed.elastic: FAILED\n=======\n"


@pytest.mark.parametrize(
    ("name", "says", "shown"),
    [
        ("torchrun", f"anyband: the chips are gone\n{TRACEBACK}", "anyband: the chips are gone\n"),
        ("torchrun", TRACEBACK, "  File x\ntorch.distributed.elastic: FAILED\n=======\n"),  # it could not start
        ("python", "step 1\nanyband: the chips are gone\n", "step 1\nanyband: the chips are gone\n"),
    ],
)
def test_a_failed_step_shows_its_one_line_and_torchrun_no_traceback_behind_it(step, name, says, shown):
    status, printed, log = step(name, f"cat >&2 <<'END'\n{says}END\nexit 7")
    assert (status, printed, log) == (7, shown, says)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"methodes": {}}, ["unknown key methodes", "methods"]),
        ({"methods": {"anyband": {"model": "anybad"}}}, ["anybad", "anyband"]),
        ({"datasets": {"main": {"sites": "nowhere.csv"}}}, ["datasets.main.sites", "nowhere.csv"]),
        ({"datasets": {"main": {"sites": "outside.csv"}}}, ["atlantis", "embedded archive"]),
    ],
)
def test_wrong_configuration_stops_before_any_job_with_one_line(tmp_path, change, words):
    (tmp_path / "outside.csv").write_text("site,longitude,latitude\natlantis,-30.0,40.0\n")
    status, printed = Workflow(tmp_path).run(change=change)
    assert status != 0
    lines = [line for line in printed.splitlines() if "anyband:" in line]
    assert len(lines) == 1, printed
    for word in words:
        assert word in lines[0]
    assert not Path(tmp_path, "results").exists()


def test_default_run_is_the_promised_size(tmp_path):
    count = jobs(snakemake(["--dry-run", "--cores", "8", *FILES, "--directory", tmp_path]).stdout)
    assert count["simulate"] >= 20 and count["train"] >= 5 * 5 and count["report"] == 1


def test_rivals_and_ablations_cost_nothing_unless_asked(tmp_path):
    for target, trainings in (("all", {"s2-only", "anyband"}), ("rivals", RIVALS), ("ablations", ABLATIONS)):
        printed = Workflow(tmp_path).succeed("--dry-run", target=target)
        assert set(re.findall(r"Training ([\w-]+), seed", printed)) == set(trainings), target
        page = "results/report.html" if target == "all" else f"results/{target}/report.html"
        assert re.findall(r"Writing (\S+)", printed) == [page]


def test_a_target_without_experiments_is_one_line(tmp_path):
    status, printed = Workflow(tmp_path).run(
        "--dry-run", change={"experiments": {"rivals": {"target": "all"}}}, target="rivals"
    )
    assert status != 0
    assert [line for line in printed.splitlines() if line.startswith("anyband:")] == [
        "anyband: no experiment has target rivals: give one `target: rivals`"
    ]


def test_every_method_has_the_same_number_of_trials(tmp_path):
    printed = Workflow(tmp_path).succeed("--dry-run", change={"tuning": {"trials": 3}}, target="tuning")
    trials = set(re.findall(r"Trial (\d+) of ([\w-]+)", printed))
    assert trials == {(str(trial), method) for method in ("s2-only", "anyband") for trial in range(3)}
    assert not re.search("Training|Evaluating|Writing", printed)


def test_containerize_gives_a_recipe(tmp_path):
    """Snakemake writes one from the rules alone; ours, with everything in it, is envs/Containerfile."""
    done = snakemake(["--containerize", *FILES, "--directory", tmp_path])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FROM ")
