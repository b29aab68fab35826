"""The stored atom: one integer confusion matrix per method, seed, condition and test block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anyband.config import ComparisonSettings
from anyband.evaluation.confusion import CONFUSION
from anyband.runtime import TEXT, UserError, read_csv
from anyband.statistics.protocol import MAJORITY, PRIMARY, endpoint, label

# methods, seeds, conditions, blocks, classes
Axes = tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...], tuple[str, ...], tuple[int, ...]]


@dataclass(frozen=True)
class ConfusionCube:
    """Confusion counts of an experiment on its common seeds and blocks.

    Attributes:
        methods, seeds, conditions, blocks: names along the axes.
        classes: label codes along the last two axes.
        counts: `(method, seed, condition, block, reference, prediction)` int64.
        present: `(method, condition)`; False where a method cannot take the input.
        notes: sentences on what is missing, for the report.
        endpoints: method -> conditions of its primary endpoint. They are paired by position: those of a method that
            reads only HLS are the twins of all others', the same acquisitions on the same reference pixels.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    conditions: tuple[str, ...]
    blocks: tuple[str, ...]
    classes: tuple[int, ...]
    counts: NDArray[np.int64]
    present: NDArray[np.bool_]
    notes: tuple[str, ...]
    endpoints: Mapping[str, tuple[str, ...]]

    def cells(self, method: str, condition: str) -> NDArray[np.int64]:
        """Counts of one method under one condition, `(seed, block, reference, prediction)`."""
        selected: NDArray[np.int64] = self.counts[self.methods.index(method), :, self.conditions.index(condition)]
        return selected

    def takes(self, method: str, conditions: Sequence[str]) -> bool:
        """Say whether a method has results under every one of the conditions (False for none)."""
        row = self.present[self.methods.index(method)]
        known = [self.conditions.index(condition) for condition in conditions if condition in self.conditions]
        return len(conditions) > 0 and len(known) == len(conditions) and bool(row[known].all())

    def complete(self, method: str) -> bool:
        """Say whether a method has results under every condition of its primary endpoint."""
        return self.takes(method, self.endpoints[method])

    def targets(self) -> list[tuple[str, Mapping[str, tuple[str, ...]]]]:
        """What scores are compared on: (name, method -> its conditions) of the primary endpoint and each condition."""
        return [(PRIMARY, self.endpoints), *((c, dict.fromkeys(self.methods, (c,))) for c in self.conditions)]

    def undisturbed(self) -> "ConfusionCube":
        """The cube without the conditions under which something was done to the input (named `availability/...`)."""
        kept = [index for index, condition in enumerate(self.conditions) if "/" not in condition]
        conditions = tuple(self.conditions[index] for index in kept)
        return replace(self, conditions=conditions, counts=self.counts[:, :, kept], present=self.present[:, kept])

    def references(self) -> NDArray[np.int64]:
        """Reference pixels per condition, block and class, the same for every method; 0 where no method has results."""
        seen = [np.flatnonzero(self.present[:, condition])[:1] for condition in range(len(self.conditions))]
        totals = [self.counts[method, 0, c].sum(axis=(0, -1)) for c, method in enumerate(seen)]
        return np.stack(totals)

    def reference(self) -> NDArray[np.int64]:
        """Reference pixels per block and class, `(block, class)`: those of the condition with most of them.

        All conditions have the same, unless a sensor saw a part of the chips only.
        """
        totals = self.references()
        most: NDArray[np.int64] = totals[totals.sum(axis=(1, 2)).argmax()]
        return most


def read_runs(folders: Sequence[Path], name: str) -> pd.DataFrame:
    """Concatenate one CSV file of every run folder.

    Raises:
        UserError: a file is missing, unreadable or lacks a column; the message names it.
    """
    frames = []
    for folder in folders:
        path = Path(folder) / name
        if not path.exists():
            raise UserError(f"{path} is missing: evaluate this run again, or take its method out of the experiment")
        frames.append(read_csv(path))
    return pd.concat(frames, ignore_index=True)


def build_cube(
    table: pd.DataFrame, settings: ComparisonSettings, own: Mapping[str, Sequence[str]] | None = None
) -> ConfusionCube:
    """Arrange the tidy confusion table of an experiment as one array and check that methods are comparable.

    Rows whose reference is not a scored class are left out (ignored class). Seeds that some method lacks are left
    out for all, so that differences stay paired; the notes say so. The best constant map is added as `majority`.
    `own` holds the endpoint of methods that have one of their own.

    Raises:
        UserError: a column is missing, or two methods were scored on different reference pixels.
    """
    for column in CONFUSION:
        if column not in table:
            raise UserError(f"confusion table of experiment {settings.name}: column {column!r} is missing")
        if column not in TEXT and not pd.api.types.is_integer_dtype(table[column]):
            where = f"confusion table of experiment {settings.name}: column {column!r}"
            raise UserError(f"{where} has a value that is no whole number: delete the damaged one and evaluate again")
    known = [method for method in settings.experiment.methods if method in set(table["method"])]
    if not known:
        raise UserError(f"experiment {settings.name}: no confusion table of any of its methods was given")
    notes = [f"{label(m)} has no results." for m in settings.experiment.methods if m not in known]
    seeds, seed_notes = _common_seeds(table, known, settings)
    conditions = tuple(c for c in settings.experiment.conditions if c in set(table["condition"]))
    blocks = tuple(sorted(set(table["block"])))
    classes = tuple(sorted(settings.classes))
    axes = (tuple(known), seeds, conditions, blocks, classes)
    counts, cells = _fill(table, axes)
    present: NDArray[np.bool_] = np.asarray(cells.all(axis=(1, 3)))
    for method, condition in np.argwhere(np.any(cells, axis=(1, 3)) & ~present):
        name = label(known[method])
        notes.append(f"{name} lacks some blocks or seeds under {conditions[condition]}: that condition is left out.")
    own = own or {}
    endpoints = {method: endpoint(settings, *([own[method]] if method in own else [])) for method in (*known, MAJORITY)}
    cube = ConfusionCube(*axes, counts, present, tuple(notes + seed_notes), endpoints)
    _check_reference(cube)
    return cube if MAJORITY in known else _with_majority(cube)


def _common_seeds(
    table: pd.DataFrame, methods: Sequence[str], settings: ComparisonSettings
) -> tuple[tuple[int, ...], list[str]]:
    """Seeds that every method has, in the declared order, and notes on the others."""
    found = {method: set(table.loc[table["method"] == method, "seed"]) for method in methods}
    common = tuple(seed for seed in settings.experiment.seeds if all(seed in seeds for seeds in found.values()))
    if not common:
        raise UserError(f"experiment {settings.name}: its methods share no seed, so nothing can be compared")
    notes = []
    for method, seeds in found.items():
        missing = [str(seed) for seed in settings.experiment.seeds if seed not in seeds]
        if missing:
            word = "seed" if len(missing) == 1 else "seeds"
            notes.append(
                f"{label(method)} lacks {word} {', '.join(missing)}, left out for every method "
                "because comparisons are paired."
            )
    return common, notes


def _fill(table: pd.DataFrame, axes: Axes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Scatter the tidy rows into `(method, seed, condition, block, class, class)` and mark the cells that exist."""
    methods, seeds, conditions, blocks, classes = axes
    positions = np.stack(
        [
            pd.Index(values).get_indexer(pd.Index(table[column]))
            for column, values in zip(
                CONFUSION[:6], (methods, seeds, conditions, blocks, classes, classes), strict=True
            )
        ]
    )
    # predictions outside the class list cannot happen: the models have one logit per scored class
    kept = (positions >= 0).all(axis=0)
    shape = (len(methods), len(seeds), len(conditions), len(blocks), len(classes), len(classes))
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, tuple(positions[:, kept]), table["count"].to_numpy()[kept].astype(np.int64))
    cells = np.zeros(shape[:4], dtype=bool)
    cells[tuple(positions[:4, kept])] = True
    return counts, cells


def _check_reference(cube: ConfusionCube) -> None:
    """Under a condition every method and seed must have been scored on the same reference pixels."""
    if not cube.present.any():
        raise UserError("no method has results for every seed and block: evaluate the runs again")
    expected = cube.references()
    totals = cube.counts.sum(axis=-1)  # (method, seed, condition, block, class)
    for method, condition in np.argwhere(cube.present):
        wrong = np.argwhere((totals[method, :, condition] != expected[condition]).any(axis=-1))
        if len(wrong):
            (seed, block), first = wrong[0], int(cube.present[:, condition].argmax())
            raise UserError(
                f"{cube.methods[method]}, seed {cube.seeds[seed]}, condition {cube.conditions[condition]}, block "
                f"{cube.blocks[block]} was scored on other reference pixels than {cube.methods[first]}: evaluate again"
            )


def _with_majority(cube: ConfusionCube) -> ConfusionCube:
    """Add the floor that always predicts the most frequent class of the test reference.

    No constant map scores higher, so it bounds every majority-class rule, also one that looks at training labels.
    """
    reference = cube.references()  # (condition, block, class)
    column = int(cube.reference().sum(axis=0).argmax())
    constant = np.zeros((*reference.shape, reference.shape[2]), dtype=np.int64)
    constant[..., column] = reference
    shape = cube.counts.shape[1:]
    added = np.broadcast_to(constant, shape)[None]
    return replace(
        cube,
        methods=(*cube.methods, MAJORITY),
        counts=np.concatenate([cube.counts, added]),
        present=np.concatenate([cube.present, cube.present.any(axis=0, keepdims=True)]),
    )
