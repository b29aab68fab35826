"""Items of sensors that no dialect is known for."""

import json

import numpy as np
import pytest
import rasterio

from anyband import products
from anyband.apply.item import describe, read_item, read_json
from anyband.apply.predict import predict_items
from anyband.apply.strips import open_items, reader
from anyband.apply.tiling import Lattice
from anyband.catalog.items.raw_item import RawItem
from anyband.runtime import UserError
from anyband.sensors import get_sensor
from item_files import item_file

BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")


def described(form):
    """Turn a Landsat item into one of an unknown sensor that describes itself."""

    def change(item):
        sensor = get_sensor("landsat-9", "landsat")
        item["properties"] = {k: v for k, v in item["properties"].items() if not k.startswith("landsat:")}
        item["properties"]["platform"] = "newsat-1"
        for key in BANDS:
            response = sensor.band(key).response
            fields = {"center_wavelength": response.centre_nm / 1000, "full_width_half_max": response.fwhm_nm / 1000}
            asset = {k: v for k, v in item["assets"][key].items() if k in ("href", "type", "roles")}
            encoding = {"scale": 2.75e-5, "offset": -0.2}
            if form == "bands":
                band = {"name": key} | {f"eo:{k}": v for k, v in fields.items()}
                band |= {f"raster:{k}": v for k, v in encoding.items()} | {"nodata": 0}
                item["assets"][key] = asset | {"bands": [band], "gsd": 30}
            else:
                asset["eo:bands"] = [{"name": key} | fields]
                item["assets"][key] = asset | {"raster:bands": [encoding | {"nodata": 0}]}

    return change


@pytest.fixture(autouse=True)
def dark_pixels_differ(monkeypatch):
    """Many pixels of the test scenes are below zero in Landsat's encoding; cut off, all bands would look alike."""
    monkeypatch.setattr(products, "REFLECTANCE_LIMITS", (-1.0, 2.0))


def observation(place):
    (scene,) = open_items([read_item(place)])
    return reader([scene], Lattice())(720.0 * 7219)([720.0 * 834]), scene  # a tile that reaches into the clouds


@pytest.mark.parametrize("form", ["bands", "eo:bands"])
def test_both_forms_give_the_pixels_that_the_dialect_gives(site, tmp_path, form):
    """Scale, offset, nodata, clouds and place come from the description alone."""
    known, _ = observation(item_file(tmp_path, site, "landsat"))
    found, scene = observation(item_file(tmp_path, site, "landsat", change=described(form)))
    (mine,), (theirs,) = found.groups, known.groups
    assert scene.product == "described"
    # A description keeps the order of the item's assets, a dialect that of the registry.
    names = [band.name for band in mine.band_sets[0]]
    assert sorted(names) == sorted(BANDS)
    order = [names.index(band.name) for band in theirs.band_sets[0]]
    assert (mine.values[:, order] == theirs.values).all()
    assert (mine.valid[:, order] == theirs.valid).all()
    assert 0 < mine.valid.float().mean() < 1
    assert len({float(values.mean()) for values in mine.values[0]}) == len(BANDS)
    assert (mine.offset_m == theirs.offset_m).all()
    for one, other in zip([mine.band_sets[0].bands[n] for n in order], theirs.band_sets[0], strict=True):
        assert one.response.centre_nm == pytest.approx(other.response.centre_nm, abs=0.1)
        assert (one.gsd_m, one.pixel_m) == (30, 30)


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        ({}, [50, 150, 7.5, 123]),
        ({"datetime": None, "start_datetime": "2022-02-01T00:00:00Z"}, [50, 150, 7.5, 32]),
        ({"datetime": "last spring", "view:off_nadir": None, "view:sun_elevation": None}, [-1, 150, -1, -1]),
    ],
)
def test_sun_view_and_day_of_a_description_are_taken_where_it_has_them(site, tmp_path, said, facts):
    def change(item):
        described("bands")(item)
        item["properties"] |= {"view:sun_elevation": 40.0, "view:off_nadir": 7.5} | said

    found, _ = observation(item_file(tmp_path, site, "landsat", change=change))
    assert found.groups[0].scene.nan_to_num(-1).tolist() == [facts]


def test_a_described_item_is_mapped_by_what_takes_any_sensor_and_by_nothing_else(run, make_run, site, tmp_path):
    place = item_file(tmp_path, site, "landsat", change=described("bands"))
    predict_items([place], run, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert len(np.unique(file.read(1))) > 1
    specialist = make_run("l9-only", products=("landsat",))
    with pytest.raises(UserError, match="cannot take described"):
        predict_items([place], specialist, tmp_path / "map.tif")


def test_the_bands_of_one_file_keep_their_order(site, tmp_path):
    """Pixel n of the item's bands is band n of the file."""

    def stacked(item):
        described("bands")(item)
        planes = []
        for key in BANDS:
            with rasterio.open(item["assets"][key]["href"]) as source:
                planes.append(source.read(1))
                profile = source.profile
        with rasterio.open(tmp_path / "stack.tif", "w", **profile | {"count": 7, "interleave": "pixel"}) as target:
            target.write(np.stack(planes))
        bands = [item["assets"].pop(key)["bands"][0] for key in BANDS]
        item["assets"]["stack"] = {"href": str(tmp_path / "stack.tif"), "bands": bands, "roles": ["data"]}

    known, _ = observation(item_file(tmp_path, site, "landsat"))
    found, scene = observation(item_file(tmp_path, site, "landsat", change=stacked))
    assert len(scene.groups[0].files) == 1
    assert [band.name for band in found.groups[0].band_sets[0]] == list(BANDS)
    assert [band.name for band in known.groups[0].band_sets[0]] == list(BANDS)
    assert (found.groups[0].values == known.groups[0].values).all()
    assert (found.groups[0].valid == known.groups[0].valid).all()


def broken(key, field):
    """Leave out a field of an asset's band."""

    def change(item):
        described("bands")(item)
        item["assets"][key]["bands"][0].pop(field)

    return change


def no_bands(item):
    described("bands")(item)
    for key in BANDS:
        item["assets"][key].pop("bands")
        item["assets"][key]["roles"] = ["data"]


def in_nanometres(item):
    described("bands")(item)
    item["assets"]["red"]["bands"][0]["eo:center_wavelength"] = 655


def top_of_atmosphere(item):
    described("bands")(item)
    item["properties"]["processing:level"] = "L1C"


def two_zones(item):
    described("bands")(item)
    item["properties"].pop("proj:epsg", None)
    for key in BANDS:
        item["assets"][key]["proj:code"] = "EPSG:32632"
    item["assets"]["swir22"]["proj:code"] = "EPSG:32633"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (broken("red", "eo:center_wavelength"), "asset red: eo:center_wavelength of band red is missing"),
        (broken("nir08", "eo:full_width_half_max"), "asset nir08: eo:full_width_half_max of band nir08 is missing"),
        (broken("green", "raster:scale"), "asset green: raster:scale is missing, and its pixels are integers"),
        (no_bands, r"asset \w+ has no bands with eo:center_wavelength and eo:full_width_half_max"),
        (in_nanometres, "asset red: eo:center_wavelength of band red is 655, not in micrometres"),
        (top_of_atmosphere, "processing:level is L1C, surface reflectance"),
        (two_zones, r"asset \w+ is in EPSG:32632, asset swir22 in EPSG:32633"),
    ],
)
def test_what_a_description_lacks_is_named_and_never_guessed(site, tmp_path, change, line):
    with pytest.raises(UserError, match=line) as stopped:
        open_items([read_item(item_file(tmp_path, site, "landsat", change=change))])
    assert str(stopped.value).startswith(f"item {site.items['landsat'][0]['id']}: ")
    assert "\n" not in str(stopped.value)


def test_real_items_of_known_and_unknown_dialects_are_read(realdata):
    """Recorded items; their files are not at hand, so only what the items say is looked at."""
    names = ("stactools-landsat/LC09_L2SP_010065_20220129_02_T1.json",)
    for name in names:
        scene = read_item(str(realdata / "stac-items" / name))
        assert scene.product == "landsat"
        assert len(scene.layers) == 7
        assert scene.layers[0].href.startswith("/")
    content = read_json(str(realdata / "stac-items" / names[0]))
    content["properties"]["platform"] = "landsat-7"
    scene = describe(RawItem(content))
    assert scene.product == "described"
    assert scene.quality.decoder == "qa_pixel"
    assert [layer.scale for layer in scene.layers] == [2.75e-5] * 7


def test_items_and_files_are_found_by_path_and_by_file_address_with_blanks(tmp_path):
    folder = tmp_path / "my scenes"
    folder.mkdir()
    (folder / "a b.tif").touch()
    for href in ("a b.tif", "./a%20b.tif", f"file://{folder}/a%20b.tif".replace(" ", "%20"), str(folder / "a b.tif")):
        (folder / "item.json").write_text(json.dumps({"type": "Feature", "id": "a", "assets": {"x": {"href": href}}}))
        for place in (str(folder / "item.json"), f"FILE://{folder}/item.json".replace(" ", "%20")):
            assert read_json(place)["assets"]["x"]["href"] == str(folder / "a b.tif")
