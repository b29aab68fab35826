"""What every method costs, how its settings were chosen, and where the time of the run went.

So nobody has to take a fair comparison on trust.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, Row, count, decimals, duration, named, share, text, wrapped
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import Compared, records
from anyband.report.render import Sheet
from anyband.runtime import UserError, own_files, read_csv, read_own
from anyband.statistics.protocol import FLOORS, MAJORITY

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


TIME = Topic[pd.DataFrame]("time", "Time")


@TIME.item
def timing(jobs: pd.DataFrame) -> Table:
    """Time and memory by rule, in the order of the pipeline."""
    own = {str(rule): rows for rule, rows in jobs.groupby("rule")}
    total = jobs["s"].sum()
    columns = [
        text("Rule", lambda rule: str(rule)),
        Column("Jobs", lambda rule: count(len(own[rule]))),
        Column("Time, all jobs", lambda rule: duration(own[rule]["s"].sum())),
        Column("Share", lambda rule: share(float(own[rule]["s"].sum() / total) if total else 0.0, bar=True)),
        Column("Longest job", lambda rule: duration(own[rule]["s"].max())),
        Column("Peak memory", lambda rule: megabytes(own[rule]["max_rss"].max())),
    ]
    known = [rule for rule in ORDER if rule in own]
    others = sorted(set(own) - set(known) - {"report"})
    words = {"jobs": int((jobs["rule"] != "report").sum())}
    return Table("timing", columns, [*known, *others], words=words)


COST = Topic[Compared]("cost", "Cost and tuning", paragraphs=lambda entry: [fairness(entry, read_ledger(entry))])
ALIKE = 0.05  # parameters within this share of the proposed method's count as the same size
FROZEN = Path(__file__).parents[4] / "docs" / "tuning"
"""Ledgers that led to the default settings; not there outside the repository."""


@COST.item
def cost(entry: Compared) -> Table:
    """T7: parameters, work per ground area, times, memory and tuning."""
    return cost_table(entry, training_memory(entry), trials(read_ledger(entry)))


def cost_table(entry: Compared, memory: Mapping[str, float], tried: Mapping[str, int]) -> Table:
    """The same from its parts.

    Args:
        entry: the experiment.
        memory: method -> peak memory of its trainings, MB.
        tried: method -> trials of its tuning; empty when nothing was tuned.
    """

    def magnitude(heading: str, key: str) -> Column:
        return Column(heading, lambda row: Cell(form.magnitude(row[key]), value=float(row[key])))

    columns = [
        text("Method", lambda row: named(entry.label(row["method"]), row["method"])),
        magnitude("Parameters", "parameters"),
        magnitude("Trainable", "trainable_parameters"),
        magnitude("MACs per km²", "macs_per_km2"),
        Column("Training, one seed", _duration),
        Column("Memory, training", lambda row: megabytes(memory.get(row["method"], float("nan")))),
        Column("Memory, evaluation", lambda row: megabytes(row["peak_memory_mb"])),
        decimals("km² per second", "inference_km2_per_s", 1),
        Column("Tuning trials", lambda row: count(tried.get(row["method"], float("nan")))),
    ]
    table = entry.frames["cost"]
    no_work = table["macs_per_km2"] == 0  # no work that is counted is not work of 0
    own = {row["method"]: row for row in records(table.assign(macs_per_km2=table["macs_per_km2"].mask(no_work)))}
    rows = [own[method] for method in entry.ranked(table)]
    notes = [*_sizes(entry), *_starts(entry)]
    return Table("cost", columns, rows, lambda row: entry.role(row["method"]), notes=notes)


def _duration(row: Row) -> Cell:
    seconds, low, high = (row[f"train_seconds{end}"] for end in ("", "_min", "_max"))
    note = f"({form.duration(low)} to {form.duration(high)})" if form.known(seconds) else ""
    return Cell(form.duration(seconds), note, float(seconds))


def _sizes(entry: Compared) -> list[str]:
    """A footnote on methods of another size than the proposed one; floors are small by nature."""
    sizes = entry.frames["cost"].set_index("method")["parameters"]
    if entry.proposed not in sizes.index:
        return []
    own, name = float(sizes[entry.proposed]), entry.label(entry.proposed)
    others = sizes.drop([m for m in sizes.index if m == entry.proposed or m in FLOORS]).dropna() / own - 1
    if others.empty or not own > 0:
        return []
    unlike = others[others.abs() > ALIKE]
    listed = [f"{entry.label(str(m))} ({form.percent(part, signed=True)})" for m, part in unlike.items()]
    within = f"within {form.percent(ALIKE)} of the parameters of {name}"
    if not listed:
        return [f"Every other method but the floors is {within}."]
    return [f"Not {within}: {form.listing(listed)}. All others but the floors are."]


def _starts(entry: Compared) -> list[str]:
    """A footnote on what each method started from, of those that note it."""
    notes = [(row["method"], row.get("note")) for row in records(entry.frames["cost"])]
    return [f"{entry.label(method)} started from: {note}." for method, note in notes if isinstance(note, str) and note]


@COST.item
def cost_scores(entry: Compared) -> Graphic | None:
    """Score against work and time."""
    scores = entry.frames["general"][["method", "miou", "miou_lower", "miou_upper"]].dropna()
    table = scores.merge(entry.frames["cost"], on="method")
    table = table[~table["method"].isin(FLOORS)]
    if table.empty:
        return None
    return Graphic("cost-figure", lambda sheet: draw_costs(table, sheet))


def draw_costs(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """Endpoint with interval against work per square kilometre and against training time of one seed."""
    methods = table["method"].tolist()
    top = sheet.legend_height(methods)
    grid = sheet((2, 1), (1, 2))
    figure, axes = sheet.figure(sheet(260, 500) + top, (46, 10, top, 46), *grid, wspace=0.18, hspace=0.3)
    work = (1e-9, "macs_per_km2", "multiply-accumulates per km², 10⁹")
    time = (1 / 60, "train_seconds", "training of one seed, minutes")
    for panel, (factor, column, name) in zip(axes, (work, time), strict=True):
        for row in records(table):
            method, x = str(row["method"]), factor * float(row[column])
            value, lower, upper = (100 * float(row[k]) for k in ("miou", "miou_lower", "miou_upper"))
            panel.plot([x, x], [lower, upper], color=sheet.style.colour(method), linewidth=1.8, solid_capstyle="butt")
            panel.plot(x, value, sheet.style.marker(method), color=sheet.style.colour(method), markersize=7)
        panel.set_xlim(0, 1.12 * factor * table[column].max())
        panel.set_xlabel(name)
        panel.set_ylabel("endpoint mIoU, points")
        panel.grid()
    sheet.legend(figure, methods)
    return figure


def read_ledger(entry: Compared) -> pd.DataFrame | None:
    """Trials of an experiment: of this run, or else those behind the default settings; None when it was not tuned."""
    for path in (entry.results / "tuning" / entry.name / "ledger.csv", FROZEN / f"{entry.name}.csv"):
        if path.is_file():
            return read_csv(path)
    return None


def trials(ledger: pd.DataFrame | None) -> dict[str, int]:
    """Number of trials of every method that was tuned."""
    return {} if ledger is None else {str(method): int(n) for method, n in ledger["method"].value_counts().items()}


def fairness(entry: Compared, ledger: pd.DataFrame | None) -> str:
    """One sentence: had every method the same number of trials?"""
    if ledger is None:
        return "Not tuned; settings as in the config."
    tried = trials(ledger)
    counts = {entry.label(m): tried.get(m, 0) for m in entry.design["methods"] if m != MAJORITY}
    if len(set(counts.values())) == 1:
        number = form.plural(next(iter(counts.values())), "trial")
        return f"Every method had the same number of tuning trials ({number}), judged on validation data only."
    listed = form.listing([f"{name} {number}" for name, number in counts.items()])
    return f"Methods did NOT have the same number of tuning trials: {listed}."


@COST.item
def tuning(entry: Compared) -> Table | None:
    """T8: trials, what was tried, best score, spread, time and chosen settings of every method."""
    ledger = read_ledger(entry)
    return None if ledger is None else tuning_table(entry, ledger)


def tuning_table(entry: Compared, ledger: pd.DataFrame) -> Table:
    """The same from its ledger."""
    known = set(ledger["method"])
    own = {method: ledger[ledger["method"] == method] for method in entry.design["methods"] if method in known}
    columns = [
        text("Method", lambda method: named(entry.label(method), method)),
        Column("Trials", lambda method: count(len(own[method]))),
        Column("Learning rates tried", lambda method: _range(own[method]["learning_rate"])),
        Column("Weight decays tried", lambda method: _range(own[method]["weight_decay"])),
        text("Options tried", lambda method: wrapped(_options_tried(own[method]))),
        Column("Best validation mIoU", lambda method: _best(own[method]["validation_miou"].astype(float))),
        Column("Time", lambda method: duration(own[method]["seconds"].sum())),
        text("Chosen", lambda method: wrapped(_chosen(own[method]))),
    ]
    other = [entry.label(method) for method, rows in own.items() if not _uses_chosen(rows, entry, method)]
    notes = [f"In this run other settings than the chosen ones are used by {form.listing(other)}."] if other else []
    return Table("tuning", columns, list(own), notes=notes)


def _best(scores: pd.Series) -> Cell:
    return Cell(form.points(scores.max()), form.interval(scores.min(), scores.max()), float(scores.max()))


def _range(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return form.DASH
    low, high = (f"{value:.2g}" for value in (known.min(), known.max()))
    return low if low == high else f"{low} to {high}"


def _options(words: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(words) if isinstance(words, str) and words else {}
    return content


def _options_tried(rows: pd.DataFrame) -> str:
    """Own options that differ between trials, with their values; "default" where a trial does not name one."""
    options = [_options(words) for words in rows["options"]]
    tried = {
        key: {_value(one[key]) if key in one else "default" for one in options}
        for key in sorted({key for one in options for key in one})
    }
    varied = [f"{key}: {', '.join(sorted(values))}" for key, values in tried.items() if len(values) > 1]
    return "; ".join(varied) or form.DASH


def _chosen_row(rows: pd.DataFrame) -> dict[str, Any] | None:
    return next(iter(records(rows[rows["chosen"].astype(bool)])), None)


def _chosen(rows: pd.DataFrame) -> str:
    row = _chosen_row(rows)
    if row is None:
        return form.DASH
    names = {"learning_rate": "rate", "weight_decay": "decay"}
    parts = [f"{name} {row[key]:.2g}" for key, name in names.items() if form.known(row[key])]
    parts += [f"{key} {_value(value)}" for key, value in _options(row["options"]).items()]
    return ", ".join(parts) or "no settings"


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


def _uses_chosen(rows: pd.DataFrame, entry: Compared, method: str) -> bool:
    """Whether the run's settings are those of the chosen trial."""
    row = _chosen_row(rows)
    if row is None:
        return True
    settings, training = entry.config.methods[method], entry.experiment.training
    for key in ("learning_rate", "weight_decay"):
        used = getattr(settings, key) if getattr(settings, key) is not None else getattr(training, key)
        if form.known(row[key]) and not math.isclose(row[key], used, rel_tol=1e-6):
            return False
    return _options(row["options"]) == settings.options


@COST.item
def learning(entry: Compared) -> Graphic | None:
    """Learning curves."""
    table = entry.frames["learning"]
    steps = table.dropna(subset="loss").groupby("method")["step"].nunique()
    methods = [method for method in entry.ranked() if steps.get(method, 0) > 1]
    if not methods:
        return None
    return Graphic("learning", lambda sheet: draw_learning(table, methods, sheet))


def draw_learning(table: pd.DataFrame, methods: Sequence[str], sheet: Sheet) -> Figure:
    """Training loss by step, mean over seeds."""
    top = sheet.legend_height(methods)
    figure, (axes,) = sheet.figure(250 + top, (46, 10, top, 46))
    for method in methods:
        rows = table[(table["method"] == method) & table["loss"].notna()].sort_values("step")
        colour, every = sheet.style.colour(method), max(len(rows) // 5, 1)
        axes.fill_between(
            rows["step"], rows["loss_lowest"], rows["loss_highest"], color=colour, alpha=0.12, linewidth=0
        )
        marks: Any = {"marker": sheet.style.marker(method), "markevery": every, "markersize": 4.5}
        axes.plot(rows["step"], rows["loss"], color=colour, linewidth=1.6, **marks)
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("training loss")
    axes.set_xlim(left=0)
    axes.grid()
    sheet.legend(figure, methods)
    return figure
