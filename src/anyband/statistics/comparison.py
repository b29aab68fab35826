"""Everything one experiment's comparison writes: tables as CSV and LaTeX, claims and design as JSON."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anyband.config import ComparisonSettings
from anyband.runtime import UserError, atomic_path, read_json, write_csv, write_json, write_text
from anyband.statistics import calibration_scores, run_tables, score_tables, sensor_gains
from anyband.statistics.claims import make_claim, sensor_claims, why_no_claims
from anyband.statistics.cloud_weighted import cloud_weighted
from anyband.statistics.cube import ConfusionCube, build_cube, read_runs
from anyband.statistics.paired import Contrast
from anyband.statistics.protocol import endpoint, label
from anyband.statistics.run_tables import Runs


@dataclass(frozen=True)
class FinishedRuns:
    """The runs of one experiment that have results, and what several tables are made from.

    Attributes:
        settings: the experiment and its classes.
        folders: (method, seed) -> folder of the run.
        clear_shares: what clouds leave at hand; empty where it is not known.
    """

    settings: ComparisonSettings
    folders: Runs[Path]
    clear_shares: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def costs(self) -> Runs[dict[str, Any]]:
        """(method, seed) -> content of `cost.json`; empty where it is not there."""
        files = {key: folder / "cost.json" for key, folder in self.folders.items()}
        return {key: read_json(file) if file.is_file() else {} for key, file in files.items()}

    @cached_property
    def full(self) -> ConfusionCube:
        """Confusion matrices under all conditions."""
        return build_cube(self.read("confusion.csv"), self.settings, run_tables.own_endpoints(self.costs))

    @cached_property
    def cube(self) -> ConfusionCube:
        """Confusion matrices of inputs to which nothing was done."""
        return self.full.undisturbed()

    @cached_property
    def sums(self) -> pd.DataFrame:
        """Calibration sums of inputs to which nothing was done."""
        return self.read("calibration.csv", self.cube.conditions)

    @property
    def class_sums(self) -> pd.DataFrame:
        """The same class by class."""
        return self.read("class_calibration.csv", self.cube.conditions)

    @cached_property
    def trained(self) -> sensor_gains.Trained:
        """Products that each method was trained on."""
        return run_tables.trained_on(self.costs)

    @cached_property
    def paired(self) -> tuple[pd.DataFrame, list[Contrast]]:
        """Differences of all pairs of methods, and the comparisons of the declared family."""
        return score_tables.pairwise(self.cube, self.settings)

    @property
    def pairs(self) -> pd.DataFrame:
        """Differences of all pairs of methods."""
        return self.paired[0]

    @property
    def margin(self) -> float:
        """Equivalence margin, fraction of mIoU."""
        return self.settings.experiment.equivalence_margin

    @property
    def proposed(self) -> str:
        """Key of the proposed method."""
        return self.settings.experiment.proposed

    def table(self, name: str) -> pd.DataFrame:
        """A table of `FRAMES`."""
        make = FRAMES[name].make
        return make(**{parameter: getattr(self, parameter) for parameter in inspect.signature(make).parameters})

    def read(self, name: str, conditions: Sequence[str] | None = None) -> pd.DataFrame:
        """A table that every run has, all runs under each other; of some conditions only where they are given."""
        table = read_runs(list(self.folders.values()), name)
        return table if conditions is None else table[table["condition"].isin(conditions)]


@dataclass(frozen=True)
class Frame:
    """A table of the comparison: how it is made, and its caption as LaTeX where papers may want it.

    The parameters of `make` are attributes of `FinishedRuns` by name.
    """

    make: Callable[..., pd.DataFrame]
    caption: str = ""


FRAMES = {
    "general": Frame(score_tables.general, "Primary endpoint of every method and its difference to the proposed one"),
    "conditions": Frame(score_tables.conditions, "Scores under each test condition"),
    "robustness": Frame(score_tables.robustness, "Scores on inputs to which something was done, and their change"),
    "cloud_weighted": Frame(cloud_weighted, "Endpoint weighted by what clouds leave of the sensors"),
    "per_class": Frame(score_tables.per_class, "IoU and F1 of each class"),
    "pairwise": Frame(lambda pairs: pairs, "Paired differences between methods"),
    "calibration": Frame(calibration_scores.calibration, "Calibration before and after temperature scaling"),
    "class_calibration": Frame(
        calibration_scores.class_calibration, "Classwise calibration error before and after temperature scaling"
    ),
    "reliability": Frame(calibration_scores.reliability),
    "cost": Frame(run_tables.cost, "Cost of training and use"),
    "variance": Frame(score_tables.variance, "Variance over test blocks and training seeds"),
    "units": Frame(score_tables.units),
    "image_scores": Frame(run_tables.image_scores, "Scores of translated images"),
    "fusion": Frame(sensor_gains.fusion, "Both sensors against the better one alone"),
    "gap_closed": Frame(
        sensor_gains.gap_closed, "Share of the gap to the specialist that is closed on sensors never trained on"
    ),
    "transfer": Frame(sensor_gains.transfer, "Scores by what was trained on and what was tested on"),
    "decomposition": Frame(sensor_gains.decomposition, "Difference between two sensors, one factor at a time"),
    "confusions": Frame(score_tables.confusions),
    "block_differences": Frame(score_tables.block_differences),
    "learning": Frame(run_tables.learning),
}
"""Every table of a comparison: a key here is a file `{key}.csv`, with a caption also `{key}.tex`; the report reads all.

A new table is a function and an entry here.
"""


def write_comparison(
    settings: ComparisonSettings, runs: Path, out: Path, clear_shares: Mapping[str, float] | None = None
) -> None:
    """Compare the runs below `runs` ({method}/seed-{seed}/) and write the folder `out` as a whole.

    `clear_shares` are the weights of the third endpoint; without them it is not given.

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
    finished = FinishedRuns(settings, done, clear_shares or {})
    frames = {name: finished.table(name) for name in FRAMES}
    with atomic_path(out) as folder:
        folder.mkdir()
        for name, table in frames.items():
            write_csv(folder / f"{name}.csv", table.round(9))
            if FRAMES[name].caption:
                write_text(folder / f"{name}.tex", latex_table(table, FRAMES[name].caption))
        write_json(folder / "claims.json", _claims(finished, frames))
        write_json(folder / "design.json", _design(finished))


def _claims(runs: FinishedRuns, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Claims of the declared family and those about sensors, or the sentence that says why there are none."""
    cube, (pairs, family) = runs.cube, runs.paired
    reason = why_no_claims(len(cube.seeds), len(cube.blocks))
    sensors = [] if reason else sensor_claims(frames["fusion"], frames["gap_closed"], len(cube.seeds))
    if not family:
        reason = reason or "No claims on the primary endpoint: no baseline takes every input of it."
    names = {method: label(method) for method in cube.methods}
    adjusted = pairs.loc[pairs["family"] == "declared", "p_adjusted"]
    declared = [] if reason else zip(family, adjusted, strict=True)
    return {
        "claims": [asdict(make_claim(result, p, runs.margin, names)) for result, p in declared],
        "sensor_claims": [asdict(claim) for claim in sensors],
        "reason": reason,
    }


def _design(runs: FinishedRuns) -> dict[str, Any]:
    """What the report says about the design: units, classes, endpoint, resolution."""
    settings, cube, pairs = runs.settings, runs.cube, runs.pairs
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
        "equivalence_margin": runs.margin,
        "resolution_floor": None if declared.empty or np.isnan(declared.max()) else float(declared.max()),
        "notes": list(cube.notes),
        "trained_on": {method: sorted(products) for method, products in runs.trained.items()},
    }


SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "−": "$-$", "±": r"$\pm$",
    "–": "--", "·": r"$\cdot$", "×": r"$\times$", "²": r"$^2$", "→": r"$\to$", "…": r"\dots{}", "“": "``", "”": "''",
    "\N{THIN SPACE}": r"\,", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip


def escape(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(SPECIAL.get(character, character) for character in text)


def latex_table(frame: pd.DataFrame, caption: str) -> str:
    """Write a frame as a `table` environment; numbers are right-aligned, missing values are dashes.

    Args:
        frame: one row per table row; cells may be numbers or text.
        caption: plain text.
    """
    alignment = "".join("r" if pd.api.types.is_numeric_dtype(frame[name]) else "l" for name in frame.columns)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(escape(str(name).replace("_", " ")) for name in frame.columns) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join(_cell(value) for value in row) + r" \\" for row in frame.itertuples(index=False)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "--"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
