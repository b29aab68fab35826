"""The kinds of landscape: how much of everything there is, how steep it is, how large the fields are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

TABLE = Path(__file__).parents[1] / "data" / "archetypes.yaml"


@dataclass(frozen=True)
class Archetype:
    """Mean composition of a kind of landscape; every place draws its own around it.

    Attributes:
        forest: share of the land under forest.
        shrub: share under shrub, heath and fallow.
        grass: share under meadow and pasture, outside towns.
        built: share inside towns (streets, houses and gardens).
        bare: share of pits, scree and sealed ground without buildings.
        water: share of open water.
        wetland: share of reed and fen.
        conifer: share of the forest that is coniferous.
        mean_slope: degrees.
        base_m: mean elevation, m.
        block_m: mean side of a block between roads, m.
        width_m: range of parcel widths, m.
        length_m: range of parcel lengths, m.
        hedges: share of parcel borders with a hedge.
        roads: share of block borders with a road.
        towns: number of built centres.
        river_m: mean width of the river, m.
    """

    forest: float
    shrub: float
    grass: float
    built: float
    bare: float
    water: float
    wetland: float
    conifer: float
    mean_slope: float
    base_m: float
    block_m: float
    width_m: tuple[float, float]
    length_m: tuple[float, float]
    hedges: float
    roads: float
    towns: int
    river_m: float


def load_archetypes(path: Path = TABLE) -> dict[str, Archetype]:
    """All archetypes by name, in the order of the table."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    ranges = ("width_m", "length_m")
    return {name: Archetype(**row | {key: (row[key][0], row[key][1]) for key in ranges}) for name, row in rows.items()}


ARCHETYPES = load_archetypes()
