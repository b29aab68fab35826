"""Items that describe themselves: what they say is held against the registry of sensors."""

import copy

import pytest

from anyband.archive.place import SiteWriter, hidden_grid
from anyband.archive.stac_items import described_item
from anyband.catalog.items.dialects import parse_item
from anyband.products import EXTRA, collection_of
from anyband.raster.asset import UnusableItemError
from anyband.raster.quality_layers import DECODERS, FILL
from anyband.runtime import UserError
from anyband.sensors import get_sensor
from anyband.simulation.grids import sentinel2_grid
from anyband.simulation.places import load_places, plan

PLACE = load_places()[0]


@pytest.fixture
def item(tmp_path):
    return published(tmp_path, "narrowband")


def published(folder, product):
    hidden = hidden_grid(PLACE, 960)
    sensor = get_sensor(f"{product}-1", product)
    grid = sentinel2_grid(hidden, round(sensor.bands[0].pixel_m))
    ring = [(2.0, 51.0), (2.1, 51.0), (2.1, 51.1), (2.0, 51.1)]
    writer = SiteWriter(folder, PLACE, "tiny", "simulator 1", ring)
    return described_item(writer.info(product, plan(PLACE, 1)[0][0], grid.epsg, 12.0), sensor, grid)


@pytest.mark.parametrize("product", EXTRA)
def test_every_extra_sensor_is_read_with_all_its_bands(tmp_path, product):
    raw = published(tmp_path, product)
    scene = parse_item(raw)
    sensor = get_sensor(f"{product}-1", product)
    assert (scene.product, scene.platform, scene.collection) == (product, sensor.platform, collection_of(product))
    assert tuple(scene.bands) == sensor.names
    assert [band.index for band in scene.bands.values()] == list(range(1, len(sensor.names) + 1))
    first = next(iter(scene.bands.values()))
    assert (first.scale, first.offset, first.nodata, first.count) == (1e-4, 0.0, -9999, len(sensor.names))
    assert scene.epsg == PLACE.epsg and first.shape == tuple(raw["properties"]["proj:shape"])
    assert scene.qa is not None and scene.qa.decoder in DECODERS and scene.qa.decoder in FILL
    assert scene.cloud_cover == 12.0 and scene.simulated == "simulator 1"
    assert scene.datetime == plan(PLACE, 1)[0][0].when


def change(item, path, value):
    """The item with a value at a path set, or taken out for None."""
    changed = copy.deepcopy(item)
    *parents, last = path
    place = changed
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            ("assets", "image", "bands", 2, "eo:center_wavelength"),
            None,
            "eo:center_wavelength of band green_i is missing",
        ),
        (("assets", "image", "bands", 2, "eo:center_wavelength"), 0.565, "band green_i at 565 nm, the registry"),
        (("assets", "image", "bands", 2, "name"), "mauve", "narrowband-1 has no band 'mauve'"),
        (("assets", "image", "raster:scale"), None, "asset image does not say its scale"),
        (("assets", "image", "nodata"), None, "asset image does not say its nodata"),
        (("assets", "image", "roles"), ["visual"], "no asset of the role data"),
        (("assets", "mask"), None, "no asset of the role data-mask"),
        (("assets", "mask", "classification:classes", 1, "name"), "cloud", "its classes are not"),
        (("properties", "proj:code"), None, "neither proj:epsg nor proj:code"),
        (("properties", "proj:transform"), [20.0, 0, 6e5, 0, -20.0, 5e6], "has pixels of 20 m, expected 10"),
    ],
)
def test_what_contradicts_or_is_missing_is_one_line_with_its_name(item, path, value, words):
    with pytest.raises(UnusableItemError, match=words) as found:
        parse_item(change(item, path, value))
    assert item["id"] in str(found.value) and "\n" not in str(found.value)


def test_satellite_that_nobody_described_has_no_dialect(item):
    with pytest.raises(UserError, match="no dialect"):
        parse_item(change(item, ("properties", "platform"), "voyager-1"))


def test_sentinel_2_is_never_taken_for_a_described_product(item):
    """Its satellites are in the registry too, with two products: which one an item is of only its dialect can tell."""
    with pytest.raises(UserError, match="no dialect"):
        parse_item(change(item, ("properties", "platform"), "Sentinel-2A"))
