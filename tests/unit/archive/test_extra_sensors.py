"""Sensors that training never sees: they share ground, air and sky with Sentinel-2, and change no other product."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from anyband.archive.place import config_hash, hidden_grid, mask_values, surface_seed
from anyband.archive.stac_items import DESCRIBED_MASK
from anyband.config import Simulation
from anyband.products import EXTRA, collection_of
from anyband.raster.quality_layers import MASK_CLEAR, mask_clear
from anyband.sensors import get_sensor
from anyband.simulation import extra_sensors
from anyband.simulation.cloud_masks import Detected
from anyband.simulation.extra_sensors import SPECTRAL_TOLERANCE, imager_of, observe_extra, spectral_basis
from anyband.simulation.grids import Sampler, sentinel2_grid
from anyband.simulation.instrument import HiddenWorld
from anyband.simulation.land.landscape import build_landscape
from anyband.simulation.land.surface import compose
from anyband.simulation.places import plan
from archive_run import NORTH, simulate

PLACE, EXTENT = NORTH, 960
ALL = Simulation(extra_sensors=list(EXTRA))


@pytest.fixture(scope="module")
def folders(archive, tmp_path_factory) -> dict[str, Path]:
    """The first place of the shared archive, and once more with all extra sensors."""
    root = tmp_path_factory.mktemp("extra")
    return {"without": archive / PLACE.name, "with": simulate(root, PLACE.name, settings=ALL) / PLACE.name}


@pytest.fixture(scope="module")
def scene() -> HiddenWorld:
    hidden = hidden_grid(PLACE, EXTENT)
    landscape = build_landscape(hidden, PLACE.archetype, surface_seed(PLACE, ALL))
    overpass = plan(PLACE, ALL.seed)[0][0]
    state = compose(landscape, overpass.day_of_year, PLACE.southern)
    return HiddenWorld.draw(landscape, state, overpass, ALL.seed, PLACE.name)


def pixels(folder: Path) -> dict[str, bytes]:
    files = folder / "files"
    return {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*.tif")}


def test_default_archive_is_the_one_before_extra_sensors_existed():
    """The hash that all items of the default archive carry; settings that are not used must not enter it."""
    assert config_hash(Simulation(), 3840) == "64987d01385a"


def test_extra_sensors_change_no_pixel_of_any_other_product(folders):
    """The same place gives the same bytes, with them or without."""
    without, with_them = pixels(folders["without"]), pixels(folders["with"])
    assert without.items() <= with_them.items()
    added = {name.split("/")[0] for name in with_them.keys() - without.keys()}
    assert added == {collection_of(product) for product in EXTRA}


def test_every_sensor_has_its_scenes_with_all_its_bands(folders):
    for product in EXTRA:
        sensor = get_sensor(imager_of(product).platform, product)
        paths = sorted((folders["with"] / "items" / collection_of(product)).glob("*.json"))
        assert len(paths) == 2
        for path in paths:
            item = json.loads(path.read_text())
            assert item["stac_version"] == "1.1.0" and item["id"] == path.stem
            described = item["assets"]["image"]["bands"]
            assert [band["name"] for band in described] == list(sensor.names)
            for band, known in zip(described, sensor.bands, strict=True):
                assert band["eo:center_wavelength"] * 1000 == pytest.approx(known.response.centre_nm, abs=0.01)
            name = item["assets"]["image"]["href"].split(f"/files/{PLACE.name}/")[1]
            with rasterio.open(folders["with"] / "files" / name) as file:
                assert file.count == len(sensor.bands) and file.nodata == item["assets"]["image"]["nodata"]
                assert list(file.shape) == item["properties"]["proj:shape"]
                assert list(file.transform)[:6] == item["properties"]["proj:transform"]
                assert file.interleaving.value == "BAND", "or whoever wants one band fetches all"


def test_extra_sensors_are_at_the_overpass_of_sentinel_2(folders):
    times = {
        collection: sorted(
            json.loads(path.read_text())["properties"]["datetime"]
            for path in (folders["with"] / "items" / collection).glob("*.json")
        )
        for collection in ("sentinel-2-l2a", *map(collection_of, EXTRA))
    }
    assert len({tuple(found) for found in times.values()}) == 1


def test_basis_is_as_exact_as_it_says():
    rng = np.random.default_rng(0)
    tables = (rng.random((300, 7)) @ rng.random((7, 120)) / 3).astype(np.float32)
    left, right = spectral_basis(tables, SPECTRAL_TOLERANCE)
    assert left.shape[1] <= 8
    assert np.abs(left @ right - tables).max() <= SPECTRAL_TOLERANCE + 1e-6


def test_ground_through_the_basis_is_that_of_every_band_on_its_own(scene):
    """Two hundred bands from a few samplings: within a third of the stored digit of the long way."""
    sensor = get_sensor("hyperspectral-1", "hyperspectral")
    tables = scene.landscape.library.band_values([band.response for band in sensor.bands])
    shares = np.linspace(0.6, 0.95, len(sensor.bands), dtype=np.float32)
    sampler = Sampler(scene.hidden, sentinel2_grid(scene.hidden, 30), 14.0)
    found = extra_sensors._ground(scene, tables, shares, sampler)
    for band in range(0, len(sensor.bands), 23):
        direct = sampler(scene.surface(np.ascontiguousarray(tables[:, band]), float(shares[band])))
        assert np.abs(found[band] - direct).max() < 3e-5, sensor.bands[band].name


@pytest.mark.parametrize("product", EXTRA)
def test_surface_is_that_of_sentinel_2_in_like_bands(scene, product, folders):
    """One ground and one sky: red and near infrared of both sensors agree over clear ground."""
    image = observe_extra(scene, product)
    assert np.isfinite(image.values).all()
    centres = np.array([band.response.centre_nm for band in image.sensor.bands])
    spacing = round(image.grid.pixel_m)
    truth_grid = sentinel2_grid(scene.hidden, spacing)
    clear = ~(image.found.cloud | image.found.shadow | image.found.cirrus)
    for wavelength in (665.0, 865.0):
        band = int(np.abs(centres - wavelength).argmin())
        table = scene.landscape.library.band_values([image.sensor.bands[band].response])[:, 0]
        ground = Sampler(scene.hidden, truth_grid, 0.5 * spacing)(scene.surface(np.ascontiguousarray(table), 0.8))
        assert np.corrcoef(ground[clear], image.values[band][clear])[0, 1] > 0.9


def test_mask_says_cloud_before_shadow_and_is_read_as_it_is_written():
    one = np.array([[True, False, False, False]])
    two = np.array([[True, True, False, False]])
    three = np.array([[False, True, True, False]])
    none = np.zeros_like(one)
    values = mask_values(Detected(one, two, three, none, none, none))
    names = ("cloud", "cloud_shadow", "thin_cirrus", "clear")
    assert values.tolist() == [[DESCRIBED_MASK[name] for name in names]]
    assert mask_clear(values).tolist() == [[False, False, False, True]]
    assert DESCRIBED_MASK["clear"] == MASK_CLEAR
