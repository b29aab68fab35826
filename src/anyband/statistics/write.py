"""Everything one experiment's comparison writes: tables as CSV and LaTeX, claims and design as JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import Comparison as ComparisonSettings
from anyband.runtime import UserError, atomic_path, write_csv, write_json, write_text
from anyband.statistics import calibration_scores, score_tables
from anyband.statistics.claims import make_claim, why_no_claims
from anyband.statistics.cube import ConfusionCube, build_cube, read_runs
from anyband.statistics.details import block_differences, confusions, learning, read_history
from anyband.statistics.gap_closed import gap_closed
from anyband.statistics.latex import latex_table
from anyband.statistics.paired import Comparison
from anyband.statistics.protocol import endpoint, label
from anyband.statistics.ranking import general, pairwise
from anyband.statistics.robustness import robustness
from anyband.statistics.second_sensor import fusion
from anyband.statistics.sensor_claims import sensor_claims
from anyband.statistics.trained_products import Trained, trained_on
from anyband.statistics.transfer import decomposition, transfer


@dataclass(frozen=True)
class FinishedRuns:
    """The runs of one experiment that have results, and what several tables are made from.

    Attributes:
        settings: the experiment and its classes.
        folders: (method, seed) -> folder of the run.
    """

    settings: ComparisonSettings
    folders: Mapping[tuple[str, int], Path]

    @cached_property
    def costs(self) -> dict[tuple[str, int], dict[str, Any]]:
        """(method, seed) -> content of `cost.json`."""
        return {key: _read_cost(folder) for key, folder in self.folders.items()}

    @cached_property
    def full(self) -> ConfusionCube:
        """Confusion matrices under all conditions."""
        return build_cube(self.read("confusion.csv"), self.settings, _own_endpoints(self.costs))

    @cached_property
    def cube(self) -> ConfusionCube:
        """Confusion matrices of inputs to which nothing was done."""
        return self.full.undisturbed()

    @cached_property
    def trained(self) -> Trained:
        """Products that each method was trained on."""
        return trained_on(self.costs)

    @cached_property
    def paired(self) -> tuple[pd.DataFrame, list[Comparison]]:
        """Differences of all pairs of methods, and the comparisons of the declared family."""
        return pairwise(self.cube, self.settings)

    @property
    def margin(self) -> float:
        """Equivalence margin, fraction of mIoU."""
        return self.settings.experiment.equivalence_margin

    def read(self, name: str) -> pd.DataFrame:
        """A file that every run has, all runs under each other."""
        return read_runs(list(self.folders.values()), name)

    def undisturbed(self, name: str) -> pd.DataFrame:
        """The same without conditions that do something to the input."""
        table = self.read(name)
        return table[table["condition"].isin(self.cube.conditions)]


@dataclass(frozen=True)
class Frame:
    """A table of the comparison: how it is made, and its caption where it is written as LaTeX too."""

    make: Callable[[FinishedRuns], pd.DataFrame]
    caption: str = ""


FRAMES = {
    "general": Frame(
        lambda runs: general(runs.cube, runs.settings, runs.paired[0]),
        "Primary endpoint of every method and its difference to the proposed one",
    ),
    "conditions": Frame(lambda runs: score_tables.conditions(runs.cube), "Scores under each test condition"),
    "robustness": Frame(
        lambda runs: robustness(runs.full), "Scores on inputs to which something was done, and their change"
    ),
    "per_class": Frame(lambda runs: score_tables.per_class(runs.cube, runs.settings), "IoU and F1 of each class"),
    "pairwise": Frame(lambda runs: runs.paired[0], "Paired differences between methods"),
    "calibration": Frame(
        lambda runs: calibration_scores.calibration(runs.undisturbed("calibration.csv"), runs.cube),
        "Calibration before and after temperature scaling",
    ),
    "class_calibration": Frame(
        lambda runs: calibration_scores.class_calibration(
            runs.undisturbed("class_calibration.csv"), runs.cube, runs.settings
        ),
        "Classwise calibration error before and after temperature scaling",
    ),
    "cost": Frame(lambda runs: score_tables.cost(runs.costs), "Cost of training and use"),
    "image_scores": Frame(
        lambda runs: score_tables.image_scores(
            {key: read_runs([folder], "image_scores.csv") for key, folder in runs.folders.items()}
        ),
        "Scores of translated images",
    ),
    "variance": Frame(
        lambda runs: score_tables.variance(runs.cube, runs.paired[0]), "Variance over test blocks and training seeds"
    ),
    "units": Frame(lambda runs: score_tables.units(runs.cube)),
    "reliability": Frame(lambda runs: calibration_scores.reliability(runs.undisturbed("calibration.csv"))),
    "fusion": Frame(lambda runs: fusion(runs.cube, runs.margin), "Both sensors against the better one alone"),
    "gap_closed": Frame(
        lambda runs: gap_closed(runs.full, runs.trained, runs.margin),
        "Share of the gap to the specialist that is closed on sensors never trained on",
    ),
    "transfer": Frame(
        lambda runs: transfer(runs.full, runs.trained), "Scores by what was trained on and what was tested on"
    ),
    "decomposition": Frame(
        lambda runs: decomposition(runs.full, runs.trained), "Difference between two sensors, one factor at a time"
    ),
    "confusions": Frame(lambda runs: confusions(runs.cube)),
    "block_differences": Frame(lambda runs: block_differences(runs.cube, runs.settings.experiment.proposed)),
    "learning": Frame(lambda runs: learning({key: read_history(folder) for key, folder in runs.folders.items()})),
}
"""Every table of a comparison by the name of its file. The report reads these and no others."""


def write_comparison(settings: ComparisonSettings, runs: Path, out: Path) -> None:
    """Compare the runs below `runs` ({method}/seed-{seed}/) and write the folder `out` as a whole.

    Raises:
        UserError: a run's table is missing or contradicts the others.
    """
    folders = {
        (method, seed): Path(runs) / method / f"seed-{seed}"
        for method in settings.experiment.methods
        for seed in settings.experiment.seeds
    }
    # a failed method or seed leaves no confusion table: the comparison says so and uses the rest
    done = {key: folder for key, folder in folders.items() if (folder / "confusion.csv").is_file()}
    if not done:
        raise UserError(f"{runs}: no confusion.csv of any method or seed of experiment {settings.name}; evaluate first")
    finished = FinishedRuns(settings, done)
    frames = {name: frame.make(finished) for name, frame in FRAMES.items()}
    cube, (pairs, family) = finished.cube, finished.paired
    with atomic_path(out) as folder:
        folder.mkdir()
        for name, frame in frames.items():
            write_csv(folder / f"{name}.csv", frame.round(9))
            if FRAMES[name].caption:
                write_text(folder / f"{name}.tex", latex_table(frame, FRAMES[name].caption))
        write_json(folder / "claims.json", _claims(cube, settings, pairs, family, frames))
        write_json(folder / "design.json", _design(cube, settings, pairs) | {"trained_on": _listed(finished.trained)})


def _read_cost(folder: Path) -> dict[str, Any]:
    """Content of a run's `cost.json`; empty when it is not there."""
    path = folder / "cost.json"
    content: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return content


def _own_endpoints(costs: dict[tuple[str, int], dict[str, Any]]) -> dict[str, list[str]]:
    """Conditions of every method's primary endpoint, as its evaluation names them.

    Raises:
        UserError: not as many as there are primary conditions, so they cannot be paired.
    """
    own = {}
    for (method, seed), content in costs.items():
        own[method] = content.get("endpoint_conditions", list(PRIMARY_CONDITIONS))
        if len(own[method]) != len(PRIMARY_CONDITIONS):
            raise UserError(
                f"cost.json of {method}, seed {seed}: endpoint_conditions {own[method]} are not one for each of "
                f"{', '.join(PRIMARY_CONDITIONS)}: evaluate this run again"
            )
    return own


def _claims(
    cube: ConfusionCube,
    settings: ComparisonSettings,
    pairs: pd.DataFrame,
    family: list[Comparison],
    frames: dict[str, pd.DataFrame],
) -> dict[str, Any]:
    """Claims of the declared family and those about sensors, or the sentence that says why there are none."""
    reason = why_no_claims(len(cube.seeds), len(cube.blocks))
    sensors = [] if reason else sensor_claims(frames["fusion"], frames["gap_closed"], len(cube.seeds))
    if not family:
        reason = reason or "No claims on the primary endpoint: no baseline takes every input of it."
    if reason:
        return {"claims": [], "sensor_claims": [asdict(claim) for claim in sensors], "reason": reason}
    names = {method: label(method) for method in cube.methods}
    adjusted = pairs.loc[pairs["family"] == "declared", "p_adjusted"]
    margin = settings.experiment.equivalence_margin
    claims = [make_claim(result, p, margin, names) for result, p in zip(family, adjusted, strict=True)]
    return {
        "claims": [asdict(claim) for claim in claims],
        "sensor_claims": [asdict(claim) for claim in sensors],
        "reason": None,
    }


def _listed(trained: Trained) -> dict[str, list[str]]:
    return {method: sorted(products) for method, products in trained.items()}


def _design(cube: ConfusionCube, settings: ComparisonSettings, pairs: pd.DataFrame) -> dict[str, Any]:
    """What the report says about the design: units, classes, endpoint, resolution."""
    reference = cube.reference()
    names = [settings.classes[code] for code in cube.classes]
    declared = pairs.loc[pairs["family"] == "declared", "resolution"]
    return {
        "experiment": settings.name,
        "proposed": settings.experiment.proposed,
        "methods": list(cube.methods),
        "labels": {method: label(method) for method in (*settings.experiment.methods, *cube.methods)},
        "seeds": list(cube.seeds),
        "blocks": list(cube.blocks),
        "conditions": list(cube.conditions),
        "endpoint": list(endpoint(settings)),
        "endpoint_twins": {method: list(own) for method, own in cube.endpoints.items() if own != endpoint(settings)},
        "classes": {
            str(code): {"name": name, "pixels": int(pixels), "blocks": int(blocks)}
            for code, name, pixels, blocks in zip(
                cube.classes, names, reference.sum(axis=0), (reference > 0).sum(axis=0), strict=True
            )
        },
        "absent_classes": [name for name, pixels in zip(names, reference.sum(axis=0), strict=True) if pixels == 0],
        "pixels": int(reference.sum()),
        "equivalence_margin": settings.experiment.equivalence_margin,
        "resolution_floor": None if declared.empty or np.isnan(declared.max()) else float(declared.max()),
        "notes": list(cube.notes),
    }
