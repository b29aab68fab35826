"""The workflow outside a clone: as a module, deployed, in a study of the installed package, and in a container."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from anyband import __version__, study
from anyband.cli import app
from tiny_workflow import ROOT, TINY, environment, jobs, snakemake

MODULE = """\
configfile: "settings.yaml"


module anyband:
    snakefile:
        {}
    config:
        config


use rule * from anyband
"""
GITHUB = "https://github.com/"


def importer(folder, snakefile, settings=""):
    """A workflow that uses all rules of ours."""
    (folder / "Snakefile").write_text(MODULE.format(snakefile))
    (folder / "settings.yaml").write_text(settings or TINY.read_text())
    return folder


def planned(folder, *arguments, **variables):
    """Numbers of jobs by rule of the default target."""
    done = snakemake(["--dry-run", "--cores", "8", *arguments], folder, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return jobs(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A repository of rules, as GitHub would have it, and the variables by which git and snakedeploy find it there."""
    folder = tmp_path_factory.mktemp("published")
    repository = folder / "owner/anyband"
    shutil.copytree(ROOT / "workflow", repository / "workflow")
    shutil.copytree(ROOT / "config", repository / "config")
    (repository / "src/anyband").mkdir(parents=True)
    shutil.copy(ROOT / "src/anyband/__init__.py", repository / "src/anyband")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "rules"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder}/.insteadOf",
        "GIT_CONFIG_VALUE_0": GITHUB,
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    return repository, variables


@pytest.mark.parametrize("folder", ["workflow", "src/anyband/workflow"], ids=["clone", "package"])
def test_another_workflow_uses_all_rules_by_path(tmp_path, folder):
    expected = {"simulate": 4, "train": 2, "report": 1, "all": 1}
    count = planned(importer(tmp_path, f'"{ROOT / folder / "Snakefile"}"'))
    assert {name: count[name] for name in expected} == expected


def test_another_workflow_uses_all_rules_from_a_git_repository(tmp_path, published):
    repository, variables = published
    for number, source in enumerate((f'gitfile("{repository}"', 'github("owner/anyband"')):
        (tmp_path / str(number)).mkdir()
        folder = importer(tmp_path / str(number), f'{source}, path="workflow/Snakefile", tag="v1")')
        assert planned(folder, **variables)["train"] == 2


def test_rules_from_git_of_another_version_than_the_package_are_one_line(tmp_path, published):
    repository = shutil.copytree(published[0], tmp_path / "old")
    (repository / "src/anyband/__init__.py").write_text('__version__ = "0.0.1"\n')
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *author, "commit", "-qam", "old"], cwd=repository, check=True)
    folder = importer(tmp_path, f'gitfile("{repository}", path="workflow/Snakefile", ref="HEAD")')
    done = snakemake(["--dry-run", "--cores", "8"], folder)
    lines = [line for line in done.stderr.splitlines() if line.startswith("anyband:")]
    assert done.returncode and len(lines) == 1
    assert f"version 0.0.1, the package beside Snakemake is of {__version__}" in lines[0]


def test_a_module_without_settings_has_the_defaults(tmp_path):
    """And a file of settings in which everything is a comment changes nothing."""
    (tmp_path / "Snakefile").write_text(f'module anyband:\n    snakefile: "{study.SNAKEFILE}"\n    config: {{}}\n')
    (tmp_path / "Snakefile").open("a").write("use rule * from anyband\n")
    assert planned(tmp_path)["train"] >= 5 * 5
    (tmp_path / "Snakefile").write_text(study.OWN_SNAKEFILE)
    (tmp_path / "config.yaml").write_text("# nothing yet\n")
    assert planned(tmp_path)["train"] >= 5 * 5


@pytest.mark.skipif(not shutil.which("snakedeploy"), reason="needs snakedeploy; make package has it")
def test_snakedeploy_gives_a_folder_that_runs(tmp_path, published):
    repository, variables = published
    folder = tmp_path / "deployed"
    command = ["snakedeploy", "deploy-workflow", GITHUB + "owner/anyband", str(folder), "--tag", "v1"]
    subprocess.run(command, env=environment() | variables, check=True)
    assert planned(folder, **variables)["train"] >= 5 * 5
    assert (folder / "config/config.yaml").read_text() == (ROOT / "config.yaml").read_text()
    assert (folder / "config/README.md").is_file()


def test_the_workflow_catalogue_finds_what_it_asks_for(root):
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    for name in ("workflow/Snakefile", "config/config.yaml", "config/README.md", "README.md", "LICENSE"):
        assert (root / name).is_file()


@pytest.fixture
def made(tmp_path):
    """What `anyband init` makes."""
    folder = tmp_path / "study"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    return folder


def test_init_makes_a_study_that_runs(made):
    assert planned(made)["train"] >= 5 * 5
    smoke = planned(made, "--configfile", "config.yaml", "workflow/presets/smoke.yaml")
    assert smoke["report"] == 1 and smoke["train"] < 5 * 5
    assert (made / "workflow/profiles/slurm/profile.yaml").is_file()
    again = CliRunner().invoke(app, ["init", str(made)])
    assert again.exit_code and str(again.exception) == f"{made} is not empty: name a new folder"


@pytest.mark.slow
def test_a_study_runs_to_its_report(made):
    done = snakemake(["--cores", "8", "all", "--configfile", "config.yaml", str(TINY)], made)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (made / "results/report.html").is_file()


def test_the_wheel_holds_every_file_of_the_workflow(root):
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["anyband"]
    names = {path.name for path in (root / "src/anyband/workflow").glob("**/*") if path.is_file()}
    assert {"Snakefile", "common.smk", "report.rst", "embedded.csv", "profile.yaml"} <= names
    assert not [name for name in names if not any(Path(name).match(pattern[3:]) for pattern in patterns)]


APPTAINER = """\
#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$*" in
    --version) echo apptainer version 1.3.0 ;;
    pull*) touch "$3" ;;
    *) while [ "$1" != bash ]; do shift; done; exec "$@" ;;
esac
"""
CONDA = """\
#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
case "$*" in
    --version) echo conda 26.1.0 ;;
    info*) echo '{"conda_prefix": "/opt/conda", "platform": "linux-64"}' ;;
    *) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""


def deployed(folder, program, text):
    """Simulate one site with --sdm and a stub: (everything printed, how the stub was called)."""
    stub = folder / "bin" / program
    stub.parent.mkdir()
    stub.write_text(text)
    stub.chmod(0o755)
    path = f"{stub.parent}:{Path(sys.executable).parent}:{environment()['PATH']}"
    importer(folder, f'"{ROOT}/workflow/Snakefile"')
    done = snakemake(["--cores", "8", "results/archive/main/aspen", "--sdm", program], folder, PATH=path)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr, (stub.parent / "calls").read_text()


def test_with_apptainer_steps_run_in_the_image_of_this_version_with_its_own_python(tmp_path):
    """The stub runs here what it is given, which names no folder of programs outside the image."""
    _, calls = deployed(tmp_path, "apptainer", APPTAINER)
    assert f"docker://ghcr.io/anyband/anyband:{__version__}" in calls
    assert "python -m anyband.steps.simulate" in calls and str(Path(sys.executable).parent) not in calls


def test_with_conda_steps_run_in_the_environment_of_snakemake_and_one_line_says_so(tmp_path):
    printed, calls = deployed(tmp_path, "conda", CONDA)
    assert len(re.findall("^anyband: --sdm conda makes no environment", printed, re.M)) == 1
    assert "create" not in calls
