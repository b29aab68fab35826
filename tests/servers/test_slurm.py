"""The SLURM profile on a real SLURM of two nodes: `make test-servers`, as root, on Debian."""

import re
import shutil
import subprocess
import time

import pytest
import yaml

from servers.same_results import same_bytes, same_results
from tiny_workflow import SNAKEMAKE, environment

pytestmark = pytest.mark.servers
RUN = "results/runs/main/s2-only/seed-0"
FILES = ("model.safetensors", "confusion.csv", "calibration.csv")
QUICK = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"]
LIMITS = ["--default-resources", "mem_mb=min(1000 * attempt, 4000)", "runtime=30"]


def start(slurm, workflow, *arguments, target="all", change=None):
    """Start the workflow with the SLURM profile."""
    configs = []
    if change is not None:
        configs = [workflow.folder / "change.yaml"]
        configs[0].write_text(yaml.safe_dump(change))
    profile = workflow.root / "workflow/profiles/slurm"
    arguments = ["--workflow-profile", str(profile), *QUICK, *arguments]
    words = workflow.arguments(*arguments, configs=configs, target=target)
    command = [*SNAKEMAKE, *(word for word in words if word not in ("--cores", "8"))]
    return subprocess.Popen(
        command,
        cwd=workflow.folder,
        env=environment() | slurm.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--default-resources", "slurm_partition=nosuch", "runtime=10"], "SLURM has no partition nosuch"),
        (["--default-resources", "runtime=90"], "90 minutes"),
        (["--set-threads", "search=9"], "9 CPUs"),
    ],
)
def test_what_slurm_could_never_start_is_one_line_before_anything_is_sent(slurm, local, tmp_path, options, said):
    limits = options if "--default-resources" in options else [*options, *LIMITS]
    fresh = type(local)(tmp_path)
    printed = start(slurm, fresh, *limits, target="results/scenes/main/aspen/label.json").communicate(timeout=300)[0]
    last = [line for line in printed.splitlines() if line.strip()][-1]
    assert last.startswith("anyband: SLURM ") and said in last
    assert (
        "submitted" not in printed
        and not (tmp_path / ".snakemake/locks").is_dir()
        or not any((tmp_path / ".snakemake/locks").iterdir())
    )


def running(slurm, process, seconds=300):
    """Number and node of the first job that runs."""
    deadline = time.monotonic() + seconds
    while not (jobs := slurm.run("squeue", "--noheader", "--states=RUNNING", "--format=%i %N").split()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.5)
    return jobs[:2]


def test_the_whole_run_ends_in_the_report_with_the_bytes_of_this_machine(slurm, local, tmp_path):
    workflow = type(local)(tmp_path / "whole")
    workflow.folder.mkdir()
    process = start(slurm, workflow, *LIMITS)
    printed = process.communicate(timeout=5400)[0]
    assert process.returncode == 0, printed[-3000:]
    assert (workflow.folder / "results/report.html").is_file()
    same_results(local, workflow)


def test_a_job_of_a_node_that_fails_is_sent_to_another_one_and_gives_the_same_bytes(slurm, local, tmp_path):
    workflow = local.copy(tmp_path / "down")
    shutil.rmtree(workflow.folder / "results/runs/main/s2-only/seed-0")
    process = start(slurm, workflow, *LIMITS, "--rerun-triggers", "mtime", target=f"{RUN}/confusion.csv")
    _, node = running(slurm, process)
    slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        printed = process.communicate(timeout=1200)[0]
    finally:
        slurm.run("scontrol", "update", f"nodename={node}", "state=resume")
    assert process.returncode == 0, printed[-3000:]
    assert "NODE_FAIL" in printed
    same_bytes(local, workflow, *(f"{RUN.removeprefix('results/')}/{name}" for name in FILES))


def test_a_training_gets_the_signal_before_its_time_ends_and_saves(slurm, local, tmp_path):
    """SLURM tracks jobs by control groups here and tells only Snakemake; it hands the signal on."""
    workflow = local.copy(tmp_path / "signal")
    shutil.rmtree(workflow.folder / "results/runs")
    shutil.rmtree(workflow.folder / "results/logs")
    change = {"experiments": {"main": {"training": {"steps": 200000, "validations": 1}}}}
    limits = ["--set-resources", "train:runtime=4", "train:slurm_extra='--signal=TERM@60'", "train:mem_mb=2000"]
    process = start(
        slurm,
        workflow,
        *(*LIMITS, *limits, "--retries", "0", "--rerun-triggers", "mtime"),
        target=f"{RUN}/model.safetensors",
        change=change,
    )
    printed = process.communicate(timeout=900)[0]
    assert process.returncode == 1
    said = (workflow.folder / "results/logs/train/main/s2-only/seed-0.log").read_text()
    assert re.search(r"anyband: training s2-only seed-0 was told to stop after step \d+ of 200000", said), said[-2000:]
    assert (workflow.folder / RUN / "last.ckpt").is_file()
    assert "was told to stop" in printed


def test_a_cancelled_job_is_seen_and_sent_again_and_the_bytes_are_those_of_this_machine(slurm, local, tmp_path):
    workflow = local.copy(tmp_path / "cancel")
    shutil.rmtree(workflow.folder / RUN)
    process = start(slurm, workflow, *LIMITS, "--rerun-triggers", "mtime", target=f"{RUN}/confusion.csv")
    slurm.run("scancel", running(slurm, process)[0])
    printed = process.communicate(timeout=1200)[0]
    assert process.returncode == 0, printed[-3000:]
    assert "CANCELLED" in printed
    same_bytes(local, workflow, *(f"{RUN.removeprefix('results/')}/{name}" for name in FILES))
    assert any((workflow.folder / "results/logs/slurm").iterdir())
