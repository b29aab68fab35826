"""Score one trained run under every condition that it can answer, measure what it costs, and write the tables."""

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from anyband.chips.dataset import ChipDataset, load_split
from anyband.conditions import CONDITIONS, KINDS, STANDS_FOR, TWINS, Condition, Step, parse, primary_conditions
from anyband.evaluation.calibration_sums import CalibrationSums, fit_temperature
from anyband.evaluation.confusion import BY_CLASS, CONFUSION, OVERALL, by_block, tidy
from anyband.evaluation.image_scores import score_images
from anyband.evaluation.inference import Change, label_grid, logits_of
from anyband.evaluation.perturbations import Chips, other_date, perturb
from anyband.models.core.method import Method, UnsupportedInputError
from anyband.models.core.storage import load
from anyband.observation import Observation
from anyband.runtime import UserError, atomic_path, progress, read_csv, write_csv, write_json


@dataclass(frozen=True)
class View:
    """What a method looks at; equal views give equal maps.

    Attributes:
        products: that are loaded.
        steps: what is done to them.
        shown: of the products that then exist, those that the method is shown.
        needed: products that must have seen a chip that is scored, besides those that are loaded: all methods are
            scored on the same chips of own files, also those that look at one of two sensors.
    """

    products: frozenset[str]
    steps: tuple[Step, ...]
    shown: frozenset[str]
    needed: frozenset[str] = frozenset()

    def chips(self, table: ChipDataset) -> NDArray[np.integer]:
        """Indices of the chips that are mapped."""
        return table.having(self.products | self.needed)

    def change(self, table: ChipDataset) -> Change | None:
        """The steps as a function of chip indices and their observation; None when there is nothing to do."""
        if not self.steps:
            return None

        def apply(indices: NDArray[np.integer], observation: Observation) -> Observation:
            names = tuple(str(name) for name in table.chip[indices])
            chips = Chips(names, lambda product: other_date(table, indices, product))
            shown = perturb(observation, self.steps, chips).only(self.shown)
            if not shown.groups:
                raise UnsupportedInputError("no band is left that the method looks at")
            return shown

        return apply


def views(method: Method, conditions: Sequence[str]) -> dict[str, View]:
    """Views per condition whose products the method can take; what is done to other products is left out."""
    found = {}
    for key in conditions:
        condition = parse(key)
        present, joint = _products(condition)
        if shown := method.usable(present):
            products = frozenset(condition.products) if joint else shown
            found[key] = View(products, _steps(condition, products), shown)
    return found


def _products(condition: Condition) -> tuple[frozenset[str], bool]:
    """Products that exist after all steps, and whether a step made them of others."""
    products, joint = frozenset(condition.products), False
    for step in condition.steps:
        if step.kind == "as":
            products, joint = frozenset({STANDS_FOR[step.values[0]]}), True
        elif KINDS[step.kind].joint:
            products, joint = products - set(step.products[1:]), True
    return products, joint


def _steps(condition: Condition, products: frozenset[str]) -> tuple[Step, ...]:
    """The steps that touch `products`, and of each what it does to them."""
    steps = []
    for step in condition.steps:
        touched = tuple(product for product in step.products if product in products)
        if touched and step.kind != "same":
            steps.append(Step(step.kind, step.values, touched))
    return tuple(steps)


@dataclass(frozen=True)
class ScoredMaps:
    """Maps of all chips of a split.

    Attributes:
        chips: (n,) indices of the chips that all the products of the view saw; others have no map and no score.
        prediction: (N, H, W) class index; 0 in chips without a map.
        as_predicted: calibration of the probabilities that the method gives.
        scaled: the same after temperature scaling; None where no temperature was given.
        seconds: time that the maps took, without the sums.
    """

    chips: NDArray[np.integer]
    prediction: NDArray[np.uint8]
    as_predicted: CalibrationSums
    scaled: CalibrationSums | None
    seconds: float


def evaluate_run(directory: Path, chips: Path, splits: Path, conditions: tuple[str, ...]) -> None:
    """Write the tables, `cost.json` and `predictions.npz` of a run.

    The tables are `confusion.csv`, `calibration.csv`, `class_calibration.csv` and `image_scores.csv`.

    Args:
        directory: of the trained run.
        chips: folder of the sites' chip stores.
        splits: the table of splits.
        conditions: names as `evaluation.conditions` reads them.

    A condition that the method cannot take has no rows. Only a method that translates images has rows in
    `image_scores.csv`. Predictions, classes' calibration and temperature scaling are of undisturbed inputs.

    Raises:
        UserError: the method can take none of the conditions.
    """
    recipe, method = load(directory)
    wanted = views(method, conditions)
    nothing = UserError(f"{recipe.method} can make no map under any of the conditions {', '.join(conditions)}")
    if not wanted:
        raise nothing
    products = frozenset[str]().union(*(view.products for view in wanted.values()))
    table, validation = (
        load_split(chips, splits, split, products, dict.fromkeys(recipe.classes, "")) for split in ("test", "val")
    )
    if table.own:
        wanted = {key: replace(view, needed=frozenset(parse(key).products)) for key, view in wanted.items()}
        every = products.union(*(view.needed for view in wanted.values()))
        table, validation = (
            load_split(chips, splits, split, every, dict.fromkeys(recipe.classes, "")) for split in ("test", "val")
        )
    maps = map_conditions(method, table, wanted, validation, f"evaluating {recipe.method} seed-{recipe.seed}")
    if not maps:
        raise nothing
    names: dict[str, Any] = {"method": recipe.method, "seed": recipe.seed}
    confusions = [
        tidy(
            by_block(_scored(table, result.chips), result.prediction, table.block, len(table.classes)), table.classes
        ).assign(**names, condition=condition)
        for condition, result in maps.items()
    ]
    write_csv(directory / "confusion.csv", pd.concat(confusions, ignore_index=True)[list(CONFUSION)])
    looks = [(sums, names | about) for sums, about in _looks(maps)]
    columns = ["method", "seed", "condition", "block", "scaled"]
    overall = _calibrations(looks, CalibrationSums.overall_table, [*columns, "temperature", "bin", *OVERALL])
    write_csv(directory / "calibration.csv", overall)
    undisturbed = [(sums, about) for sums, about in looks if about["condition"] in CONDITIONS]
    by_class = _calibrations(
        undisturbed, lambda sums: sums.class_table(table.classes), [*columns, "class", "bin", *BY_CLASS]
    )
    write_csv(directory / "class_calibration.csv", by_class)
    note = {"note": recipe.note} if recipe.note else {}
    write_json(directory / "cost.json", _costs(method, table, wanted, maps, directory) | note)
    write_csv(directory / "image_scores.csv", score_images(method, table, products).round(5))
    with atomic_path(directory / "predictions.npz") as temporary, temporary.open("wb") as file:
        codes = np.asarray(table.classes, np.uint8)
        arrays: dict[str, Any] = {"chip": table.chip}
        arrays |= {key: _coded(codes, result) for key, result in maps.items() if key in CONDITIONS}
        np.savez_compressed(file, **arrays)


def _scored(table: ChipDataset, chips: NDArray[np.integer]) -> NDArray[np.int8]:
    """The labels (N, H, W), -1 outside some chips."""
    if len(chips) == len(table):
        return table.label
    label = np.full_like(table.label, -1)
    label[chips] = table.label[chips]
    return label


def _coded(codes: NDArray[np.uint8], maps: ScoredMaps) -> NDArray[np.uint8]:
    """Maps (N, H, W) as codes of classes, 0 in chips without one."""
    coded = np.zeros_like(maps.prediction)
    coded[maps.chips] = codes[maps.prediction[maps.chips]]
    return coded


def map_conditions(
    method: Method, table: ChipDataset, wanted: dict[str, View], validation: ChipDataset, label: str = "evaluating"
) -> dict[str, ScoredMaps]:
    """Maps per condition that the method can take; conditions under which it sees the same share theirs.

    Those of undisturbed inputs are looked at twice, the second time with the temperature that suits the `validation`
    chips under the same condition. `label` names the progress bar.
    """
    known: dict[View, ScoredMaps] = {}
    undisturbed = {view for key, view in wanted.items() if key in CONDITIONS}
    for view in progress(list(dict.fromkeys(wanted.values())), label):
        if not len(view.chips(table)):
            continue
        try:
            temperature = (
                fit_temperature(method, validation, view.products, view.change(validation))
                if view in undisturbed
                else None
            )
            known[view] = score_maps(method, table, view, temperature)
        except UnsupportedInputError:
            continue
    return {key: known[view] for key, view in wanted.items() if view in known}


def score_maps(method: Method, table: ChipDataset, view: View, temperature: float | None = None) -> ScoredMaps:
    """Map every chip that all products of the view saw; no probabilities are kept beyond their batch.

    Args:
        method: that makes the maps.
        table: the chips, with labels.
        view: what the method sees of them.
        temperature: for a second look at the same probabilities, fitted on other chips.

    Raises:
        UnsupportedInputError: the method cannot take the view.
    """
    chips, prediction = view.chips(table), np.zeros(table.label.shape, np.uint8)
    as_predicted = CalibrationSums(table.block, len(table.classes))
    scaled = None if temperature is None else CalibrationSums(table.block, len(table.classes), temperature)
    seconds, start = 0.0, time.perf_counter()
    for part, logits in logits_of(method, table, view.products, chips, view.change(table)):
        prediction[part] = logits.argmax(dim=1).numpy()
        seconds += time.perf_counter() - start
        for sums in (as_predicted, scaled):
            if sums is not None:
                sums.add(part, logits, prediction[part], table.label[part])
        start = time.perf_counter()
    return ScoredMaps(chips, prediction, as_predicted, scaled, seconds)


def _calibrations(
    looks: Iterable[tuple[CalibrationSums, dict[str, Any]]],
    table: Callable[[CalibrationSums], pd.DataFrame],
    columns: list[str],
) -> pd.DataFrame:
    """The tables of binned probabilities, one below the other, with what tells them apart."""
    frames = [table(sums).assign(**about) for sums, about in looks]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def _looks(maps: dict[str, ScoredMaps]) -> Iterator[tuple[CalibrationSums, dict[str, Any]]]:
    """The sums of every condition with what tells them apart; scaled ones only of undisturbed inputs."""
    for key, result in maps.items():
        yield result.as_predicted, {"condition": key, "scaled": 0, "temperature": 1.0}
        if key in CONDITIONS and result.scaled is not None:
            temperature = round(result.scaled.temperature, 6)
            yield result.scaled, {"condition": key, "scaled": 1, "temperature": temperature}


def _costs(
    method: Method, table: ChipDataset, wanted: dict[str, View], maps: dict[str, ScoredMaps], directory: Path
) -> dict[str, Any]:
    """Cost on the condition with the most products, the dearest one, and nothing done to them where there is one.

    The conditions of the method's primary endpoint and what it was trained on stand beside it, as the comparison knows
    no models.
    """
    condition = max(maps, key=lambda key: (not wanted[key].steps, len(wanted[key].products)))
    view = wanted[condition]
    area_km2 = len(maps[condition].chips) * (table.chip_m / 1000) ** 2
    return {
        "endpoint_conditions": list(TWINS if method.endpoint_twins else primary_conditions(wanted)),
        "trained_on": sorted(method.training_products),
        "parameters": parameters(method),
        "trainable_parameters": parameters(method, trainable=True),
        "macs_per_km2": multiply_accumulates_per_km2(method, table, view.products, view.change(table)),
        "train_seconds": float(read_csv(directory / "history.csv")["seconds"].iloc[-1]),
        "inference_km2_per_s": round(area_km2 / maps[condition].seconds, 2),
        "peak_memory_mb": peak_memory_mb(),
    }


def parameters(method: Method, trainable: bool = False) -> int:
    """Number of values that a trained method keeps, or of those that gradients change: none of a forest, for one."""
    return sum(p.numel() for p in method.parameters() if p.requires_grad or not trainable)


def multiply_accumulates_per_km2(
    method: Method, table: ChipDataset, products: frozenset[str], change: Change | None = None
) -> int:
    """Multiply-accumulates of a 10 m map per square kilometre, counted by torch on one chip, after `change` if any."""
    chip = table.having(products)[:1]
    observation = table.observation(chip, products)
    if change is not None:
        observation = change(chip, observation)
    # The counter fails on a layer that is given a parameter as its input, if that asks for gradients.
    weights = {name: parameter.detach() for name, parameter in method.named_parameters()}
    # The fused attention kernel is not in the counter's table on a CPU; the plain one does the same arithmetic.
    with (
        torch.inference_mode(),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        torch.func.functional_call(method, weights, (observation, label_grid(table)))
    operations: int = counter.get_total_flops()
    return round(operations / 2 / (table.chip_m / 1000) ** 2)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak / 1e3, 1)
