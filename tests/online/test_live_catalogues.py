"""One site through every live catalogue: `pytest -m online tests/online`; docs/data.md says what it needs and sends.

Each test skips, saying why, where a provider cannot be reached or a login that it wants is not at hand.
"""

import copy
import json
import netrc
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import requests

from anyband.catalog.items.dialects import parse_item
from anyband.catalog.pairs.scene_pair import pairs_as_json, read_pairs
from anyband.products import CATALOGUED
from anyband.providers import CATALOGUES
from anyband.raster.access import EARTHDATA_LOGIN, EARTHDATA_VARIABLE
from anyband.testing.provider_apis import APIS
from archive_run import chips_of
from make_items import make_item

pytestmark = pytest.mark.online

LIVE = ("planetary-computer", "earth-search", "earth-search-c1", "lpcloud")
PLACE = {"site": "ulm", "longitude": 9.93, "latitude": 48.43}
# Summer 2023: Collection 1 of Sentinel-2 lacks most of 2022 at Earth Search.
SETTINGS = {"start": "2023-06-01", "end": "2023-07-31", "extent_m": 960, "min_clear": 0.9, "chip_min_clear": 0.8}
OURS = "anyband:simulated"
SOMETIMES = {"eo:cloud_cover", "created", "updated", "published"}  # of some items only, in every dialect


@cache
def out_of_reach(endpoint):
    try:
        requests.head(endpoint, timeout=20)
    except requests.RequestException as error:
        return f"{endpoint} is out of reach ({type(error).__name__})"


def need_network(catalog):
    for endpoint in sorted({source.endpoint for source in CATALOGUES[catalog].values()}):
        if why := out_of_reach(endpoint):
            pytest.skip(why)


def need_login(catalog):
    """Skip without the login that reading the files of a catalogue takes."""
    if catalog.startswith("earth-search"):
        known = {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"} & os.environ.keys() or (Path.home() / ".aws/credentials").is_file()
        if not known:
            pytest.skip("no AWS credentials: whoever reads Landsat at Earth Search or USGS pays for it")
    if catalog == "lpcloud" and not os.environ.get(EARTHDATA_VARIABLE):
        try:
            known = EARTHDATA_LOGIN in netrc.netrc().hosts
        except (OSError, netrc.NetrcParseError):
            known = False
        if not known:
            pytest.skip(f"no Earthdata login: set {EARTHDATA_VARIABLE}")


def step(name, catalog, *arguments):
    """Run a step as the workflow does."""
    place = [f"--{key}={value}" for key, value in PLACE.items()]
    settings = f"--settings={json.dumps({'catalog': catalog} | SETTINGS)}"
    command = [sys.executable, "-m", f"anyband.steps.{name}", settings, *place, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Folder of the manifests of a catalogue, searched once."""
    folders = {}

    def search(catalog):
        need_network(catalog)
        if catalog not in folders:
            folder = tmp_path_factory.mktemp(catalog)
            step("search", catalog, f"--out-dir={folder / 'scenes'}")
            folders[catalog] = folder
        return folders[catalog]

    return search


def items_of(folder, product):
    return json.loads((folder / f"scenes/{product}.json").read_text())["items"]


@pytest.mark.parametrize("product", CATALOGUED)
@pytest.mark.parametrize("catalog", LIVE)
def test_items_are_found_and_parsed(searched, catalog, product):
    items = items_of(searched(catalog), product)
    assert items
    scenes = [parse_item(item) for item in items]
    assert {scene.product for scene in scenes} == {product}
    assert "sig=" not in json.dumps(items)


@pytest.mark.parametrize("product", CATALOGUED)
@pytest.mark.parametrize("catalog", LIVE)
def test_keys_have_not_drifted_from_those_of_the_archive(searched, catalog, product):
    """The archive writes the keys of recorded items; a live item with others is a dialect that has changed."""
    items = items_of(searched(catalog), product)
    api = APIS["stac" if catalog == "planetary-computer" else catalog]
    frozen = api.publish(copy.deepcopy(make_item(product))).item
    drift = {}
    for part in ("properties", "assets"):
        live = set().union(*(item[part] for item in items))
        drift[part] = {"gone": sorted(set(frozen[part]) - live - SOMETIMES - {OURS})}
        drift[part]["new"] = sorted(live - set(frozen[part]) - SOMETIMES)
    assert drift == {part: {"gone": [], "new": []} for part in ("properties", "assets")}
    assert {item["stac_version"] for item in items} == {frozen["stac_version"]}


@pytest.mark.parametrize("catalog", LIVE)
def test_a_chip_is_read_in_physical_units(searched, catalog):
    folder = searched(catalog)
    need_login(catalog)
    pairs, store = folder / "pairs.json", folder / "chips/live/ulm.zarr"
    tables = [f"--pairs={folder / 'pairs.csv'}", f"--dropped={folder / 'dropped.csv'}", f"--acquisitions={pairs}"]
    step("pair", catalog, f"--scenes={folder / 'scenes'}", *tables)
    kept = read_pairs(pairs)
    assert kept, (folder / "dropped.csv").read_text()[:2000]
    pairs.write_text(pairs_as_json(kept[:1]))  # the first pair will do
    step("extract", catalog, f"--pairs={pairs}", "--threads=4", f"--out={store}")
    (chip,) = chips_of(store).values()
    medians = {}
    for product in CATALOGUED[:-1]:
        bands = [chip[name].ravel() for name in chip if name.startswith(product) and name.endswith("m/values")]
        medians[product] = np.nanmedian(np.concatenate(bands))
    # An offset that is applied twice or not at all moves reflectance by 0.1.
    assert all(0 < value < 0.5 for value in medians.values()), medians
    assert len(np.unique(chip["label"])) >= 1
