"""The real workflow from simulation to report."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tiny_workflow import SNAKEMAKE, Workflow, environment, jobs


def tables(folder):
    """Confusion matrices of a finished run by path."""
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.glob("results/runs/**/confusion.csv"))
    }


def test_run_ends_in_one_self_contained_page(tiny_run):
    page = (tiny_run.folder / "results/report.html").read_text()
    assert "SIMULATED" in page[:20_000].upper()
    assert not re.search(r"(?:src|href)=[\"']https?://", page)


def test_chips_are_the_pixels_of_their_sources(tiny_run, tmp_path):
    """`anyband verify` reads them again with stackstac; the archive is served as for the rules."""
    (tmp_path / "chips/main").mkdir(parents=True)
    for name in ("archive", "chips/main/elder.zarr"):
        (tmp_path / name).symlink_to(tiny_run.folder / "results" / name)
    command = [sys.executable, "-m", "anyband.cli", "verify", "--sample", "1", "--results", tmp_path]
    done = subprocess.run(command, cwd=tiny_run.folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"main: \d{2} layers of 1 chips at 1 sites, 0 differ", done.stdout.splitlines()[-1])


def test_second_run_does_nothing(tiny_run):
    before = {p: p.stat().st_mtime_ns for p in tiny_run.folder.glob("results/**/*") if p.is_file()}
    printed = tiny_run.succeed()
    assert "Nothing to be done" in printed
    assert before == {p: p.stat().st_mtime_ns for p in tiny_run.folder.glob("results/**/*") if p.is_file()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"methods": {"s2-only": {"options": {"dim": 32}}}},
            {"train": 1, "evaluate": 1, "compare": 1, "report": 1, "all": 1},
        ),
        (
            {"experiments": {"main": {"conditions": ["S2", "L9"]}}},
            {"evaluate": 2, "compare": 1, "report": 1, "all": 1},
        ),
        (
            {"datasets": {"main": {"split": {"seed": 99}}}},
            {"split": 1, "train": 2, "evaluate": 2, "compare": 1, "report": 1, "all": 1},
        ),
    ],
    ids=["one method's option", "conditions", "seed of the split"],
)
def test_only_what_a_change_touches_runs_again(tiny_run, change, expected):
    printed = tiny_run.succeed("--dry-run", change=change)
    assert jobs(printed) == expected


def test_manifest_holds_unsigned_hrefs_that_do_not_name_a_port(tiny_run):
    manifests = list(tiny_run.folder.glob("results/scenes/main/*/sentinel2.json"))
    assert manifests
    for path in manifests:
        assert "127.0.0.1" not in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["simulate", "extract", "train", "evaluate"])
def test_killed_run_finishes_with_the_numbers_of_an_undisturbed_one(tiny_run, tmp_path, stage):
    """SIGKILL to the whole process group at a stage; a second run beside it must not be disturbed either."""
    killed, beside = Workflow(tmp_path / "killed"), Workflow(tmp_path / "beside")
    for workflow in (killed, beside):
        workflow.folder.mkdir()
    quiet = {"env": environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process, other = (
        subprocess.Popen([*SNAKEMAKE, *workflow.arguments()], cwd=workflow.folder, start_new_session=True, **quiet)
        for workflow in (killed, beside)
    )
    deadline = time.time() + 600
    while not list(killed.folder.glob(f"results/logs/{stage}/**/*.log")) and time.time() < deadline:
        time.sleep(0.2)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed.run("--unlock")
    killed.succeed("--rerun-incomplete")
    assert tables(killed.folder) == tables(tiny_run.folder)
    assert other.wait() == 0
    assert tables(beside.folder) == tables(tiny_run.folder)
