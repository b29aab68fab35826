"""Versions, hashes and counts: what somebody needs to tell whether two reports come from the same run."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from anyband import __version__
from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import Config
from anyband.report.cells import Cell, text, wrapped
from anyband.report.content import Table, Topic, sentence
from anyband.report.read import DataRecord

ROOT = Path(__file__).parents[3]

PACKAGES = """torch numpy pandas scipy xarray dask zarr rasterio pyproj shapely stackstac pystac-client pydantic
safetensors snakemake matplotlib jinja2"""


def collect(config: Config, data: Sequence[DataRecord], files: Iterable[Path], results: Path) -> dict[str, Any]:
    """Everything about the run's origin that does not change when the same run is repeated.

    Args:
        config: the whole configuration.
        data: the datasets.
        files: files whose content decides the results; missing ones are left out.
        results: paths are stated relative to this folder.
    """
    return {
        "anyband": __version__,
        "git_commit": git_commit(ROOT),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": {name: version for name in PACKAGES.split() if (version := _version(name))},
        "config_sha256": hashlib.sha256(config.as_json().encode()).hexdigest(),
        "threads": {name: _threads(results / "runs" / name) for name in config.experiments},
        "seeds": {name: experiment.seeds for name, experiment in config.experiments.items()},
        "endpoint": {name: _endpoint(results / "runs" / name) for name in config.experiments},
        "datasets": {record.name: _dataset(record) for record in data},
        "files_sha256": {
            path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(files)
            if path.is_file()
        },
    }


def _threads(runs: Path) -> list[int]:
    """Numbers of threads that trainings of an experiment ran with, as far as their settings are at hand."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in runs.glob("*/seed-*/settings.json")]
    return sorted({threads for document in documents if (threads := document.get("threads"))})


def _endpoint(runs: Path) -> dict[str, Any]:
    """The primary endpoint, the commit that fixed it, and when the first training of the experiment was done.

    The commit is the last one that brought the line of code with the endpoint, so it tells whether the endpoint was
    there before the results; moving the line to another file does not count. None where there is no repository, or no
    run.
    """
    commit, when = _declared(f"PRIMARY_CONDITIONS = {_quoted()}")
    finished = [path.stat().st_mtime for path in runs.glob("*/seed-*/history.csv")]
    first = datetime.fromtimestamp(min(finished), UTC).isoformat(timespec="seconds") if finished else None
    return {
        "conditions": list(PRIMARY_CONDITIONS),
        "declared_commit": commit or None,
        "declared": datetime.fromisoformat(when).astimezone(UTC).isoformat() if when else None,
        "first_training_done": first,
    }


@cache
def _declared(line: str) -> tuple[str, str]:
    """Commit that brought a line of code, and its date; empty outside a repository."""
    touched = _git(ROOT, "log", "--format=%H %cI", f"-S{line}", "--", "src") or ""
    for entry in touched.splitlines():
        commit, _, when = entry.partition(" ")
        if not _git(ROOT, "grep", "--fixed-strings", "--name-only", line, f"{commit}^", "--", "src"):
            return commit, when
    return "", ""


def _quoted() -> str:
    return "(" + ", ".join(f'"{name}"' for name in PRIMARY_CONDITIONS) + ")"


def git_commit(root: Path) -> str | None:
    """Commit of the source tree, with `+changes` when files differ from it; None outside a repository."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "src")
    return commit + ("+changes" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _dataset(record: DataRecord) -> dict[str, Any]:
    items = sorted(item["id"] for manifest in record.manifests.values() for item in manifest["items"])
    return {
        "simulated": record.simulated,
        "endpoints": record.endpoints,
        "retrieved": record.retrieved,
        "items": len(items),
        "item_ids": items,
        "classes_sha256": hashlib.sha256(json.dumps(record.settings.classes, sort_keys=True).encode()).hexdigest(),
        "items_sha256": hashlib.sha256(json.dumps(items).encode()).hexdigest(),
    }


PROVENANCE = Topic[Mapping[str, Any]]("provenance", "Versions and hashes")


@PROVENANCE.item
def software(content: Mapping[str, Any]) -> Table:
    """The same as a table: software and inputs."""
    rows = {
        "anyband": f"{content['anyband']}, commit {content['git_commit'] or 'unknown (no repository)'}",
        "Python": f"{content['python']}, {content['machine']}",
        "Packages": ", ".join(f"{name} {version}" for name, version in content["packages"].items()),
        "Configuration": f"SHA-256 {content['config_sha256']}",
    }
    rows |= {f"Seeds, {name}": ", ".join(map(str, seeds)) for name, seeds in content["seeds"].items()}
    rows |= {f"Threads of a training, {name}": ", ".join(map(str, n)) for name, n in content["threads"].items() if n}
    rows |= {f"Endpoint, {name}": sentence("endpoint", **entry) for name, entry in content["endpoint"].items()}
    rows |= {f"Dataset {name}": sentence("dataset", **entry) for name, entry in content["datasets"].items()}
    columns = [text("What", lambda row: str(row[0])), text("Value", lambda row: wrapped(row[1]))]
    return Table("software", columns, list(rows.items()), sortable=False)


@PROVENANCE.item
def files(content: Mapping[str, Any]) -> Table:
    """Hashes of files."""
    columns = [
        text("File", lambda row: str(row[0])),
        text("SHA-256 (first 16 digits)", lambda row: Cell(row[1][:16], css="hash")),
    ]
    return Table("files", columns, list(content["files_sha256"].items()), sortable=False)
