"""Profiles for clusters: what a scheduler is told, and the same results through one, without a cluster.

SLURM's commands and the submitter are stand-ins that run jobs on this machine; Snakemake and its plugins are real.
"""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from moto.server import ThreadedMotoServer
from safetensors.numpy import load_file

from submitter import commands, generic, lines, outputs
from tiny_workflow import jobs, snakemake

FORCED = ("--rerun-triggers", "mtime", "--force")
RUN = "results/runs/main/s2-only/seed-0/model.safetensors"

SBATCH = """#!/usr/bin/env python3
import pathlib, subprocess, sys
folder = pathlib.Path(__file__).parent
number = len(list(folder.glob("*.line"))) + 1
(folder / f"{number}.line").write_text(" ".join(sys.argv[1:]))
state = "OUT_OF_MEMORY"
if number > 1:  # the first job is killed before it starts
    command = next(word for word in sys.argv if word.startswith("--wrap="))[len("--wrap="):]
    with open(folder / f"{number}.out", "w") as out:
        done = subprocess.run(["bash", "-c", command], stdout=out, stderr=out)
    state = "COMPLETED" if done.returncode == 0 else "FAILED"
(folder / f"{number}.state").write_text(state)
print(number)
"""
STUBS = {
    "sbatch": SBATCH,
    "sacct": '#!/bin/sh\ncd "$(dirname "$0")"\nfor f in *.state; do echo "${f%.state}|$(cat $f)"; done\n',
    "srun": '#!/bin/bash\nwhile [[ "$1" == -* ]]; do shift; done\nexec "$@"\n',
    "sacctmgr": "#!/bin/sh\necho project\n",
    "sinfo": "#!/bin/sh\necho 'gpu|16|64000|gpu:a100:2|infinite'\necho 'normal*|16|64000|(null)|1-00:00:00'\n",
    "scontrol": "#!/bin/sh\necho 'MinJobAge = 300 sec'\n",
    "squeue": '#!/bin/sh\ncd "$(dirname "$0")"\nfor f in *.state; do echo "${f%.state}|$(cat $f)"; done\n',
    "scancel": "#!/bin/sh\n",
}


def start(workflow, arguments: list[str], target: str, stubs: Path):
    """Snakemake with the stand-ins on its path, and without the number of cores, which is the profile's."""
    words = [word for word in workflow.arguments(*arguments, target=target) if word not in ("--cores", "8")]
    return snakemake(words, workflow.folder, PATH=os.pathsep.join((str(stubs), os.environ["PATH"])))


def run(workflow, arguments: list[str], target: str, stubs: Path) -> None:
    done = start(workflow, arguments, target, stubs)
    assert done.returncode == 0, done.stderr[-3000:] + outputs(stubs)


def with_gpu(profile: Path, out: Path) -> Path:
    """The profile as a user with GPUs sets it: the lines that are there for it, without their `#`."""
    out.mkdir()
    text = re.sub(r"# (gpu|slurm_partition|gpu_manufacturer|scale): ", r"\1: ", profile.read_text())
    text = text.replace("  slurm_partition: NAME", "  slurm_partition: normal")
    text = text.replace("# slurm_account: NAME", "slurm_account: project")
    (out / "profile.yaml").write_text(text)
    return out


def test_slurm_is_told_time_gpu_and_more_memory_the_second_time(root, tmp_path, tiny_run):
    """The job comes back with twice the memory, and trains under torchrun, for it has a GPU's number of processes."""
    workflow = tiny_run.copy(tmp_path / "again")
    stubs = commands(tmp_path / "slurm", STUBS)
    profile = with_gpu(root / "workflow/profiles/slurm/profile.yaml", tmp_path / "profile")
    quick = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "2"]
    before = load_file(workflow.folder / RUN)
    run(workflow, ["--workflow-profile", str(profile), *quick, *FORCED], RUN, stubs)
    submitted = lines(stubs)
    assert len(submitted) == 2
    for line, memory, minutes in zip(submitted, (2000, 4000), (60, 120), strict=True):
        asked = ("-A project ", "-p gpu ", "--gpus=1", "=1", "--no-requeue", "--signal=TERM@60")
        for words in (f"--mem {memory} ", f"-t {minutes} ", *asked):
            assert words in line, words
        assert "rule_train" in line
    after = load_file(workflow.folder / RUN)
    assert all(np.allclose(after[name], before[name], atol=1e-3) for name in before), (
        "more threads sum in another order"
    )


@pytest.mark.slow
def test_without_a_word_of_gpus_none_is_asked_for(root, tmp_path, tiny_run):
    workflow = tiny_run.copy(tmp_path / "again")
    stubs = commands(tmp_path / "slurm", STUBS)
    profile = root / "workflow/profiles/slurm-paper"
    (stubs / "0.line").write_text("so that no job is killed")
    quick = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "2"]
    evaluated = RUN.replace("model.safetensors", "confusion.csv")
    options = ["--default-resources", "slurm_account=project", "slurm_partition=normal", "mem_mb=2000", "runtime=60"]
    run(workflow, ["--workflow-profile", str(profile), *quick, *options, *FORCED], evaluated, stubs)
    (line,) = lines(stubs)[1:]
    assert "--mem 16000 " in line and "-t 120 " in line and "-p normal " in line and "--cpus-per-task=8" in line
    assert "--gpu" not in line and "-p gpu" not in line


@pytest.mark.slow
def test_any_scheduler_gets_the_resources_and_gives_the_same_table(root, tmp_path, tiny_run):
    """Jobs through a submitter of 20 lines; SLURM's profile is not used, its numbers are the rules' own."""
    workflow = tiny_run.copy(tmp_path / "again")
    stubs = tmp_path / "cluster"
    options = generic(stubs, "--memory {resources.mem_mb} --threads {threads}")
    options += ["--latency-wait", "2", "--default-resources", "mem_mb=1234", "--rerun-triggers", "mtime"]
    pairs = next(
        path for path in sorted((workflow.folder / "results/pairs/main").glob("*.csv")) if "dropped" not in path.name
    )
    before = pairs.read_bytes()
    site = pairs.stem
    run(workflow, [*options, "--forcerun", "search"], f"results/pairs/main/{site}.csv", stubs)
    assert [line.split()[1] for line in lines(stubs)] == ["1234"] * len(lines(stubs))
    assert len(lines(stubs)) >= 2
    assert pairs.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set-resources", "train:slurm_partition=nosuch"], "no partition nosuch"),
        (["--set-resources", "train:slurm_partition='normal,nosuch'"], "no partition nosuch"),
        (
            ["--set-resources", "train:runtime=900 * attempt"],
            "0 GPUs, 2700 minutes, and a job in partition (the default)",
        ),
    ],
)
def test_a_request_that_slurm_can_never_meet_is_one_line(root, tmp_path, tiny_run, options, said):
    stubs = commands(tmp_path / "slurm", STUBS)
    options = ["--workflow-profile", str(root / "workflow/profiles/slurm"), "--nolock", *options, *FORCED]
    done = start(tiny_run, options, RUN, stubs)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("anyband: SLURM ") and said in last
    assert " train " in last and not lines(stubs)


def test_whatever_sinfo_lists_is_understood_or_left_out(root, monkeypatch):
    text = (root / "workflow/rules/cluster.smk").read_text()
    names = {"re": re, "subprocess": subprocess}
    exec(text[text.index("def partitions") : text.index("def check_requests")], names)
    listed = """normal*|16+|64000+|(null)|infinite
a100|64|512000|gpu:a100:4(S:0-1)|1-00:00:00
rtx|64|512000|gpu:4090:2,shard:8|30:00
mig|8|1000|gpu:1g.5gb:7,gpu:2g.10gb:3(IDX:0)|n/a
down|n/a|n/a|gpu|UNLIMITED
short|8|1000|gpu:2|2:00:00
sinfo: a warning
"""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, listed))
    endless = float("inf")
    assert names["partitions"]() == {
        "": [(16, 64000, 0, endless)],
        "normal": [(16, 64000, 0, endless)],
        "a100": [(64, 512000, 4, 1440)],
        "rtx": [(64, 512000, 2, 30)],
        "mig": [(8, 1000, 10, endless)],
        "short": [(8, 1000, 2, 120)],
    }


PROFILES = ["local", "slurm", "slurm-paper", "kubernetes"]
KEYS = ("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_SECRET_KEY")


def plan(root, folder, name, *options, **variables):
    """A dry run of every target at once for one site with a profile: (exit status, everything printed)."""
    (folder / "sites.csv").write_text("site,longitude,latitude\naspen,1.978884,52.076331\n")
    (folder / "one.yaml").write_text("datasets: {main: {sites: sites.csv}}\n")
    targets = ["all", "rivals", "ablations", "unseen", "tuning"]
    files = ["--configfile", root / "config.yaml", root / "tests/workflow/tiny.yaml", "one.yaml", "--directory", folder]
    profile = ["--workflow-profile", root / "workflow/profiles" / name]
    words = [*targets, "--snakefile", root / "Snakefile", "--dry-run", *files, *profile, *options]
    done = snakemake(words, folder, **variables)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROFILES)
def test_every_target_is_planned_with_every_profile(root, tmp_path, name):
    """All rules that make something are in this plan, so one that a profile forgets is seen here."""
    options, variables, server = ["--cores", "8"] if name == "local" else [], {}, None
    if name == "kubernetes":
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        url = "http://{}:{}".format(*server.get_host_and_port())
        options = ["--default-storage-prefix", "s3://mine/anyband", "--storage-s3-endpoint-url", url]
        variables = dict.fromkeys(KEYS, "key")
    status, printed = plan(root, tmp_path, name, *options, **variables)
    if server:
        server.stop()
    assert status == 0, printed[-2000:]
    planned = jobs(printed)
    makers = [path.read_text() for path in (root / "workflow/rules").glob("*.smk")]
    local = re.search(r"localrules:\n((?: +\w+,\n)+)", "".join(makers))[1].replace(",", " ").split()
    rules = set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)(?: with)?:", "".join(makers), re.M)) - set(local)
    assert rules - {"cut"} <= set(planned)  # the one rule of datasets of files, which stands in for four of these


@pytest.mark.parametrize("name", PROFILES[1:])
def test_a_profile_names_rules_that_exist_and_gives_them_more_memory_when_they_come_back(root, name):
    """Snakemake ignores resources of a rule that it does not know; what a rule asks for itself does not grow."""
    profile = yaml.safe_load((root / "workflow/profiles" / name / "profile.yaml").read_text())
    makers = "".join(path.read_text() for path in (root / "workflow/rules").glob("*.smk"))
    rules = dict(re.findall(r"^rule (\w+):\n((?: .*\n|\n)+)", makers, re.M))
    for rule, body in rules.items():
        if "mem_mb=" in body:
            assert "attempt" in profile["set-resources"][rule]["mem_mb"], rule
        if "launcher" in body and name.startswith("slurm"):  # what trains hears before its time ends
            assert "--signal=TERM" in profile["set-resources"][rule]["slurm_extra"], rule
    assert set(profile.get("set-threads", {})) | set(profile["set-resources"]) <= set(rules)
    assert "groups" not in profile, "a failed step would throw its site away, and what sbatch says is lost"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "s3://BUCKET/anyband is a placeholder"),
        (["--default-storage-prefix", "s3://mine/x"], "no keys for s3://mine/x"),
    ],
)
def test_kubernetes_without_bucket_or_keys_is_one_line(root, tmp_path, options, said):
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    status, printed = plan(root, tmp_path, "kubernetes", *options, **nothing)
    assert status == 1 and any(line.startswith("anyband: ") and said in line for line in printed.splitlines())
    assert len(printed.strip().splitlines()) < 5


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_holds_only_keys_that_snakemake_and_its_plugins_know(root, tmp_path, name):
    """With GPUs switched on, too: commented lines rot unseen."""
    from snakemake.cli import parse_args

    folder = root / "workflow/profiles" / name
    given = yaml.safe_load((folder / "profile.yaml").read_text())
    for profile in (folder, with_gpu(folder / "profile.yaml", tmp_path / "gpu")):
        _, arguments = parse_args(["all", "--workflow-profile", str(profile), "--cores", "1"])
        for key in given:
            assert hasattr(arguments, key.replace("-", "_")), key
        assert (arguments.executor or "local") == name.removesuffix("-paper")
