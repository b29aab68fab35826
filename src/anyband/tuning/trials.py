"""`anyband tune`: every trial of every method, run through Snakemake; the ledger of their scores, and the choice."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from anyband.config import Config, load, merge, read_document
from anyband.runtime import UserError, nearest, read_csv, read_json, write_text
from anyband.tuning.space import SPACE, by_gradient

COLUMNS = [
    "method", "trial", "learning_rate", "weight_decay", "options", "validation_miou", "seconds", "chosen",
]  # fmt: skip
HEADER = """\
# Settings that did best on the validation split of {experiment}, from ledger.csv beside this file.
# snakemake --cores 8 all --configfile {path}
"""


def read_ledger(folder: Path, methods: Iterable[str], trials: int) -> pd.DataFrame:
    """The trials of an experiment in order of method and trial, with `COLUMNS`.

    The settings of the loop stay empty for a model that is not trained by gradient steps, as it does not use them.

    Args:
        folder: holds {method}/trial-{number}/settings.json and history.csv.
        methods: names in the configuration.
        trials: number per method.

    Raises:
        UserError: a trial is missing or not readable.
    """
    rows = [
        {"method": method, "trial": trial, **read_trial(folder / method / f"trial-{trial}")}
        for method in sorted(methods)
        for trial in range(trials)
    ]
    return choose(pd.DataFrame(rows)).loc[:, COLUMNS]


def read_trial(folder: Path) -> dict[str, Any]:
    """Settings, score and time of one trial: the last row of its history is the finished training."""
    try:
        settings = read_json(folder / "settings.json")
        last = read_csv(folder / "history.csv").iloc[-1]
        used = settings["training"] if by_gradient(settings["model"]) else {}
        return {
            **{name: used.get(name) for name in SPACE},
            "options": json.dumps(settings["options"], sort_keys=True),
            "validation_miou": float(last["val_miou"]),
            "seconds": float(last["seconds"]),
        }
    except (UserError, ValueError, KeyError, IndexError) as error:
        raise UserError(f"{folder} has no finished trial ({error}): run `snakemake tuning`") from None


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
    body = "".join(f"  {_inline(str(name))}: {_inline(entry)}\n" for name, entry in entries.items())
    return HEADER.format(experiment=experiment, path=path) + "methods:\n" + body


def _inline(value: dict[str, Any] | str) -> str:
    """A method's settings, or its name, as one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip().removesuffix("\n...")


def format_ledger(ledger: pd.DataFrame) -> str:
    """The ledger as a table for the terminal, a line per trial; the chosen ones have a star."""
    shown = ledger.sort_values(["method", "trial"]).replace({"chosen": {True: "*", False: ""}})
    numbers = {"learning_rate": "{:g}", "weight_decay": "{:g}", "validation_miou": "{:.4f}", "seconds": "{:.0f}"}
    formats: dict[str, Callable[[Any], str]] = {name: form.format for name, form in numbers.items()}
    formats["options"] = lambda text: ", ".join(f"{key} {value}" for key, value in json.loads(text).items()) or "-"
    return shown.to_string(index=False, na_rep="-", formatters=formats) + "\n"


CONFIG = Path("config.yaml")
RESULTS = Path("results/tuning")


def tune(experiment: str | None, methods: Sequence[str], cores: str, presets: Sequence[Path]) -> Iterator[str]:
    """Run what is missing of the trials, then give a table and a line on its use for each experiment.

    Args:
        experiment: key of experiments; None for all of the target `all`.
        methods: some methods of the experiment; all when empty.
        cores: for Snakemake, a number or "all".
        presets: files that change the configuration.

    Raises:
        UserError: no such experiment or method, no workflow here, no Snakemake, or trials that failed.
    """
    config = read_config(presets)
    names = [experiment] if experiment else list(config.of_target("all").experiments)
    for name in names:
        check(config, name, methods)
    run_snakemake([target for name in names for target in targets(config, name, methods)], cores, presets)
    for name in names:
        ledger, best = finished(config, name, methods)
        yield format_ledger(ledger)
        files = " ".join(map(str, (*presets, best)))
        yield f"\n{best} has the settings marked *; use it: snakemake --cores {cores} all --configfile {files}\n"


def read_config(presets: Sequence[Path]) -> Config:
    """The configuration as the workflow will read it.

    Raises:
        UserError: a file is missing or no YAML, or the configuration has a mistake.
    """
    document: dict[str, Any] = {}
    for path in (CONFIG, *presets):
        document = merge(document, read_document(path))
    return load(document)


def check(config: Config, experiment: str, methods: Sequence[str]) -> None:
    """Stop before anything runs when the experiment or a method does not exist."""
    if experiment not in config.experiments:
        raise UserError(f"experiment {experiment!r} does not exist{nearest(experiment, config.experiments)}")
    for method in methods:
        if method not in (known := config.experiments[experiment].methods):
            raise UserError(f"--methods: {method!r} is not in experiments.{experiment}{nearest(method, known)}")


def targets(config: Config, experiment: str, methods: Sequence[str]) -> list[str]:
    """Files to ask Snakemake for: the ledger, or the trials of some methods, which alone make no ledger."""
    folder = RESULTS / experiment
    if not methods:
        return [str(folder / "ledger.csv")]
    trials = range(config.tuning.trials)
    return [str(folder / method / f"trial-{trial}" / "history.csv") for method in methods for trial in trials]


def run_snakemake(files: Sequence[str], cores: str, presets: Sequence[Path]) -> None:
    """Make the files.

    Raises:
        UserError: Snakemake is missing or has failed.
    """
    if importlib.util.find_spec("snakemake") is None:
        raise UserError("snakemake is not installed: make the environment with `make`, or `pip install -e .`")
    changed = ["--configfile", *map(str, presets)] if presets else []
    done = subprocess.run([sys.executable, "-m", "snakemake", *files, "--cores", cores, *changed])
    if done.returncode:
        raise UserError(f"snakemake stopped with status {done.returncode}: its last lines say why")


def finished(config: Config, experiment: str, methods: Sequence[str]) -> tuple[pd.DataFrame, Path]:
    """The ledger of the experiment, or the part of some methods, and the preset with the chosen settings."""
    folder = RESULTS / experiment
    if not methods:
        return read_csv(folder / "ledger.csv"), folder / "best.yaml"
    ledger = read_ledger(folder, methods, config.tuning.trials)
    best = folder / f"best-{'+'.join(methods)}.yaml"
    write_text(best, best_preset(ledger, experiment, best))
    return ledger, best
