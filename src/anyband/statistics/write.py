"""Everything one experiment's comparison writes: tables as CSV and LaTeX, claims and design as JSON."""

import json
from dataclasses import asdict
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

CAPTIONS = {
    "general": "Primary endpoint of every method and its difference to the proposed one",
    "conditions": "Scores under each test condition",
    "robustness": "Scores on inputs to which something was done, and their change",
    "per_class": "IoU and F1 of each class",
    "pairwise": "Paired differences between methods",
    "calibration": "Calibration before and after temperature scaling",
    "class_calibration": "Classwise calibration error before and after temperature scaling",
    "cost": "Cost of training and use",
    "image_scores": "Scores of translated images",
    "variance": "Variance over test blocks and training seeds",
    "fusion": "Both sensors against the better one alone",
    "gap_closed": "Share of the gap to the specialist that is closed on sensors never trained on",
    "transfer": "Scores by what was trained on and what was tested on",
    "decomposition": "Difference between two sensors, one factor at a time",
}


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
    costs = {key: _read_cost(folder) for key, folder in done.items()}
    full = build_cube(read_runs(list(done.values()), "confusion.csv"), settings, _own_endpoints(costs))
    cube, trained, margin = full.undisturbed(), trained_on(costs), settings.experiment.equivalence_margin
    pairs, family = pairwise(cube, settings)
    confidence, classwise = (
        table[table["condition"].isin(cube.conditions)]
        for table in (read_runs(list(done.values()), name) for name in ("calibration.csv", "class_calibration.csv"))
    )
    frames = {
        "general": general(cube, settings, pairs),
        "conditions": score_tables.conditions(cube),
        "robustness": robustness(full),
        "per_class": score_tables.per_class(cube, settings),
        "pairwise": pairs,
        "calibration": calibration_scores.calibration(confidence, cube),
        "class_calibration": calibration_scores.class_calibration(classwise, cube, settings),
        "cost": score_tables.cost(costs),
        "image_scores": score_tables.image_scores({key: read_runs([done[key]], "image_scores.csv") for key in done}),
        "variance": score_tables.variance(cube, pairs),
        "units": score_tables.units(cube),
        "reliability": calibration_scores.reliability(confidence),
        "fusion": fusion(cube, margin),
        "gap_closed": gap_closed(full, trained, margin),
        "transfer": transfer(full, trained),
        "decomposition": decomposition(full, trained),
        "confusions": confusions(cube),
        "block_differences": block_differences(cube, settings.experiment.proposed),
        "learning": learning({key: read_history(folder) for key, folder in done.items()}),
    }
    with atomic_path(out) as folder:
        folder.mkdir()
        for name, frame in frames.items():
            write_csv(folder / f"{name}.csv", frame.round(9))
            if name in CAPTIONS:
                write_text(folder / f"{name}.tex", latex_table(frame, CAPTIONS[name]))
        write_json(folder / "claims.json", _claims(cube, settings, pairs, family, frames))
        write_json(folder / "design.json", _design(cube, settings, pairs) | {"trained_on": _listed(trained)})


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
