"""What the earlier stages left: of a dataset manifests, pairs, chips and splits; of an experiment its comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.config import Config, Dataset, Experiment
from anyband.products import CATALOGUED
from anyband.report import formatting as form
from anyband.report.palette import method_colours
from anyband.report.render import Style
from anyband.runtime import UserError, read_csv, read_json
from anyband.statistics.comparison import FRAMES
from anyband.statistics.protocol import FLOORS, label

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
    """One experiment: its tables, design and claims, the dataset it used, and where its files are.

    Attributes:
        name: key of the experiment.
        config: the whole configuration.
        results: folder of all stages.
        frames: tables of the comparison by name.
        design: of the comparison.
        claims: of the comparison.
        data: the dataset.
        style: colours and names of all methods on the page.
    """

    name: str
    config: Config
    results: Path
    frames: Mapping[str, pd.DataFrame]
    design: Mapping[str, Any]
    claims: Mapping[str, Any]
    data: DataRecord
    style: Style

    @property
    def folder(self) -> Path:
        """Where the comparison lies."""
        return self.results / "comparison" / self.name

    @property
    def experiment(self) -> Experiment:
        """Its configuration."""
        return self.config.experiments[self.name]

    @property
    def proposed(self) -> str:
        """Key of the proposed method."""
        return str(self.design["proposed"])

    def label(self, method: str) -> str:
        """Name of a method for people."""
        return str(self.design["labels"].get(method, method))

    @cached_property
    def general(self) -> dict[str, dict[str, Any]]:
        """Rows of the headline table by method, best first."""
        return {str(row["method"]): row for row in records(self.frames["general"])}

    def role(self, method: str) -> str:
        """Role of a method."""
        return str(self.general[method]["role"])

    def ranked(self, table: pd.DataFrame | None = None, floors: bool = True) -> list[str]:
        """Methods from best to worst, those of `table` if given; without `floors` where they would hide the rest."""
        among = self.general if table is None else set(table["method"])
        return [method for method in self.general if method in among and (floors or method not in FLOORS)]

    @cached_property
    def rival(self) -> str | None:
        """Baseline with the highest endpoint; None when there is none."""
        general = self.frames["general"]
        baselines = general[(general["role"] == "baseline") & general["miou"].notna()]
        return None if baselines.empty else str(baselines.sort_values("miou", ascending=False)["method"].iloc[0])

    @property
    def classes(self) -> dict[int, dict[str, Any]]:
        """Code -> name, labelled pixels and test blocks of a class."""
        return {int(code): info for code, info in self.design["classes"].items()}

    @property
    def n(self) -> str:
        """Number of units, as captions end with it."""
        return f"n = {self.blocks}, {self.seeds}."

    @property
    def blocks(self) -> str:
        """`12 test blocks`."""
        return form.plural(len(self.design["blocks"]), "test block")

    @property
    def seeds(self) -> str:
        """`5 seeds`."""
        return form.plural(len(self.design["seeds"]), "seed")


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def by_method(frame: pd.DataFrame, method: str) -> list[dict[str, Any]]:
    """Rows of one method."""
    return records(frame[frame["method"] == method])


def read_comparisons(results: Path, config: Config, data: Mapping[str, DataRecord]) -> list[Compared]:
    """Read what the comparison step wrote about every experiment.

    Raises:
        UserError: a file is missing.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in config.experiments:
        folder = results / "comparison" / name
        for file in (*(f"{frame}.csv" for frame in FRAMES), "design.json", "claims.json"):
            if not (folder / file).is_file():
                raise UserError(f"{folder / file} is missing: run the comparison of {name} again")
        frames = {frame: read_csv(folder / f"{frame}.csv", "reference") for frame in FRAMES}
        design, claims = (read_json(folder / f"{file}.json") for file in ("design", "claims"))
        found[name] = {"frames": frames, "design": design, "claims": claims}
    methods = list(dict.fromkeys(method for entry in found.values() for method in entry["design"]["methods"]))
    style = Style(method_colours(methods), {method: label(method) for method in methods})
    return [
        Compared(name, config, results, data=data[config.experiments[name].dataset], style=style, **entry)
        for name, entry in found.items()
    ]


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
    certificate = read_json(proof)
    sites = certificate["sites"]
    searched = sites if settings.source == "catalog" else []
    manifests = {
        (site, product): read_json(results / "scenes" / name / site / f"{product}.json")
        for site in searched
        for product in CATALOGUED
    }
    pairs = results / "pairs" / name
    return DataRecord(
        name=name,
        settings=settings,
        manifests=manifests,
        pairs=_concatenate([pairs / f"{site}.csv" for site in searched]),
        dropped_pairs=_concatenate([pairs / f"{site}.dropped.csv" for site in searched]),
        stores={
            path.parent.stem: read_json(path)["attributes"]
            for site in sites
            if (path := results / "chips" / name / f"{site}.zarr" / "zarr.json").is_file()
        },
        splits=read_csv(splits),
        certificate=certificate,
        audit=read_json(findings) if (findings := results / "audit" / f"{name}.json").is_file() else {},
    )


def _concatenate(paths: Sequence[Path]) -> pd.DataFrame:
    """Tables of all sites under each other with a column `site`."""
    frames = [read_csv(path).assign(site=path.name.split(".")[0]) for path in paths]
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or frames[:1] or [pd.DataFrame()], ignore_index=True)
