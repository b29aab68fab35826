"""What the earlier stages recorded about a dataset: manifests, pairs, chips, splits, certificate."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.config import Dataset
from anyband.products import CATALOGUED
from anyband.runtime import UserError

SIMULATED = "anyband:simulated"


@dataclass(frozen=True)
class DataRecord:
    """Everything the report knows about a dataset.

    Attributes:
        name: key of the dataset.
        settings: its configuration.
        manifests: (site, product) -> content of the manifest.
        pairs: kept pairs of all sites, with column `site`.
        dropped_pairs: dropped pairs of all sites, with `site` and `reason`.
        stores: site -> root attributes of its chip store.
        splits: table of chips with block and split.
        certificate: the leakage certificate.
        audit: findings of the radiometric and geometric audit; empty when its file is not there.
    """

    name: str
    settings: Dataset
    manifests: Mapping[tuple[str, str], dict[str, Any]]
    pairs: pd.DataFrame
    dropped_pairs: pd.DataFrame
    stores: Mapping[str, dict[str, Any]]
    splits: pd.DataFrame
    certificate: dict[str, Any]
    audit: dict[str, Any]

    @property
    def simulated(self) -> str | None:
        """Version of the simulator that made the scenes, or None for real ones."""
        found = {
            item["properties"].get(SIMULATED) for manifest in self.manifests.values() for item in manifest["items"]
        }
        versions = sorted(version for version in found if version)
        return ", ".join(versions) or None

    @property
    def endpoints(self) -> list[str]:
        """STAC APIs that were asked."""
        return sorted({manifest["endpoint"] for manifest in self.manifests.values() if manifest.get("endpoint")})

    @property
    def retrieved(self) -> str:
        """Time of the latest search, UTC."""
        return max((str(manifest.get("retrieved", "")) for manifest in self.manifests.values()), default="")

    def chips(self, split: str) -> pd.DataFrame:
        """Chips of one split."""
        return self.splits[self.splits["split"] == split]


@dataclass(frozen=True)
class Compared:
    """One experiment: its tables, design and claims, and the dataset it used."""

    frames: Mapping[str, pd.DataFrame]
    design: Mapping[str, Any]
    claims: Mapping[str, Any]
    data: DataRecord
    folder: Path


def read_data(results: Path, name: str, settings: Dataset) -> DataRecord:
    """Read what the earlier stages wrote about a dataset.

    Only sites that the certificate names count: an earlier run may have left others in the folders.

    Raises:
        UserError: the table of splits or the certificate is missing.
    """
    splits, proof = results / "splits" / f"{name}.csv", results / "splits" / f"{name}.leakage.json"
    for path in (splits, proof):
        if not path.is_file():
            raise UserError(f"{path} is missing: run the split first")
    certificate = json.loads(proof.read_text())
    sites = certificate["sites"]
    manifests = {
        (site, product): json.loads((results / "scenes" / name / site / f"{product}.json").read_text())
        for site in sites
        for product in CATALOGUED
    }
    pairs = results / "pairs" / name
    return DataRecord(
        name=name,
        settings=settings,
        manifests=manifests,
        pairs=_concatenate([pairs / f"{site}.csv" for site in sites]),
        dropped_pairs=_concatenate([pairs / f"{site}.dropped.csv" for site in sites]),
        stores={
            path.parent.stem: json.loads(path.read_text())["attributes"]
            for site in sites
            if (path := results / "chips" / name / f"{site}.zarr" / "zarr.json").is_file()
        },
        splits=pd.read_csv(splits, dtype={"block": str}),
        certificate=certificate,
        audit=json.loads(findings.read_text()) if (findings := results / "audit" / f"{name}.json").is_file() else {},
    )


def _concatenate(paths: Sequence[Path]) -> pd.DataFrame:
    """Tables of all sites under each other with a column `site`."""
    frames = [pd.read_csv(path, dtype={"baseline": str}).assign(site=path.name.split(".")[0]) for path in paths]
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or frames[:1], ignore_index=True)
