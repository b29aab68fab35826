"""Every preset is a valid configuration, and the real places are what docs/data.md counts on."""

import csv
import datetime as dt
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml
from pyproj import Transformer

from anyband import config
from anyband.catalog.sites import Site, load_sites
from anyband.ground import distance_m

PRESETS = sorted(path.stem for path in (Path(__file__).parents[3] / "workflow/presets").glob("*.yaml"))
REAL = ("planetary-computer", "earth-search", "lpcloud")
BASELINE_0400 = dt.date(2022, 1, 25)
LABEL_YEAR = 2021


def dataset(root, name):
    """The dataset of a preset, which Snakemake lays over config.yaml."""
    default, preset = (
        yaml.safe_load((root / path).read_text()) for path in ("config.yaml", f"workflow/presets/{name}.yaml")
    )
    return config.load(config.merge(default, preset)).datasets["main"]


@pytest.fixture(scope="module")
def places():
    path = Path(__file__).parents[3] / "workflow/sites/real.csv"
    return list(csv.DictReader(line for line in path.open() if not line.startswith("#")))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_loads_with_its_sites(root, name):
    settings = dataset(root, name)
    if isinstance(settings.sites, str):
        assert load_sites(settings.sites, root, "main", settings.extent_m)


@pytest.mark.parametrize("name", REAL)
def test_real_presets_differ_in_their_catalogue_only(root, name):
    settings = dataset(root, name)
    assert settings.catalog == name
    assert settings.model_copy(update={"catalog": REAL[0]}) == dataset(root, REAL[0])
    assert settings.sites == "workflow/sites/real.csv"
    assert settings.start > BASELINE_0400  # scenes of the Planetary Computer before it were processed in another way
    assert settings.end.year - LABEL_YEAR <= 1


def test_real_places_are_spread_over_all_inhabited_continents(places):
    regions = {place["region"] for place in places}
    assert len(places) >= 40
    assert len(regions) >= 12
    for part in ("europe", "africa", "asia", "oceania", "north-america", "south-america"):
        assert any(part in region for region in regions), part


def test_every_real_place_is_a_block_of_its_own(root, places):
    sites = load_sites("workflow/sites/real.csv", root, "main", 3840)
    blocks = set()
    for name, position in sites.items():
        site = Site(name, *position, 3840)
        x, y = Transformer.from_crs(4326, site.utm_epsg, always_xy=True).transform(*position)
        blocks.add((site.utm_epsg, x // 20_000, y // 20_000))
        # A Landsat scene is in the zone of its centre, up to 1.3 degrees from the site at these latitudes.
        assert abs(position[0] - (site.utm_epsg % 100 * 6 - 183)) < 2.2, name
    assert len(blocks) == len(places)
    assert min(distance_m(*pair) for pair in combinations(sites.values(), 2)) > 100_000


# Landsat passes a year with a Sentinel-2 pass within a day, Landsat-8 and -9 with Sentinel-2A and -2B, by latitude.
LATITUDE, PASSES = (0, 15, 30, 40, 50, 60), (30, 32, 39, 49, 66, 103)


def test_enough_pairs_are_to_be_expected(root, places):
    """The arithmetic of docs/data.md, which prints these figures."""
    settings = dataset(root, REAL[0])
    years = ((settings.end - settings.start).days + 1) / 365
    passes = [years * np.interp(abs(float(place["latitude"])), LATITUDE, PASSES) for place in places]
    clear = [1 / 20 if abs(float(place["latitude"])) < 20 else 1 / 5 for place in places]
    pairs = np.multiply(passes, clear)
    assert pairs.sum() > 4 * 40
    text = " ".join((root / "docs/data.md").read_text().split())
    assert f"{len(places)} places" in text
    assert f"{sum(passes):.0f} passes" in text
    assert f"{pairs.sum():.0f} pairs" in text
