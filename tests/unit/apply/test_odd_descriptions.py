"""Descriptions of the kinds that the world publishes: each gives the right pixels, or one line."""

import copy
import datetime as dt
import json

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from anyband.apply.item import describe, read_item
from anyband.apply.predict import predict_items
from anyband.apply.strips import open_items, reader, what_is_used
from anyband.apply.tiling import Lattice
from anyband.catalog.items.raw_item import RawItem
from anyband.raster.quality_layers import clear_values, qa_pixel_clear
from anyband.runtime import UserError, check_output
from item_files import item_file
from scenes import SceneFolder

SIZE, LEFT, TOP = 96, 600_000.0, 5_200_560.0
CENTRES = {"blue": 0.49, "green": 0.56, "red": 0.66, "nir": 0.86}
GROUND = np.random.default_rng(1).integers(500, 4000, (4, SIZE, SIZE)).astype(np.uint16)
CLOUDY = np.zeros((SIZE, SIZE), bool)
CLOUDY[:, :30] = True


def write(path, values, names=(), nodata=None, scale=None, **more):
    values = np.atleast_3d(values.T).T if values.ndim == 2 else values
    grid = {"crs": "EPSG:32632", "transform": Affine(10, 0, LEFT, 0, -10, TOP), "nodata": nodata} | more
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype, **grid
    ) as target:
        target.write(values)
        for number, name in enumerate(names, 1):
            target.set_band_description(number, name)
        if scale:
            target.scales, target.offsets = [scale[0]] * count, [scale[1]] * count
    return str(path)


def bands(**encoding):
    entry = {"scale": 1e-4, "offset": 0.0} | encoding
    return {
        "eo:bands": [{"name": n, "center_wavelength": c, "full_width_half_max": 0.03} for n, c in CENTRES.items()],
        "raster:bands": [dict(entry) for _ in CENTRES],
    }


@pytest.fixture
def item(tmp_path):
    """An item of one file of four bands."""
    asset = {"href": write(tmp_path / "sr.tif", GROUND), "roles": ["data"], **bands()}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "made", "geometry": None, "links": [],
        "properties": {"datetime": "2022-05-01T10:00:00Z", "gsd": 10}, "assets": {"sr": asset},
    }  # fmt: skip


@pytest.fixture
def seen(tmp_path):
    """Reads an item as `predict` does: names of its bands, values and valid, and what is said of them."""

    def read(content, ignore_mask=False):
        path = tmp_path / "item.json"
        path.write_text(json.dumps(content))
        (scene,) = open_items([read_item(str(path), ignore_mask)])
        (strip,) = scene.strips(TOP, Lattice())
        scene.watch.check()
        names = [band.name for band in strip.group.bands]
        return names, strip.values[:, :SIZE, :SIZE], strip.valid[:, :SIZE, :SIZE], what_is_used(scene.item)

    return read


def test_a_plain_description_is_read_as_it_is(item, seen):
    names, values, valid, line = seen(item)
    assert names == list(CENTRES)
    assert np.allclose(values, GROUND * 1e-4, atol=1e-6) and valid.all()
    assert line == "item made: bands used: blue, green, red, nir; no mask of clouds"


def test_radiance_beside_surface_reflectance_is_left_out_with_a_word(item, seen, tmp_path):
    href = write(tmp_path / "rad.tif", GROUND * 9)
    item["assets"] = {
        "analytic": {"href": href, "roles": ["data"], **bands(scale=0.01, unit="W/m2/sr/um")},
        "toar": {"href": href, "roles": ["data"], **bands()},
        "third": {"href": href, "roles": ["radiance", "data"], **bands()},
        "fourth": {"href": href, "title": "Top of atmosphere reflectance", **bands()},
    } | item["assets"]
    _, values, _, line = seen(item)
    assert np.allclose(values, GROUND * 1e-4, atol=1e-6)
    for words in ("analytic blue (its unit is W/m2/sr/um)", "toar ('toar' is no", "third (role radiance)", "fourth ("):
        assert words in line


def test_of_two_files_of_one_band_the_one_of_surface_reflectance_is_taken_and_said(item, seen, tmp_path):
    first = {"href": write(tmp_path / "other.tif", GROUND // 2), "roles": ["data"], **bands()}
    item["assets"] = {"analytic": first} | item["assets"]
    _, values, _, line = seen(item)
    assert np.allclose(values, GROUND * 1e-4, atol=1e-6)
    assert "analytic blue (the band is taken from sr)" in line


def test_bands_of_one_name_at_other_wavelengths_are_two_bands(item, seen, tmp_path):
    other = {"href": write(tmp_path / "swir.tif", GROUND // 2), "roles": ["data"], **bands()}
    for band in other["eo:bands"]:
        band["center_wavelength"] += 1
    item["assets"]["swir"] = other
    names, values, _, _ = seen(item)
    assert len(names) == 8 and set(CENTRES) < set(names) and "swir blue" in names
    assert np.allclose(values[names.index("swir red")], GROUND[2] // 2 * 1e-4, atol=1e-6)


def test_bands_of_one_name_in_one_file_are_as_many_bands(item, seen):
    for band in item["assets"]["sr"]["eo:bands"]:
        band["name"] = "x"
    names, values, _, _ = seen(item)
    assert names == ["x", "sr x", "sr x 2", "sr x 3"]
    assert np.allclose(values, GROUND * 1e-4, atol=1e-6)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_an_item_in_any_encoding_of_json_is_read(item, tmp_path, encoding):
    path = tmp_path / "item.json"
    path.write_text(json.dumps(item), encoding=encoding)
    assert read_item(str(path)).id == "made"


def test_what_no_map_can_be_made_of_is_one_line(item, seen, tmp_path):
    for values, more, said in (
        (GROUND.astype(np.complex64), {}, "its pixels are complex numbers"),
        (GROUND, {"transform": Affine(1e-9, 0, LEFT, 0, -1e-9, TOP)}, "pixels of 1e-09 m are not between"),
        (GROUND, {"transform": Affine(1e6, 0, LEFT, 0, -1e6, TOP)}, r"pixels of 1e\+06 m are not between"),
    ):
        item["assets"]["sr"]["href"] = write(tmp_path / "odd.tif", values, **more)
        with pytest.raises(UserError, match=said):
            seen(item)


@pytest.mark.parametrize("name", ["view:sun_elevation", "view:sun_azimuth", "view:off_nadir", "view:incidence_angle"])
def test_an_angle_that_is_none_never_reaches_the_model(item, seen, name):
    item["properties"][name] = -9999
    with pytest.raises(UserError, match=f"property {name} is -9999, no such angle"):
        seen(item)


def test_an_alpha_band_is_the_last_one_or_none(item, seen, tmp_path):
    """GDAL marks the second of several bands where a writer asks for alpha alone, so nothing tells which is data."""
    options = {"photometric": "MINISBLACK", "ALPHA": "YES"}
    item["assets"]["sr"]["href"] = write(tmp_path / "alpha.tif", np.concatenate([GROUND, GROUND[:1]]), **options)
    with pytest.raises(UserError, match="its file has 5 bands, the item describes 4 of them"):
        seen(item)


@pytest.mark.parametrize("entry", [{}, {"value": None, "name": "clear"}, {"value": "x", "name": "clear"}])
def test_a_class_without_a_number_says_so(item, seen, tmp_path, entry):
    href = write(tmp_path / "mask.tif", CLOUDY.astype(np.uint8))
    item["assets"]["cloud"] = {"href": href, "roles": ["cloud"], "classification:classes": [entry]}
    with pytest.raises(UserError, match="asset cloud: the meaning of its mask is not known .*(whole number|invalid)"):
        seen(item)


@pytest.mark.parametrize(
    ("kind", "stored", "encoding"),
    [
        ("percent", GROUND / np.float32(100), {"scale": 1, "offset": 0}),
        ("float numbers", GROUND.astype(np.float32), {}),
        ("radiance", GROUND, {"scale": 0.01}),
    ],
)
def test_pixels_that_are_no_reflectance_stop_with_what_was_said_and_seen(item, seen, tmp_path, kind, stored, encoding):
    item["assets"]["sr"] |= {"href": write(tmp_path / "odd.tif", stored)} | bands(**encoding)
    if not encoding:
        del item["assets"]["sr"]["raster:bands"]
    with pytest.raises(
        UserError, match=r"asset sr: band blue is no surface reflectance: half .* above \d.*the item says"
    ):
        seen(item)


def test_clouds_of_any_brightness_are_no_reason_to_stop(item, seen, tmp_path):
    """What the mask calls cloudy is not looked at, and a few clear pixels beside it tell nothing."""
    mask = np.where(CLOUDY, 1, 0).astype(np.uint8)
    fields = {"classification:classes": [{"value": 0, "name": "clear"}, {"value": 1, "name": "cloud"}]}
    for bright in (CLOUDY, CLOUDY | (np.arange(SIZE) < 40)):
        values = np.where(bright, 40_000, GROUND).astype(np.uint16)
        item["assets"]["sr"]["href"] = write(tmp_path / "clouds.tif", values)
        few = ~CLOUDY.copy()
        few[1:] = False
        for clear in (~CLOUDY, few):
            href = write(tmp_path / "mask.tif", np.where(clear, mask, 1).astype(np.uint8))
            item["assets"]["cloud"] = {"href": href, "roles": ["cloud"], **fields}
            _, _, valid, _ = seen(item)
            assert (valid == clear).all()


def test_a_known_product_that_is_no_reflectance_stops_too(tmp_path):
    """Its table says what its numbers mean, and a copy in another unit does not hold to it."""
    site = SceneFolder(tmp_path / "site", 32632, (602_400.0, 5_197_620.0), extent_m=1_920)
    site.add_pair(dt.date(2022, 5, 3))
    path = site.path("sentinel2", 0, "B03")
    with rasterio.open(path, "r+") as file:
        file.write(np.full((1, *file.shape), 16_000, np.uint16))
    with pytest.raises(UserError, match="band B03 is no surface reflectance: 100% .* above 1.2 .the item says"):
        (scene,) = open_items([read_item(item_file(tmp_path, site, "sentinel2"))])
        scene.strips(site.top, Lattice())
        scene.watch.check()


def test_scale_and_offset_come_from_one_place(item, seen, tmp_path):
    href = write(tmp_path / "scaled.tif", GROUND, scale=(1e-4, -0.1))
    for said, wanted in (({}, -0.1), ({"scale": 1e-4}, -0.1), ({"scale": 2e-4, "offset": 0.0}, None)):
        item["assets"]["sr"] |= {"href": href, "raster:bands": [dict(said) for _ in CENTRES]}
        _, values, _, _ = seen(item)
        expected = GROUND * 2e-4 if wanted is None else GROUND * 1e-4 + wanted
        assert np.allclose(values, np.clip(expected, 0, 1.6), atol=1e-6)
    item["assets"]["sr"]["raster:bands"] = [{"scale": 2.75e-5} for _ in CENTRES]
    with pytest.raises(UserError, match="the item says scale 2.75e-05 alone, its file scale 0.0001 and offset -0.1"):
        seen(item)


def test_a_band_wider_than_its_wavelength_allows_is_left_out_and_said(item, seen):
    item["assets"]["sr"]["eo:bands"][3]["full_width_half_max"] = 0.9
    names, _, _, line = seen(item)
    assert names == ["blue", "green", "red"]
    assert "sr nir (eo:full_width_half_max 0.9 is wider than 0.86 micrometres allow" in line
    for band in item["assets"]["sr"]["eo:bands"]:
        band["full_width_half_max"] = 30
    with pytest.raises(UserError, match="blue: eo:full_width_half_max 30 is wider than 0.49 .*in nanometres"):
        seen(item)


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("full_width_half_max", 1e-9, "too narrow for micrometres"),
        ("full_width_half_max", float("inf"), "full_width_half_max of band blue is inf, not a number"),
        ("center_wavelength", "blue", "center_wavelength of band blue is 'blue', not a number"),
        ("gsd", -10, "gsd of band blue is -10, not in metres"),
    ],
)
def test_what_is_no_wavelength_never_reaches_a_model(item, field, value, line):
    for band in item["assets"]["sr"]["eo:bands"]:
        band[field] = value
    with pytest.raises(UserError, match=line):
        describe(RawItem(item))


def test_an_asset_of_bands_without_any_wavelength_is_left_out_and_said(item, seen):
    item["assets"]["AOT_10m"] = {"href": item["assets"]["sr"]["href"], "bands": [{"name": "AOT"}], "roles": ["data"]}
    assert "AOT_10m (no bands with eo:center_wavelength" in seen(item)[3]


def test_fields_of_stac_1_1_on_the_asset_itself_are_its_band(item, seen, tmp_path):
    for number, (name, centre) in enumerate(CENTRES.items()):
        item["assets"][name] = {
            "href": write(tmp_path / f"{name}.tif", GROUND[number]), "roles": ["data"], "raster:scale": 1e-4,
            "eo:center_wavelength": centre, "eo:full_width_half_max": 0.03, "raster:offset": 0,
        }  # fmt: skip
    del item["assets"]["sr"]
    item["assets"]["dem"] = {"href": item["assets"]["red"]["href"]}
    names, values, _, line = seen(item)
    assert names == list(CENTRES) and np.allclose(values, GROUND * 1e-4, atol=1e-6)
    assert "dem (no bands with eo:center_wavelength" in line


def test_bands_that_an_item_leaves_out_never_shift_the_others(item, seen, tmp_path):
    asset, names = item["assets"]["sr"], list(CENTRES)
    for entries in ("eo:bands", "raster:bands"):
        del asset[entries][1]
    with pytest.raises(UserError, match="its file has 4 bands, the item describes 3 of them"):
        seen(item)
    asset["href"] = write(tmp_path / "named.tif", GROUND, names=names)
    found, values, _, _ = seen(item)
    assert found == ["blue", "red", "nir"] and np.allclose(values, GROUND[[0, 2, 3]] * 1e-4, atol=1e-6)
    alpha = np.concatenate([GROUND[[0, 2, 3]], np.full((1, SIZE, SIZE), 65535, np.uint16)])
    asset["href"] = write(tmp_path / "alpha.tif", alpha, photometric="RGB", alpha="YES")
    found, values, _, _ = seen(item)
    assert found == ["blue", "red", "nir"] and np.allclose(values, GROUND[[0, 2, 3]] * 1e-4, atol=1e-6)


@pytest.mark.parametrize("base", [0, 1])
def test_numbers_in_the_names_of_many_bands_tell_which_are_left_out(item, seen, tmp_path, base):
    kept = [n for n in range(50) if n not in (7, 8, 30)]
    cube = np.repeat(np.arange(50, dtype=np.uint16)[:, None, None] * 10 + 100, SIZE, 1).repeat(SIZE, 2)
    listed = [{"name": f"b{n + base}", "center_wavelength": 0.5 + n / 100, "full_width_half_max": 0.01} for n in kept]
    item["assets"]["sr"] |= {
        "href": write(tmp_path / "cube.tif", cube), "eo:bands": listed, "raster:bands": [{"scale": 1e-4}] * len(kept),
    }  # fmt: skip
    names, values, _, line = seen(item)
    assert names == [band["name"] for band in listed]
    assert np.allclose(values[:, 0, 0], (np.array(kept) * 10 + 100) * 1e-4, atol=1e-6)
    assert f"bands used: 47 from b{base} to b{49 + base};" in line
    for number, band in enumerate(listed):
        band["name"] = f"b{number + base}"
    with pytest.raises(UserError, match="neither names nor numbers tell"):
        seen(item)


CLASSES = [{"value": 0, "name": "no_data"}, {"value": 1, "name": "clear"}, {"value": 2, "name": "cloud shadow"},
           {"value": 3, "name": "cloud"}, {"value": 4, "name": "snow"}, {"value": 5, "name": "water"}]  # fmt: skip
BITS = [
    {"name": "valid", "offset": 0, "length": 1, "classes": [{"value": 0, "name": "no"}, {"value": 1, "name": "yes"}]},
    {"name": "cloud_state", "offset": 2, "length": 2,
     "classes": [{"value": 0, "name": "clear"}, {"value": 1, "name": "cloudy"}, {"value": 3, "name": "assumed clear"}]},
    {"name": "cirrus_confidence", "offset": 4, "length": 2},
]  # fmt: skip


def add_mask(item, tmp_path, values, key="mask", **fields):
    href = write(tmp_path / "mask.tif", np.where(CLOUDY, values[0], values[1]).astype(np.uint8))
    item["assets"][key] = {"href": href, "roles": ["data-mask"], **fields}


@pytest.mark.parametrize("place", ["asset", "bands", "raster:bands", "eo:bands"])
@pytest.mark.parametrize(
    ("coding", "values"),
    [({"classification:classes": CLASSES}, (3, 4)), ({"classification:bitfields": BITS}, (1 << 2, 3 << 2 | 3 << 4))],
)
def test_the_meaning_of_a_mask_is_read_wherever_it_stands(item, seen, tmp_path, place, coding, values):
    add_mask(item, tmp_path, values, key="Fmask", **(coding if place == "asset" else {place: [coding]}))
    _, _, valid, line = seen(item)
    assert (valid == ~CLOUDY).all() and "clouds by Fmask" in line


@pytest.mark.parametrize("key", ["SCL_20m", "scl-10m", "scl"])
def test_a_layer_of_a_known_name_is_known_with_its_resolution_too(item, seen, tmp_path, key):
    add_mask(item, tmp_path, (9, 4), key=key, roles=[])
    assert (seen(item)[2] == ~CLOUDY).all()


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("Fmask", {}),
        ("udm2", {"roles": ["cloud", "data-mask"]}),
        ("mask", {"classification:classes": [*CLASSES, {"value": 9, "name": "purple"}]}),
        ("mask", {"classification:classes": [{"value": 1}]}),
    ],
)
def test_an_unknown_mask_stops_unless_it_is_to_be_ignored(item, seen, tmp_path, key, fields):
    add_mask(item, tmp_path, (2, 1), key=key, **fields)
    with pytest.raises(UserError, match=f"asset {key}: .*--ignore-mask"):
        seen(item)
    _, _, valid, line = seen(item, ignore_mask=True)
    assert valid.all() and f"{key} (the meaning of its values is not known)" in line


def test_bit_fields_of_landsat_say_what_its_decoder_knows():
    names = ["fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "clear", "water"]
    fields = [
        {"name": name, "offset": n, "length": 1}
        | {"classes": [{"value": 0, "name": f"not_{name}"}, {"value": 1, "name": name}]}
        for n, name in enumerate(names)
    ]
    fields += [{"name": f"{name}_confidence", "offset": 8 + 2 * n, "length": 2} for n, name in enumerate(names[1:5])]
    every = np.arange(1 << 16, dtype=np.uint16)
    assert np.array_equal(clear_values([], fields), np.flatnonzero(qa_pixel_clear(every)))


def test_a_map_never_replaces_what_it_is_made_from(item, run, tmp_path, capsys):
    place, source = tmp_path / "item.json", tmp_path / "sr.tif"
    place.write_text(json.dumps(item))
    (tmp_path / "link.tif").symlink_to(source)
    (tmp_path / "alias.tif").hardlink_to(source)
    before = source.read_bytes()
    for out in (source, tmp_path / "link.tif", tmp_path / "alias.tif", tmp_path / "x" / ".." / "sr.tif", place):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(UserError, match="is a file that is read"):
            predict_items([str(place)], run, out)
        with pytest.raises(UserError, match="is a file that is read"):
            predict_items([str(place)], run, tmp_path / "map.tif", out)
    with pytest.raises(UserError, match="is a folder"):
        predict_items([str(place)], run, tmp_path)
    with pytest.raises(UserError, match="no folder that can be written to"):
        predict_items([str(place)], run, source / "map.tif")
    with pytest.raises(UserError, match="is a file that is read"):
        predict_items([str(place)], run, run / "model.safetensors")
    assert source.read_bytes() == before
    other = tmp_path / "other.tif"
    other.write_text("kept")
    (tmp_path / "to.tif").symlink_to(other)
    check_output("--out", tmp_path / "to.tif", [source])
    assert "to.tif is a link, it is replaced" in capsys.readouterr().err


def test_memory_follows_the_window_and_not_the_width_of_the_file(item, tmp_path):
    path, side = tmp_path / "wide.tif", 60_000
    profile = {"count": 4, "height": side, "width": side, "dtype": "uint16", "SPARSE_OK": True, "tiled": True}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32632", transform=Affine(10, 0, LEFT, 0, -10, TOP), **profile
    ):
        pass
    item["assets"]["sr"]["href"] = str(path)
    (scene,) = open_items([describe(RawItem(copy.deepcopy(item)))])
    scene.crop(LEFT + 100_000, LEFT + 104_000)
    (strip,) = scene.strips(TOP - 720 * 100, Lattice())
    assert strip.values.nbytes < 4 * 100 * 500 * 4
    (cut,) = reader([scene], Lattice())(TOP - 720 * 101)([LEFT + 100_800]).groups
    assert cut.valid.all()
