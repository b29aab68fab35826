"""The kinds of landscape: how much of everything there is, how steep it is, how large the fields are."""

from __future__ import annotations

from dataclasses import dataclass


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


# Composition after typical temperate lowland and upland landscapes; mean slopes 2 to 9 degrees, 14 in the uplands.
ARCHETYPES = {
    "arable": Archetype(
        forest=0.13, shrub=0.05, grass=0.13, built=0.09, bare=0.03, water=0.04, wetland=0.03,
        conifer=0.45, mean_slope=2.2,
        base_m=120, block_m=900, width_m=(90, 190), length_m=(200, 450), hedges=0.05, roads=0.55, towns=3, river_m=26,
    ),
    "bocage": Archetype(
        forest=0.15, shrub=0.07, grass=0.36, built=0.08, bare=0.028, water=0.04, wetland=0.04,
        conifer=0.2, mean_slope=4.2,
        base_m=160, block_m=600, width_m=(70, 130), length_m=(110, 260), hedges=0.55, roads=0.5, towns=4, river_m=18,
    ),
    "forest": Archetype(
        forest=0.46, shrub=0.09, grass=0.13, built=0.05, bare=0.03, water=0.04, wetland=0.04,
        conifer=0.6, mean_slope=8.0,
        base_m=420, block_m=950, width_m=(80, 160), length_m=(140, 320), hedges=0.1, roads=0.3, towns=2, river_m=16,
    ),
    "periurban": Archetype(
        forest=0.14, shrub=0.06, grass=0.16, built=0.33, bare=0.04, water=0.05, wetland=0.03,
        conifer=0.3, mean_slope=2.8,
        base_m=90, block_m=700, width_m=(70, 150), length_m=(120, 300), hedges=0.15, roads=0.8, towns=5, river_m=40,
    ),
    "lakeland": Archetype(
        forest=0.30, shrub=0.07, grass=0.18, built=0.05, bare=0.028, water=0.15, wetland=0.09,
        conifer=0.65, mean_slope=3.2,
        base_m=70, block_m=850, width_m=(80, 170), length_m=(160, 380), hedges=0.12, roads=0.4, towns=2, river_m=22,
    ),
    "upland": Archetype(
        forest=0.28, shrub=0.17, grass=0.30, built=0.04, bare=0.07, water=0.03, wetland=0.04,
        conifer=0.75, mean_slope=13.5,
        base_m=900, block_m=900, width_m=(80, 160), length_m=(140, 320), hedges=0.06, roads=0.3, towns=2, river_m=14,
    ),
}  # fmt: skip
