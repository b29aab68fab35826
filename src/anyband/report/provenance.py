"""Versions, hashes and counts: what somebody needs to tell whether two reports come from the same run."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from anyband import __version__
from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import Config
from anyband.report import formatting as form
from anyband.report.records import DataRecord
from anyband.report.tables.table import Cell, Column, Table

ROOT = Path(__file__).parents[3]
SETTINGS = "src/anyband/conditions.py"

PACKAGES = (
    "torch", "numpy", "pandas", "scipy", "xarray", "dask", "zarr", "rasterio", "pyproj", "shapely", "stackstac",
    "pystac-client", "pydantic", "safetensors", "snakemake", "matplotlib", "jinja2",
)  # fmt: skip


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
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "config_sha256": hashlib.sha256(config.as_json().encode()).hexdigest(),
        "seeds": {name: experiment.seeds for name, experiment in config.experiments.items()},
        "endpoint": {name: _endpoint(results / "runs" / name) for name in config.experiments},
        "datasets": {record.name: _dataset(record) for record in data},
        "files_sha256": {
            path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(files)
            if path.is_file()
        },
    }


def _endpoint(runs: Path) -> dict[str, Any]:
    """The primary endpoint, the commit that fixed it, and when the first training of the experiment was done.

    The commit is the last one that touched the line of code with the endpoint, so it tells whether the endpoint was
    there before the results. None where there is no repository, or no run.
    """
    declared = _git(ROOT, "log", "-1", "--format=%H %cI", f"-SPRIMARY_CONDITIONS = {_quoted()}", "--", SETTINGS)
    commit, _, when = (declared or "").partition(" ")
    finished = [path.stat().st_mtime for path in runs.glob("*/seed-*/history.csv")]
    first = datetime.fromtimestamp(min(finished), UTC).isoformat(timespec="seconds") if finished else None
    return {
        "conditions": list(PRIMARY_CONDITIONS),
        "declared_commit": commit or None,
        "declared": datetime.fromisoformat(when).astimezone(UTC).isoformat() if when else None,
        "first_training_done": first,
    }


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


def provenance_tables(content: Mapping[str, Any]) -> list[Table]:
    """The same as two tables: software and inputs, and hashes of files."""
    rows = [
        ["anyband", f"{content['anyband']}, commit {content['git_commit'] or 'unknown (no repository)'}"],
        ["Python", f"{content['python']}, {content['machine']}"],
        ["Packages", ", ".join(f"{name} {version}" for name, version in content["packages"].items())],
        ["Configuration", f"SHA-256 {content['config_sha256']}"],
    ]
    for name, seeds in content["seeds"].items():
        rows.append([f"Seeds, {name}", ", ".join(map(str, seeds))])
    for name, entry in content["endpoint"].items():
        fixed = f"fixed in commit {entry['declared_commit'][:12]} of {entry['declared']}" if entry["declared"] else (
            "when it was fixed is unknown (no repository)")  # fmt: skip
        done = entry["first_training_done"] or "unknown"
        rows.append([f"Endpoint, {name}", f"mIoU over {form.listing(entry['conditions'])}, {fixed}; first training "
                     f"done {done}"])  # fmt: skip
    for name, entry in content["datasets"].items():
        simulated = f"simulated ({entry['simulated']})" if entry["simulated"] else "real scenes"
        rows.append([f"Dataset {name}", f"{form.count(entry['items'])} STAC items, {simulated}, from "
                     f"{form.listing(entry['endpoints'])}, retrieved {entry['retrieved'] or 'at an unknown time'}; "
                     f"SHA-256 of item ids {entry['items_sha256']}, of classes {entry['classes_sha256']}"])  # fmt: skip
    columns = [Column("What", numeric=False), Column("Value", numeric=False)]
    software = Table("software", "Software and inputs", "What made these numbers.", columns,
                     [[Cell(key), Cell(value, css="wrap")] for key, value in rows], sortable=False)  # fmt: skip
    hashes = [[Cell(name), Cell(digest[:16], css="hash")] for name, digest in content["files_sha256"].items()]
    columns = [Column("File", numeric=False), Column("SHA-256 (first 16 digits)", numeric=False)]
    files = Table("files", "Files behind the numbers", "Full hashes are in report_data/provenance.json.", columns,
                  hashes, sortable=False)  # fmt: skip
    return [software, files]
