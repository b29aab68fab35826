"""A page of the site, followed word for word in a folder that holds a copy of the repository.

What a fenced block means follows from its first line:

    ```sh                                               commands, run as they stand
    ```yaml title="mine.yaml"                           a file to write
    ```python title="src/x.py, after: MODELS = {"       lines to add to a file, after the first line that begins so
    ```python title="src/x.py, at the end"              lines to add to a file, after its last line
    ```text                                             what the commands before printed; ... stands for anything

Blocks without a title in other languages, and in none, are there to be read.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tiny_workflow import environment

FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
COPIED = ("Snakefile", "config.yaml", "Makefile", "pyproject.toml", "workflow", "src", "tools", "docs")


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """(language, title, text) of every fenced block that does not stand indented."""
    yield from FENCE.findall(page.read_text(encoding="utf-8"))


def copy_repository(root: Path, folder: Path) -> Path:
    """What a clone has, without its history and tests."""
    folder.mkdir()
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(root / name, folder / name)
    return folder


def follow(page: Path, folder: Path) -> None:
    """Do what the page says, in order; an assertion names the block at which it does not end as it says."""
    printed = ""
    for language, title, text in blocks(page):
        if title:
            _write(folder, title, text)
        elif language == "sh":
            printed = _run(text, folder)
        elif language == "text":
            pattern = ".*".join(re.escape(part) for part in text.strip().split("..."))
            assert re.search(pattern, printed, re.S), f"{page.name} promises\n{text}\nand this was printed\n{printed}"


def _write(folder: Path, title: str, text: str) -> None:
    """Write a file, or add lines to one."""
    name, _, where = title.partition(", ")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if where:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        anchor, last = where.removeprefix("after: "), len(lines) - 1
        place = last if where == "at the end" else next(n for n, line in enumerate(lines) if line.startswith(anchor))
        text = "".join([*lines[: place + 1], text, *lines[place + 1 :]])
    path.write_text(text, encoding="utf-8")


def _run(commands: str, folder: Path) -> str:
    """Everything that the commands print; they must end well."""
    paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment() | {"PATH": paths, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"{commands}\nended with {done.returncode}:\n{printed[-3000:]}"
    return printed
