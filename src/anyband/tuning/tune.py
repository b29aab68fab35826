"""`anyband tune`: runs the trials through Snakemake and shows the ledger."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from anyband.config import Config, load, merge
from anyband.runtime import UserError, nearest, write_text
from anyband.tuning.trials import best_preset, format_ledger, read_ledger

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
        try:
            change = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}): run this in the repository") from None
        except yaml.YAMLError:
            raise UserError(f"{path} is not valid YAML") from None
        if not isinstance(change, dict):
            raise UserError(f"{path}: a configuration has keys and values")
        document = merge(document, change)
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
        return pd.read_csv(folder / "ledger.csv"), folder / "best.yaml"
    from anyband.tuning.model_traits import by_gradient

    ledger = read_ledger(folder, methods, config.tuning.trials, by_gradient)
    best = folder / f"best-{'+'.join(methods)}.yaml"
    write_text(best, best_preset(ledger, experiment, best))
    return ledger, best
