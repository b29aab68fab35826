"""Where the time went, from Snakemake's benchmark files."""

import json
from pathlib import Path

import pandas as pd

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table

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
    for path in sorted((results / "benchmarks").rglob("*.jsonl")):
        rule, name, method = (*(path.relative_to(results / "benchmarks").with_suffix("").parts[:3]), "", "")[:3]
        if not _of_config(rule, name, method, config):
            continue
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        names = {"rule": rule, "name": name, "method": method}
        rows += [names | {key: line.get(key) for key in ("s", "max_rss")} for line in lines]
    table = pd.DataFrame(rows, columns=["rule", "name", "method", "s", "max_rss"])
    for name in ("s", "max_rss"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def _of_config(rule: str, name: str, method: str, config: Config) -> bool:
    if rule not in OF_EXPERIMENTS:
        return not name or name in {experiment.dataset for experiment in config.experiments.values()}
    experiment = config.experiments.get(name)
    return experiment is not None and (not method or method in experiment.methods)


def training_memory(table: pd.DataFrame, experiment: str) -> dict[str, float]:
    """Method -> peak memory of its trainings, MB; NaN where all were too short to be sampled."""
    jobs = table[(table["rule"] == "train") & (table["name"] == experiment)]
    return {str(method): float(peak) for method, peak in jobs.groupby("method")["max_rss"].max().items()}


def timing_table(table: pd.DataFrame) -> Table:
    """Time and memory by rule, in the order of the pipeline."""
    rows = []
    total = table["s"].sum()
    known = [rule for rule in ORDER if rule in set(table["rule"])]
    for rule in (*known, *sorted(set(table["rule"]) - set(known) - {"report"})):
        jobs = table[table["rule"] == rule]
        share = float(jobs["s"].sum() / total) if total else 0.0
        rows.append([
            Cell(rule),
            Cell(form.count(len(jobs)), value=float(len(jobs))),
            Cell(form.duration(jobs["s"].sum()), value=float(jobs["s"].sum())),
            Cell(f"{100 * share:.0f} %", value=share, bar=share),
            Cell(form.duration(jobs["s"].max()), value=float(jobs["s"].max())),
            Cell(form.DASH if jobs["max_rss"].isna().all() else f"{jobs['max_rss'].max():.0f} MB",
                 value=float(jobs["max_rss"].max())),
        ])  # fmt: skip
    columns = [Column("Rule", numeric=False), Column("Jobs"), Column("Time, all jobs"), Column("Share"),
               Column("Longest job"), Column("Peak memory")]  # fmt: skip
    return Table("timing", "Where the time went",
                 f"{form.plural(len(table[table['rule'] != 'report']), 'job')} as measured by Snakemake; jobs may run "
                 "side by side, so the sum can exceed the time on the clock. Memory is sampled.",
                 columns, rows)  # fmt: skip
