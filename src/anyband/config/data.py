"""Where scenes come from, how chips are cut from them, and how they are divided."""

from datetime import date
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from anyband.catalog.providers import CATALOGUES
from anyband.config.section import Fraction, Section, nearest
from anyband.landcover import SCORED
from anyband.products import EXTRA

CHIP_UNIT_M = 960  # the shortest side that is whole in 10, 20, 30 and 60 m pixels and leaves room for context

if TYPE_CHECKING:
    ExtraSensor = str
else:
    ExtraSensor = Literal[EXTRA]


class Simulation(Section):
    """The embedded archive. Its configuration is hashed into every item; no setting favours a method."""

    seed: int = Field(2026, ge=0, description="random seed of surfaces, skies and sensors")
    second_sensor: Literal["informative", "uninformative"] = Field(
        "informative",
        description="uninformative: Landsat adds nothing to Sentinel-2 (the null twin: no gain may be found)",
    )
    extra_sensors: list[ExtraSensor] = Field(
        [], description=f"sensors for tests only, at each Sentinel-2 overpass: {', '.join(EXTRA)}"
    )

    @field_validator("extra_sensors")
    @classmethod
    def _once(cls, value: list[ExtraSensor]) -> list[ExtraSensor]:
        if len(set(value)) != len(value):
            raise ValueError("names the same sensor twice")
        return value


class Draw(Section):
    """Sites drawn at random over land, the same number for the same area everywhere."""

    draw: int = Field(gt=0, description="number of sites")
    seed: int = Field(0, ge=0, description="the same seed draws the same sites")


class Split(Section):
    """How places are divided into training, validation and test blocks."""

    regime: Literal["blocks", "regions", "random"] = Field(
        "blocks",
        description="blocks: cells of the UTM grid; regions: whole regions held out; random: single chips, which leaks",
    )
    block_m: int = Field(20_000, gt=0, description="side of a block of the UTM grid, m")
    buffer_m: int = Field(1_000, ge=0, description="least ground distance between chips of different splits, m")
    test_blocks: int = Field(12, ge=1, description="held-out blocks; below 12 the report makes no claims")
    val_blocks: int = Field(4, ge=1, description="blocks for model choice and early looks")
    seed: int = Field(7, ge=0, description="seed of the assignment of blocks")


class Dataset(Section):
    """Where scenes come from, which ones pair up, and how chips are cut."""

    catalog: str = Field(
        "embedded",
        description="embedded (simulated scenes, offline), planetary-computer, earth-search, earth-search-c1, lpcloud, "
        "or the URL of a STAC API",
    )
    sites: Draw | str = Field(
        "workflow/sites/embedded.csv",
        description="CSV (site, longitude, latitude), GeoJSON, or {draw: 40, seed: 1} for a stratified draw over land",
    )
    exclude: list[str] = Field([], description="ids of items that are never used")
    start: date = Field(date(2021, 12, 1), description="first day of the search, UTC")
    end: date = Field(date(2022, 9, 30), description="last day of the search, UTC")
    extent_m: int = Field(3_840, gt=0, multiple_of=CHIP_UNIT_M, description="side of the square cut around a site, m")
    chip_m: int = Field(960, gt=0, multiple_of=CHIP_UNIT_M, description="side of a chip, m")
    max_day_gap: int = Field(3, ge=0, le=30, description="most days between the Sentinel-2 and the Landsat scene")
    min_clear: Fraction = Field(0.3, description="least share of the site that is clear in both scenes of a pair")
    chip_min_clear: Fraction = Field(0.8, description="least share of a chip that is clear in both scenes")
    classes: dict[int, str] = Field(SCORED, description="codes of the label product that are scored, with names")
    simulation: Simulation = Field(default_factory=Simulation, description="read only when catalog is embedded")
    split: Split = Field(default_factory=Split, description="blocks and buffer")

    @property
    def extra_products(self) -> list[ExtraSensor]:
        """Products beside the usual ones; only the embedded archive has any."""
        return self.simulation.extra_sensors if self.catalog == "embedded" else []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.catalog not in CATALOGUES and not self.catalog.startswith(("http://", "https://")):
            hint = nearest(self.catalog, CATALOGUES)
            raise ValueError(f"catalog {self.catalog!r} is neither a known one nor a http(s) URL of a STAC API{hint}")
        if self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        if self.extent_m % self.chip_m:
            raise ValueError(f"extent_m {self.extent_m} is not a whole number of chips of {self.chip_m} m")
        return self


class Extract(Section):
    """How chips are read; the same chips come out whichever way."""

    scheduler: str = Field(
        "threads",
        pattern=r"^(threads|processes|(tcp|tls)://[\w.:-]+)$",
        description="threads, processes (a local dask cluster), or the address of a dask scheduler (tcp://host:8786)",
    )
