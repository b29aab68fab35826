"""Results in a bucket: Snakemake's S3 plugin against a server on this machine, as the Kubernetes profile uses it."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from submitter import generic, outputs
from tiny_workflow import environment

NAME, PREFIX = "bucket", "anyband"
KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "secret"}


@dataclass(frozen=True)
class Bucket:
    """A bucket on a server of this process."""

    url: str

    @property
    def options(self) -> list[str]:
        """What a user sets in the profile."""
        return ["--default-storage-prefix", f"s3://{NAME}/{PREFIX}", "--storage-s3-endpoint-url", self.url]

    def objects(self):
        """All objects by path, without the many files of the archive and of chips."""
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        found = boto3.resource("s3", endpoint_url=self.url, **keys).Bucket(NAME).objects.filter(Prefix=PREFIX)
        entries = {entry.key.removeprefix(f"{PREFIX}/"): entry for entry in found}
        return {path: entry for path, entry in entries.items() if not re.match("results/(archive|chips)/", path)}

    def download(self, folder: Path) -> Path:
        """All of them as files."""
        for path, entry in self.objects().items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            entry.Object().download_file(str(folder / path))
        return folder


@pytest.fixture
def bucket():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield Bucket("http://{}:{}".format(*server.get_host_and_port()))
    server.stop()


@pytest.fixture
def repository(root, tmp_path):
    """What git tracks, in another place: Snakemake sends to the jobs what git tracks below the working directory."""
    folder = tmp_path / "repository"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    return folder


def run(repository: Path, bucket: Bucket, target: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    files = ["--configfile", "config.yaml", "tests/workflow/tiny.yaml"]
    command = [sys.executable, "-m", "snakemake", target, *files, *bucket.options, *options]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        command, cwd=repository, env=environment() | KEYS | {"PATH": path}, capture_output=True, text=True
    )


def test_no_command_names_a_folder_of_results(root):
    """Where results lie in a bucket, a job finds them under the paths of its inputs and outputs only."""
    for path in (root / "workflow/rules").glob("*.smk"):
        for command in re.findall(r"shell:\n((?:\s+\".*\"\n)+)", path.read_text()):
            assert "results" not in re.sub(r"\{.*?\}|--results=", "", command), path.name


def test_outputs_land_in_the_bucket_and_nowhere_else(repository, bucket):
    done = run(repository, bucket, "results/pairs/main/aspen.csv", ["--cores", "2", "--default-storage-provider", "s3"])
    assert done.returncode == 0, done.stderr[-3000:]
    found = set(bucket.objects())
    assert {f"results/pairs/main/aspen{suffix}.csv" for suffix in ("", ".dropped")} <= found
    assert "results/scenes/main/aspen/sentinel2.json" in found
    assert not (repository / "results").exists()


@pytest.mark.slow
def test_jobs_that_share_nothing_but_a_bucket_give_the_same_results(repository, bucket, tiny_run, tmp_path):
    """The Kubernetes profile, each job in an empty folder: what a rule reads without declaring it is missing there."""
    stubs = tmp_path / "cluster"
    options = ["--workflow-profile", "workflow/profiles/kubernetes", *generic(stubs, "--memory {resources.mem_mb}")]
    done = run(repository, bucket, "all", [*options, "--shared-fs-usage", "none", "--job-deploy-sources"])
    assert done.returncode == 0, done.stderr[-3000:] + outputs(stubs)
    assert not (repository / "results").exists()
    found = bucket.download(tmp_path / "downloaded") / "results"
    expected = tiny_run.folder / "results"
    for name in ("splits/main.csv", "audit/main.json", "runs/main/anyband/seed-0/confusion.csv"):
        assert (found / name).read_text() == (expected / name).read_text(), name
    tables = {path.name for path in (expected / "report_data/tables").glob("*.csv")}
    # Benchmarks are no inputs of the report, so what jobs took is not in it.
    assert {path.name for path in (found / "report_data/tables").glob("*.csv")} == tables - {"timing.csv"}
    cards = json.loads((found / "report_data/cards/model-main-anyband-seed-0.json").read_text())
    assert cards["assets"]
