"""Set-up: what goes wrong on a fresh machine is said in one line; environments agree with each other."""

import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def check(root, tmp_path, *arguments):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(root / name, tmp_path / name)
    done = subprocess.run(["make", "check", *arguments], cwd=tmp_path, capture_output=True, text=True)
    return done.returncode, [line for line in done.stderr.splitlines() if line.startswith("anyband:")]


@make
def test_right_python_passes(root, tmp_path):
    assert check(root, tmp_path, "NEEDED_GB=0") == (0, [])


@make
def test_wrong_python_is_one_line(root, tmp_path):
    fake = tmp_path / "python3.9"
    fake.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.1 && exit 0\nexit 1\n')
    fake.chmod(0o755)
    status, lines = check(root, tmp_path, f"PYTHON={fake}")
    assert status != 0
    assert len(lines) == 1
    assert "3.9.1" in lines[0] and "3.11, 3.12 or 3.13" in lines[0]


@make
def test_full_disk_is_one_line(root, tmp_path):
    status, lines = check(root, tmp_path, "NEEDED_GB=999999")
    assert status != 0
    assert len(lines) == 1
    assert "free some disk space" in lines[0]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_lock_file_pins_every_requirement_without_a_local_build(root, version):
    lock = (root / f"envs/requirements-{version}.lock").read_text()
    assert f"Python {version}." in lock.splitlines()[0]
    pins = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", lock, re.M))
    assert "+" not in "".join(pins.values()), "a local build tag pins one kind of machine"
    names = {re.sub("[_.]", "-", name).lower() for name in pins}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    for requirement in [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]:
        name = re.match(r"[A-Za-z0-9-]+", requirement)[0].lower()
        assert name in names, f"{name} is not in the lock of Python {version}: make lock"


def test_conda_environment_and_container_use_the_lock_file(root):
    """Conda's environment names no package but Python, so nothing in it can differ from the lock file."""
    conda = yaml.safe_load((root / "envs/environment.yaml").read_text())
    assert conda["dependencies"] == ["python=3.11", "pip", {"pip": ["--requirement requirements-3.11.lock"]}]
    recipe = (root / "envs/Containerfile").read_text()
    assert re.search(r"^FROM \S*python:3\.11-", recipe, re.M)
    copied = recipe.index("COPY envs/requirements-3.11.lock envs/requirements-3.11.lock")
    installed = recipe.index("pip install --no-cache-dir --requirement envs/requirements-3.11.lock")
    ours = recipe.index("pip install --no-cache-dir --no-deps --editable .")
    assert copied < installed < ours, "dependencies first, from the lock file alone"
