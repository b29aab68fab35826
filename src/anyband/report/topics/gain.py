"""What the gain of the proposed method is made of: one part taken away at a time, and whitening from every method."""

from collections.abc import Iterator

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, Row, change, p_value, text
from anyband.report.content import Table, Topic
from anyband.report.read import Compared, records
from anyband.statistics.protocol import PRIMARY

# Part, what has it and what lacks it, by the endings of the proposed method's names; and where it is looked at.
PARTS = (
    ("whitening", "", "-plain", PRIMARY),
    ("spectral posterior, unwhitened", "-plain", "-codes-only", PRIMARY),
    ("training on Landsat too, seen on Sentinel-2", "", "-without-landsat", "S2"),
    ("training on Sentinel-2 too, seen on Landsat", "", "-without-sentinel2", "L9"),
    ("synthetic sensors", "", "-no-synthetic", PRIMARY),
)
GAIN = Topic[Compared]("gain", "What the gain is made of")


@GAIN.item
def gain_parts(entry: Compared) -> Table | None:
    """Differences with and without each part, where the experiment has both."""
    rows = list(parts(entry))
    if not any(row["second"].startswith(entry.proposed) for row in rows):
        return None
    columns = [
        text("Part", lambda row: row["part"]),
        text("With − without", lambda row: f"{entry.label(row['first'])} − {entry.label(row['second'])}"),
        text("On", lambda row: "endpoint" if row["endpoint"] == PRIMARY else row["endpoint"]),
        Column("Points [95 %]", lambda row: change(row, "difference")),
        Column("p", lambda row: p_value(row["p_adjusted"])),
        Column("Resolution floor", _floor),
    ]
    return Table("gain-parts", columns, rows)


def parts(entry: Compared) -> Iterator[Row]:
    """Rows of `pairwise` with the one that has the part first, those of the proposed method and then all others."""
    own = entry.proposed
    for part, has, lacks, where in PARTS:
        yield from _pair(entry, part, (own + has, own + lacks), [where])
    for method in entry.ranked():
        if method != own:
            yield from _pair(entry, "whitening", (method, f"{method}-plain"), [PRIMARY, *PRIMARY_CONDITIONS])


def _pair(entry: Compared, part: str, pair: tuple[str, str], where: list[str]) -> Iterator[Row]:
    """The row of two methods on the first of `where` that both have, turned so that the first is `pair[0]`."""
    table = entry.frames["pairwise"]
    among = table[table["first"].isin(pair) & table["second"].isin(pair) & table["endpoint"].isin(where)]
    rows = sorted(records(among), key=lambda row: where.index(row["endpoint"]))
    for row in rows[:1]:
        turned = dict(row)
        if row["first"] != pair[0]:
            ends = {"difference": "difference", "difference_lower": "difference_upper"}
            ends["difference_upper"] = "difference_lower"
            turned |= {"first": pair[0], "second": pair[1]} | {key: -row[other] for key, other in ends.items()}
        yield turned | {"part": part}


def _floor(row: Row) -> Cell:
    return Cell(form.points(row["resolution"]), value=row["resolution"])
