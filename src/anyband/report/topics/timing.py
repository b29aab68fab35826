"""Where the time went, from Snakemake's benchmark files."""

import json
from pathlib import Path

import pandas as pd

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, count, share, text
from anyband.report.content import Section, Table
from anyband.report.read import Compared
from anyband.runtime import UserError, own_files, read_own

ORDER = ("simulate", "search", "pair", "extract", "audit", "split", "trial", "ledger", "train", "evaluate", "compare")
OF_EXPERIMENTS = ("trial", "ledger", "train", "evaluate", "compare")
"""Rules whose files lie under the name of an experiment, and then of a method; others' under that of a dataset."""


def read_benchmarks(results: Path, config: Config) -> pd.DataFrame:
    """Wall seconds and peak memory (MB) of every job of the configuration: rule, name, method, s, max_rss.

    Jobs of other experiments, methods and datasets, which earlier runs or other targets left, do not count.
    Snakemake writes "NA" where a job was too short to be sampled; those become NaN. Its CPU times are left out: they
    stop at the last sample, up to half a minute before a job's end.
    """
    rows = []
    for path in own_files(results / "benchmarks", "**/*.jsonl"):
        rule, name, method = (*path.relative_to(results / "benchmarks").with_suffix("").parts[:3], "", "")[:3]
        if not _of_config(rule, name, method, config):
            continue
        try:
            lines = [json.loads(line) for line in read_own(path).splitlines() if line.strip()]
        except ValueError:
            raise UserError(f"{path} is not a benchmark of Snakemake: delete it") from None
        names = {"rule": rule, "name": name, "method": method}
        rows += [names | {key: line.get(key) for key in ("s", "max_rss")} for line in lines]
    table = pd.DataFrame(rows, columns=["rule", "name", "method", "s", "max_rss"])
    return table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in ("s", "max_rss")})


def _of_config(rule: str, name: str, method: str, config: Config) -> bool:
    if rule not in OF_EXPERIMENTS:
        return not name or name in {experiment.dataset for experiment in config.experiments.values()}
    experiment = config.experiments.get(name)
    return experiment is not None and (not method or method in experiment.methods)


def training_memory(entry: Compared) -> dict[str, float]:
    """Method -> peak memory of its trainings, MB; NaN where all were too short to be sampled."""
    table = read_benchmarks(entry.results, entry.config)
    jobs = table[(table["rule"] == "train") & (table["name"] == entry.name)]
    return {str(method): float(peak) for method, peak in jobs.groupby("method")["max_rss"].max().items()}


def megabytes(value: float) -> Cell:
    """Memory, given in MB."""
    return Cell(f"{value:.0f} MB" if form.known(value) else form.DASH, value=float(value))


def _duration(seconds: float) -> Cell:
    return Cell(form.duration(seconds), value=float(seconds))


def timing(jobs: pd.DataFrame) -> Table:
    """Time and memory by rule, in the order of the pipeline."""
    own = {str(rule): rows for rule, rows in jobs.groupby("rule")}
    total = jobs["s"].sum()
    columns = [
        text("Rule", lambda rule: str(rule)),
        Column("Jobs", lambda rule: count(len(own[rule]))),
        Column("Time, all jobs", lambda rule: _duration(own[rule]["s"].sum())),
        Column("Share", lambda rule: share(float(own[rule]["s"].sum() / total) if total else 0.0, bar=True)),
        Column("Longest job", lambda rule: _duration(own[rule]["s"].max())),
        Column("Peak memory", lambda rule: megabytes(own[rule]["max_rss"].max())),
    ]
    caption = (
        f"{form.plural(len(jobs[jobs['rule'] != 'report']), 'job')} as measured by Snakemake; jobs may run side by "
        "side, so the sum can exceed the time on the clock. Memory is sampled."
    )
    known = [rule for rule in ORDER if rule in own]
    others = sorted(set(own) - set(known) - {"report"})
    return Table("timing", "Where the time went", caption, columns, [*known, *others])


def time_sections(results: Path, config: Config) -> list[Section]:
    """The section, where any job was measured."""
    jobs = read_benchmarks(results, config)
    return [Section("time", "Time", [timing(jobs)])] if len(jobs) else []
