"""The ledger: every trial of every method with its score on the validation split, and the choice among them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from anyband.runtime import UserError
from anyband.tuning.space import SPACE

COLUMNS = [
    "method", "trial", "learning_rate", "weight_decay", "options", "validation_miou", "seconds", "chosen",
]  # fmt: skip
HEADER = """\
# Settings that did best on the validation split of {experiment}, from ledger.csv beside this file.
# snakemake --cores 8 all --configfile {path}
"""


def read_ledger(folder: Path, methods: Iterable[str], trials: int, by_gradient: Callable[[str], bool]) -> pd.DataFrame:
    """The trials of an experiment in order of method and trial, with `COLUMNS`.

    Args:
        folder: holds {method}/trial-{number}/settings.json and history.csv.
        methods: names in the configuration.
        trials: number per method.
        by_gradient: whether a model of the registry is trained by gradient steps; the loop's settings of others, which
            they do not use, stay empty.

    Raises:
        UserError: a trial is missing or not readable.
    """
    rows = [
        {"method": method, "trial": trial, **read_trial(folder / method / f"trial-{trial}", by_gradient)}
        for method in sorted(methods)
        for trial in range(trials)
    ]
    return choose(pd.DataFrame(rows)).loc[:, COLUMNS]


def read_trial(folder: Path, by_gradient: Callable[[str], bool]) -> dict[str, Any]:
    """Settings, score and time of one trial: the last row of its history is the finished training."""
    try:
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        last = pd.read_csv(folder / "history.csv").iloc[-1]
        used = settings["training"] if by_gradient(settings["model"]) else {}
        return {
            **{name: used.get(name) for name in SPACE},
            "options": json.dumps(settings["options"], sort_keys=True),
            "validation_miou": float(last["val_miou"]),
            "seconds": float(last["seconds"]),
        }
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"{folder} has no finished trial ({type(error).__name__}): run `snakemake tuning`") from None


def choose(trials: pd.DataFrame) -> pd.DataFrame:
    """Mark the trial of each method with the highest score; of equal ones the first. A missing score is the lowest."""
    score = trials["validation_miou"].fillna(float("-inf"))
    order = trials.assign(score=score).sort_values(["method", "score", "trial"], ascending=[True, False, True])
    return trials.assign(chosen=trials.index.isin(order.groupby("method").head(1).index))


def best_preset(ledger: pd.DataFrame, experiment: str, path: Path) -> str:
    """The chosen settings as a preset, YAML."""
    entries = {}
    for row in ledger[ledger["chosen"]].to_dict("records"):
        loop = {name: float(row[name]) for name in SPACE if pd.notna(row[name])}
        options = json.loads(row["options"])
        entries[row["method"]] = loop | ({"options": options} if options else {})
    body = "".join(f"  {name}: {_inline(entry)}\n" for name, entry in entries.items())
    return HEADER.format(experiment=experiment, path=path) + "methods:\n" + body


def _inline(entry: dict[str, Any]) -> str:
    """A method's settings as one line of YAML."""
    return yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10_000).strip()


def format_ledger(ledger: pd.DataFrame) -> str:
    """The ledger as a table for the terminal, a line per trial; the chosen ones have a star."""
    lines = [("method", "trial", "learning rate", "weight decay", "options", "validation mIoU", "seconds", "")]
    for row in ledger.sort_values(["method", "trial"]).to_dict("records"):
        loop = ["-" if pd.isna(row[name]) else f"{row[name]:g}" for name in SPACE]
        options = ", ".join(f"{key} {value}" for key, value in json.loads(row["options"]).items()) or "-"
        score, star = f"{row['validation_miou']:.4f}", "*" if row["chosen"] else ""
        lines.append((row["method"], str(row["trial"]), *loop, options, score, f"{row['seconds']:.0f}", star))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(text) + "\n"
