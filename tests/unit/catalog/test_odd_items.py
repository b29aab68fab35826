"""Items with a null, a string, a list or a short array where something else belongs: dropped with a line, or used."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.apply.item import describe
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.items.raw_item import RawItem
from anyband.catalog.pairs.coverage import covers, site_square
from anyband.catalog.pairs.selection import parse_all
from anyband.catalog.pairs.site_pairs import pair_site
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError
from make_items import NORTH, earth_search, lpdaac, make_item, site_items

ODD = (
    None, "", "odd", [], [1], ["a", None], {}, {"a": None}, True, -1, 0, 1e400, float("nan"), 99999, "EPSG:99999",
    [[None]], [[]], {"type": "Polygon", "coordinates": None}, {"type": "Polygon", "coordinates": [[[1, 2]]]},
    "2022-13-45T00:00:00Z", "9" * 400,
)  # fmt: skip
FORMS = {
    "Earth Search": earth_search(),
    "LP DAAC": lpdaac(),
    **{product: make_item(product) for product in ("sentinel2", "landsat", "hls_s30", "hls_l30", "label")},
}
SELF_DESCRIBED = {
    "stac_version": "1.1.0", "type": "Feature", "id": "made-up", "collection": "anything", "links": [],
    "geometry": FORMS["landsat"]["geometry"], "bbox": [0, 1, 2, 3],
    "properties": {"datetime": "2022-05-01T10:00:00Z", "platform": "newsat", "gsd": 10, "proj:code": "EPSG:32632",
                   "view:sun_elevation": 40.0, "processing:level": "L2A"},
    "assets": {
        "red": {"href": "red.tif", "roles": ["data"], "nodata": 0, "raster:scale": 1e-4, "unit": "1", "gsd": 10,
                "proj:shape": [10, 10], "proj:transform": [10, 0, 6e5, 0, -10, 5.2e6],
                "bands": [{"name": "red", "eo:center_wavelength": 0.66, "eo:full_width_half_max": 0.03}]},
        "nir": {"href": "nir.tif", "eo:bands": [{"name": "nir", "center_wavelength": 0.86,
                "full_width_half_max": 0.04}], "raster:bands": [{"scale": 1e-4, "offset": 0, "nodata": "nan"}]},
        "mask": {"href": "mask.tif", "roles": ["data-mask"], "classification:classes": [
            {"value": 0, "name": "no_data"}, {"value": 1, "name": "clear"}, {"value": 2, "name": "cloud"}]},
    },
}  # fmt: skip


SQUARE = site_square(NORTH, {NORTH.utm_epsg})


def paths(value, prefix=()):
    """Every place in an item."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in entries:
        yield (*prefix, key)
        yield from paths(child, (*prefix, key))


def with_odd(item, path, value):
    changed = copy.deepcopy(item)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_odd_value_anywhere_is_one_line_or_a_scene_that_can_be_compared(data):
    """The product's own errors only, and what is not refused can be laid over a site."""
    item = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    odd = with_odd(item, data.draw(st.sampled_from(list(paths(item)))), data.draw(st.sampled_from(ODD)))
    kept, drops = parse_all([odd], "sentinel2")
    assert len(kept) + len(drops) == 1
    for entry in drops:
        assert "\n" not in entry.detail and entry.detail.startswith("item ")
    for scene in kept:
        covers(SQUARE, scene)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(paths(SELF_DESCRIBED))), st.sampled_from(ODD))
def test_an_odd_value_in_a_description_is_one_line_or_an_item_of_numbers(path, value):
    try:
        item = describe(RawItem(with_odd(SELF_DESCRIBED, path, value)))
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert item.layers
        for layer in item.layers:
            assert 0 < layer.response.fwhm_nm < layer.response.centre_nm


@pytest.mark.parametrize("content", [None, [], "item", {}, {"id": None}, {"id": ["a"]}, {"id": ""}])
def test_what_is_no_item_at_all_is_one_line(content):
    with pytest.raises(UnusableItemError, match="item without an id: "):
        parse_item(content)


ODD_SCENES = {
    "null asset": lambda item: item["assets"].update(B02=None),
    "href": lambda item: item["assets"]["B02"].update(href=["a"]),
    "alternate": lambda item: item["assets"]["SCL"].update(alternate="none"),
    "transform": lambda item: item["assets"]["B02"].update({"proj:transform": [10, 0]}),
    "unknown crs": lambda item: item["properties"].update({"proj:epsg": 99999}),
    "crs of a far zone": lambda item: item["properties"].update({"proj:epsg": 32655}),
    "degrees": lambda item: item["properties"].update({"proj:epsg": 4326}),
    "platform": lambda item: item["properties"].update(platform=["sentinel-2a"]),
    "date": lambda item: item["properties"].update(datetime="yesterday"),
    "geometry": lambda item: item.update(geometry={"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}),
    "no id": lambda item: item.update(id=None),
    "radiance": lambda item: item["properties"].update({"processing:level": "Level-1C"}),
}


@pytest.mark.parametrize("change", ODD_SCENES.values(), ids=ODD_SCENES)
def test_one_odd_item_costs_its_site_nothing_and_is_counted(tmp_path, change):
    items = site_items(tmp_path, NORTH)
    odd = copy.deepcopy(items["sentinel2"][0])
    odd["id"] += "-odd"
    change(odd)
    items["sentinel2"].append(odd)
    rows, drops, _ = pair_site(NORTH, items, 3, 0.3)
    assert len(rows) == 1
    (entry,) = [drop for drop in drops if drop.reason in ("unusable", "contradiction")]
    assert entry.sentinel2 == str(odd["id"] or "without an id")
    assert "\n" not in entry.detail


LEVELS = [
    ("processing:level", "L1C"), ("processing:level", "Level-1C"), ("processing:level", "LEVEL1"),
    ("processing:level", "1C"), ("processing:level", 1), ("product:type", "S2MSI1C"), ("product:type", "L1TP"),
    ("landsat:correction", "L1GT"), ("s2:product_type", "S2MSI1C"), ("eopf:product_type", "toa_radiance"),
    ("productType", "L1C_T1"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), LEVELS)
def test_level_1_by_any_name_is_no_surface_reflectance(name, value):
    item = copy.deepcopy(SELF_DESCRIBED)
    item["properties"] = {k: v for k, v in item["properties"].items() if k != "processing:level"} | {name: value}
    with pytest.raises(UnusableItemError, match=f"{name} is {value}, surface reflectance"):
        describe(RawItem(item))


@pytest.mark.parametrize("value", ["L2A", "Level-2A", "L2SP", "2", 2, "S2MSI2A", "L3", "analytic_8b_sr", None])
def test_level_2_and_above_is_taken(value):
    item = copy.deepcopy(SELF_DESCRIBED)
    item["properties"] |= {"processing:level": value, "product:type": value}
    assert describe(RawItem(item)).layers


@pytest.mark.parametrize(
    "fields", [{"id": "LT05_L1TP_193029_20100510_02_T1"}, {"id": "S2A_MSIL1C_2022"}, {"collection": "landsat-c2-l1"}]
)
def test_level_1_that_only_a_name_tells(fields):
    with pytest.raises(UnusableItemError, match="is of Level 1"):
        describe(RawItem(SELF_DESCRIBED | fields))
