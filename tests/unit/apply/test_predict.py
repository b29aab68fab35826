"""`anyband predict` on scenes whose pixels tell which ground they show."""

import datetime as dt
import json

import numpy as np
import pytest
import rasterio
import torch
from pyproj import Transformer

from anyband.apply import predict
from anyband.apply.item import read_item
from anyband.apply.predict import LEVELS, NO_PROBABILITY, predict_items
from anyband.apply.strips import open_items, reader, seen_by_any
from anyband.apply.tiling import Lattice
from anyband.models.core.method import Method
from anyband.models.core.storage import Recipe, load
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from item_files import item_file
from scenes import SceneFolder

CLASSES = (10, 30)
MOVED = Lattice(x=360.0, y=-300.0)
RIM, BRIGHT = 2, 0.6
DAY_OF_YEAR = 123  # 3 May


class Bright(Method):
    """Class 30 where the first band of the finest grid is above BRIGHT, 10 elsewhere; keeps what it was shown."""

    def __init__(self):
        super(Method, self).__init__()
        self.classes, self.shown = 2, []

    def usable(self, products):
        return products

    def forward(self, observation, query):
        self.shown.append(observation)
        group = min(observation.groups, key=lambda group: group.pixel_m)
        image = group.values[:, :1].repeat_interleave(int(group.pixel_m / query.pixel_m), -1)
        image = image.repeat_interleave(int(group.pixel_m / query.pixel_m), -2)[..., : query.height, : query.width]
        return torch.cat((BRIGHT - image, image - BRIGHT), dim=1) * 50


@pytest.fixture
def bright(monkeypatch):
    method = Bright()
    recipe = Recipe("bright", "bright", {}, CLASSES, {}, {}, 0)
    monkeypatch.setattr(predict, "load", lambda run: (recipe, method))
    return method


def is_bright(site, x, y, band="B02"):
    """Whether the pixel of 10 m with its corner at (x, y) is above that reflectance."""
    return (site.signal(np.float64(x), np.float64(y), band) - 1000) / 10_000 > BRIGHT


@pytest.mark.parametrize("epsg", [32632, 32732])
def test_a_class_lies_where_its_pixel_lies(bright, tmp_path, epsg):
    """Off by one row or by half a pixel, every second sample would be wrong; south, the lattice has another phase."""
    centre = (602_400.0, 5_197_620.0 + (20.0 if epsg == 32732 else 0.0))
    site = SceneFolder(tmp_path / "site", epsg, centre, extent_m=1_920)
    site.add_pair(dt.date(2022, 5, 3))
    out = tmp_path / "map.tif"
    predict_items([item_file(tmp_path, site, "sentinel2")], tmp_path, out)
    with rasterio.open(out) as file:
        assert file.crs.to_epsg() == epsg
        left, top = site.left - 120, site.top + 120
        assert (file.transform.c, file.transform.f) == (left, top)
        random = np.random.default_rng(0)
        rows, columns = random.integers(0, file.height, (2, 200))
        x, y = left + 10 * columns, top - 10 * rows
        found = [int(v[0]) for v in file.sample(zip(x + 5, y - 5, strict=True))]
    wanted = np.where(is_bright(site, x, y + site.shift), 30, 10)
    assert set(wanted) == {10, 30}
    assert found == wanted.tolist()


def test_clouds_and_what_was_not_seen_are_nodata_and_nothing_else(bright, site, tmp_path):
    out, more = tmp_path / "map.tif", tmp_path / "probabilities.tif"
    predict_items([item_file(tmp_path, site, "sentinel2")], tmp_path, out, more)
    with rasterio.open(out) as classes, rasterio.open(more) as shares:
        seen = classes.read(1) > 0
        assert (shares.read(1) < 255).tolist() == seen.tolist()
        assert shares.nodata == 255
    with rasterio.open(site.path("sentinel2", 0, "SCL")) as file:
        clear = (file.read(1) == 4).repeat(2, 0).repeat(2, 1)
    assert 0 < clear.mean() < 1
    assert seen.tolist() == clear.tolist()


def test_the_files_say_what_they_hold(bright, site, tmp_path):
    out, more = tmp_path / "map.tif", tmp_path / "probabilities.tif"
    predict_items([item_file(tmp_path, site, "sentinel2")], tmp_path, out, more)
    with rasterio.open(out) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.profile["tiled"]
        assert file.nodata == 0
        assert file.colormap(1)[10] == (0, 100, 0, 255)
        assert file.tags()["class_30"] == "grassland"
        assert file.tags()["items"] == site.items["sentinel2"][0]["id"]
    with rasterio.open(more) as file:
        assert file.descriptions == ("tree_cover", "grassland")
        assert file.scales == pytest.approx((1 / 250, 1 / 250))
        assert np.unique(file.read().astype(int).sum(axis=0)[60:-60, 60:-60]).tolist() == [250]


@pytest.mark.parametrize("lattice", [Lattice(), MOVED])
def test_tiles_give_the_map_of_a_whole_chip(run, site, tmp_path, monkeypatch, lattice):
    """Where one tile alone counts, the map is what the method makes of that chip, read here without tiles."""
    monkeypatch.setattr(Lattice, "of", lambda epsg: lattice)
    out, more = tmp_path / "map.tif", tmp_path / "probabilities.tif"
    place = item_file(tmp_path, site, "sentinel2")
    predict_items([place], run, out, more)
    _, method = load(run)
    (scene,) = open_items([read_item(place)])
    left, top = lattice.x + 720.0 * 835, lattice.y + 720.0 * 7219
    groups = []
    for group in scene.groups:
        planes = []
        for file in group.files:
            with rasterio.open(file.asset.href) as source:
                window = rasterio.windows.from_bounds(left, top - 960, left + 960, top, source.transform)
                planes.append((source.read(1, window=window) - 1000.0) / 10_000)
        groups.append((group, torch.tensor(np.array(planes), dtype=torch.float32).clamp(0, 1.6)))
    cut = reader([scene], lattice)(top)([left])
    for (group, values), shown in zip(groups, cut.groups, strict=True):
        assert shown.values.shape[2:] == values.shape[1:]
        assert torch.allclose(shown.values[0], values, rtol=0, atol=1e-6), group.grid
        assert not shown.offset_m.any()
        assert shown.valid.all()
    with torch.inference_mode():
        whole = method(cut, QueryGrid(10.0, 96, 96)).softmax(dim=1)[0].numpy()
    with rasterio.open(more) as file:
        window = rasterio.windows.from_bounds(left, top - 960, left + 960, top, file.transform)
        found = file.read(window=window)[:, 24:72, 24:72] / 250
    assert whole.std() > 0.01
    assert found == pytest.approx(whole[:, 24:72, 24:72], abs=0.5 / 250 + 1e-5)


def probabilities(run, place, tmp_path, **options):
    more = tmp_path / "probabilities.tif"
    predict_items([place], run, tmp_path / "map.tif", more, **options)
    with rasterio.open(more) as file:
        return file.read(), file.transform


class WrongAtTheRim(Bright):
    """The opposite of `Bright` on the outermost `RIM` pixels of every tile, where a method lacks context most."""

    def forward(self, observation, query):
        logits = super().forward(observation, query)
        inner = torch.zeros_like(logits, dtype=torch.bool)
        inner[..., RIM:-RIM, RIM:-RIM] = True
        return torch.where(inner, logits, -logits)


@pytest.mark.parametrize("lattice", [Lattice(), MOVED])
def test_no_class_hangs_on_where_the_tiles_lie(site, tmp_path, monkeypatch, lattice):
    """Tiles whose rim is wrong altogether change no class, wherever their edges fall.

    The outer pixels of a tile weigh 0.5 / 24 and 1.5 / 24 along an axis, so that at most twice 1.5 / 24 of a pixel's
    probability comes from rims, and the rest is right.
    """
    recipe = Recipe("bright", "bright", {}, CLASSES, {}, {}, 0)
    monkeypatch.setattr(predict, "load", lambda run: (recipe, WrongAtTheRim()))
    monkeypatch.setattr(Lattice, "of", lambda epsg: lattice)
    found, grid = probabilities(None, item_file(tmp_path, site, "sentinel2"), tmp_path)
    seen = found[0] < NO_PROBABILITY
    x = grid.c + 10 * np.arange(found.shape[2])
    y = grid.f - 10 * np.arange(found.shape[1])[:, None]
    reflectance = (site.signal(x, y, "B02") - 1000) / 10_000
    sure = seen & (np.abs(reflectance.clip(0, 1.6) - BRIGHT) > 0.2)  # not between the classes, where shares are soft
    share = np.where(reflectance > BRIGHT, found[1], found[0])[sure] / LEVELS
    from_rims = 2 * 1.5 / 24
    assert share.min() >= 1 - from_rims - 1 / LEVELS
    assert share.min() < 1 - from_rims / 4, "no rim lies in the map"
    assert 0.1 < sure.mean() < 1


def test_a_part_has_the_map_of_the_whole(run, site, tmp_path):
    place = item_file(tmp_path, site, "sentinel2")
    whole, grid = probabilities(run, place, tmp_path)
    degrees = Transformer.from_crs(32632, 4326, always_xy=True)
    west, south = degrees.transform(grid.c + 1_003, grid.f - 2_507)
    east, north = degrees.transform(grid.c + 2_502, grid.f - 1_004)
    part, corner = probabilities(run, place, tmp_path, bbox=(west, south, east, north))
    column, row = round((corner.c - grid.c) / 10), round((grid.f - corner.f) / 10)
    assert part.shape[1] < whole.shape[1]
    assert (part == whole[:, row : row + part.shape[1], column : column + part.shape[2]]).all()


def test_acquisitions_are_fused_and_fill_the_gaps_of_each_other(bright, tmp_path):
    """South of the equator the two are in different CRS of one zone."""
    site = SceneFolder(tmp_path / "site", 32732, (602_400.0, 5_197_640.0), extent_m=1_920)
    site.add_pair(dt.date(2022, 5, 3), cloudy={"SCL": (-1, 0.5), "qa_pixel": (0.6, 2)})
    places = [item_file(tmp_path, site, product) for product in ("sentinel2", "landsat")]
    shares = []
    for chosen in (places[:1], places[1:], places, [places[0], places[0]]):
        predict_items(chosen, tmp_path, tmp_path / "map.tif")
        with rasterio.open(tmp_path / "map.tif") as file:
            shares.append((file.read(1) > 0).mean())
        products = bright.shown[-1].products
    assert products == {"sentinel2", "sentinel2 2"}
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[1] == pytest.approx(0.59, abs=0.02)
    assert shares[2] > 0.99
    assert shares[3] == shares[0]


def test_any_pixel_that_divides_60_m(run, site, tmp_path):
    place = item_file(tmp_path, site, "landsat")
    for pixel_m in (10.0, 15.0, 30.0):
        _, grid = probabilities(run, place, tmp_path, pixel_m=pixel_m)
        assert grid.a == pixel_m
    with pytest.raises(UserError, match="--gsd 7: pixels must divide 60 m"):
        probabilities(run, place, tmp_path, pixel_m=7.0)


def test_a_run_that_breaks_off_leaves_no_file(bright, site, tmp_path, monkeypatch):
    count = iter(range(100))
    healthy = bright.forward

    def forward(observation, query):
        if next(count) > 4:
            raise RuntimeError("broken")
        return healthy(observation, query)

    monkeypatch.setattr(bright, "forward", forward)
    folder = tmp_path / "out"
    with pytest.raises(RuntimeError, match="broken"):
        predict_items([item_file(tmp_path, site, "sentinel2")], tmp_path, folder / "m.tif", folder / "p.tif")
    assert not list(folder.iterdir())


def without(*keys):
    def change(item):
        for key in keys:
            item["properties"].pop(key, None)

    return change


def missing_file(item):
    item["assets"]["red"]["href"] += ".gone"


def other_zone(item):
    item["properties"]["proj:epsg"] = 32633


@pytest.mark.parametrize(
    ("product", "change", "line"),
    [
        ("landsat", missing_file, "asset red: .*gone does not exist"),
        ("landsat", other_zone, "asset .*: the item says EPSG:32633, its file EPSG:32632"),
        ("label", None, "no asset with surface reflectance"),
    ],
)
def test_what_is_wrong_with_an_item_is_one_line(run, site, tmp_path, product, change, line):
    place = item_file(tmp_path, site, product, change=change)
    with pytest.raises(UserError, match=line) as stopped:
        predict_items([place], run, tmp_path / "map.tif")
    assert "\n" not in str(stopped.value)
    assert site.items[product][0]["id"] in str(stopped.value)
    assert not (tmp_path / "map.tif").exists()


def test_items_that_do_not_lie_together_are_refused(run, site, tmp_path):
    here = item_file(tmp_path, site, "sentinel2")
    for epsg, x, line in ((32632, 700_020.0, "does not overlap"), (32633, 602_400.0, "is in EPSG:32633, the first")):
        other = SceneFolder(tmp_path / f"{epsg}", epsg, (x, 5_197_620.0), extent_m=960)
        other.add_pair(dt.date(2022, 5, 3))
        folder = tmp_path / f"items-{epsg}"
        folder.mkdir()
        with pytest.raises(UserError, match=line):
            predict_items([here, item_file(folder, other, "sentinel2")], run, tmp_path / "map.tif")
    with pytest.raises(UserError, match="--bbox does not overlap"):
        predict_items([here], run, tmp_path / "map.tif", bbox=(40.0, 40.0, 41.0, 41.0))


def test_a_model_that_cannot_take_the_sensor_says_so(make_run, site, tmp_path):
    specialist = make_run("s2-only", products=("sentinel2",))
    both = [item_file(tmp_path, site, product) for product in ("sentinel2", "landsat")]
    with pytest.raises(UserError, match=r"item LC09.*cannot take landsat, it takes one item of sentinel2"):
        predict_items(both, specialist, tmp_path / "map.tif")
    predict_items(both[:1], specialist, tmp_path / "map.tif")
    assert (tmp_path / "map.tif").is_file()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, r"cannot be read \(No such file"),
        ("<html>", "is not JSON"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "is FeatureCollection, not a STAC item"),
        (json.dumps([1]), "is a list, not a STAC item"),
    ],
)
def test_what_is_no_item_is_said(run, tmp_path, text, line):
    path = tmp_path / "item.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=line):
        predict_items([str(path)], run, tmp_path / "map.tif")


def test_nothing_is_seen_where_no_pixel_is_valid():
    """Between two half-pixel grids a point belongs to the pixel that contains it."""
    from handmade import L9_30, band_set, make_group

    group = make_group("landsat", band_set(L9_30, 30), 30.0, 90.0, 1, 0, offset_m=-15.0)
    group.valid[:, :, :, 1:] = False
    seen = seen_by_any(Observation((group,)), QueryGrid(10.0, 6, 6))
    assert seen[0, 0].tolist() == [True, False, False, False, False, False]


def test_each_acquisition_is_shown_with_its_own_sun_and_day(site, tmp_path):
    scenes = open_items(read_item(item_file(tmp_path, site, product)) for product in ("sentinel2", "hls_l30"))
    observation = reader(scenes, Lattice())(720.0 * 7219)([720.0 * 834, 720.0 * 835])
    for group in observation.of("sentinel2"):
        assert group.scene[:, [0, 1, 3]].tolist() == [[40, 150, DAY_OF_YEAR]] * 2
        assert group.scene[:, 2].isnan().all()
    (other,) = observation.of("hls_l30")
    assert other.scene[:, [1, 3]].tolist() == [[150, DAY_OF_YEAR]] * 2
    assert other.scene[:, [0, 2]].isnan().all()
