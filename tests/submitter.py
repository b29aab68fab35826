"""Stand-ins for the commands of a scheduler: scripts in a folder that is put on PATH."""

from pathlib import Path

# A job starts in an empty folder of its own, as in a container: what it finds there it was given.
SUBMIT = """#!/bin/bash
folder="$(dirname "$0")"
number=$(($(ls "$folder" | grep -c line) + 1))
echo "$@" > "$folder/$number.line"
mkdir "$folder/job-$number"
cp "${@: -1}" "$folder/$number.sh"
( cd "$folder/job-$number"
  if bash "../$number.sh" > "$folder/$number.out" 2>&1; then echo success; else echo failed; fi > "$folder/$number.tmp"
  mv "$folder/$number.tmp" "$folder/$number.state" ) > /dev/null &
echo $number
"""
STATUS = '#!/bin/sh\ncat "$(dirname "$0")/$1.state" 2>/dev/null || echo running\n'


def commands(folder: Path, scripts: dict[str, str]) -> Path:
    """The scripts by name, as programs in a new folder."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def generic(folder: Path, submit_options: str) -> list[str]:
    """Snakemake's options for a scheduler of two commands, which are put into the folder."""
    stubs = commands(folder, {"submit": SUBMIT, "status": STATUS})
    options = ["--executor", "cluster-generic", "--cluster-generic-submit-cmd", f"{stubs / 'submit'} {submit_options}"]
    options += ["--cluster-generic-status-cmd", str(stubs / "status"), "--jobs", "2"]
    return [*options, "--seconds-between-status-checks", "1"]


def lines(folder: Path) -> list[str]:
    """What each job was submitted with, without the command."""
    return [path.read_text().split("--wrap=")[0].strip() for path in sorted(folder.glob("*.line"))]


def outputs(folder: Path) -> str:
    """The end of what every job printed."""
    return "".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.out")))
