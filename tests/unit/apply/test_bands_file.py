"""Local files described by a YAML file, the one of docs/predict.md first of all."""

import re
import shutil

import numpy as np
import pytest
import rasterio
import yaml

from anyband import products
from anyband.apply.bands_file import described_files, read_items
from anyband.apply.item import read_item
from anyband.apply.predict import predict_items
from anyband.apply.strips import open_items, reader
from anyband.apply.tiling import Lattice
from anyband.runtime import UserError
from item_files import item_file

LANDSAT = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
TILE = 720.0 * 834, 720.0 * 7219  # reaches into the clouds


@pytest.fixture
def folder(root, site, tmp_path):
    """The example of the documentation, and the files that it names."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (root / "docs/predict.md").read_text(), re.S)
    (tmp_path / "bands.yaml").write_text(text)
    (tmp_path / "green.csv").write_text("wavelength_nm,green\n530,0\n540,1\n590,1\n600,0\n")
    shutil.copy(site.path("landsat", 0, "qa_pixel"), tmp_path / "clouds.tif")
    planes = []
    for band in LANDSAT:
        with rasterio.open(site.path("landsat", 0, band)) as source:
            planes.append(source.read(1))
            profile = source.profile
    with rasterio.open(tmp_path / "scene.tif", "w", **profile | {"count": 7, "interleave": "pixel"}) as target:
        target.write(np.stack(planes))
    return tmp_path


def changed(folder, **changes):
    """The example with keys set, or taken out for None."""
    path = folder / "bands.yaml"
    document = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))
    return path


def group_of(items):
    (found,) = reader(open_items(items), Lattice())(TILE[1])([TILE[0]]).groups
    return found


def test_the_example_of_the_documentation_gives_the_pixels_of_the_item(run, site, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(products, "REFLECTANCE_LIMITS", (-1.0, 2.0))
    known = group_of([read_item(item_file(tmp_path, site, "landsat"))])
    places, bands = [str(folder / "scene.tif")], folder / "bands.yaml"
    found = group_of(read_items(places, bands))
    assert (found.values == known.values).all() and (found.valid == known.valid).all()
    assert 0 < found.valid.float().mean() < 1
    told = {band.name: band for band in found.band_sets[0]}
    assert told["blue"].response is known.band_sets[0].bands[1].response
    assert told["red"].response.centre_nm == pytest.approx(655)
    assert (told["swir2"].concept, told["swir2"].gsd_m) == ("swir2", 30)
    predict_items(places, run, tmp_path / "map.tif", bands=bands)
    with rasterio.open(tmp_path / "map.tif") as file:
        assert len(np.unique(file.read(1))) > 1
        assert file.tags()["items"] == "scene"


def test_one_file_a_band_and_what_the_files_say_themselves(site, folder, tmp_path):
    whole = group_of(read_items([str(folder / "scene.tif")], folder / "bands.yaml"))
    own = []
    for band in LANDSAT:
        own.append(str(tmp_path / f"{band}.tif"))
        shutil.copy(site.path("landsat", 0, band), own[-1])
        with rasterio.open(own[-1], "r+") as file:
            file.scales, file.offsets = (2.75e-5,), (-0.2,)
    bands = yaml.safe_load((folder / "bands.yaml").read_text())["bands"]
    plain = [{key: value for key, value in band.items() if key != "index"} for band in bands]
    path = changed(folder, bands=plain, scale=None, offset=None, nodata=None)
    found = group_of(read_items(own, path))
    assert (found.values == whole.values).all() and (found.valid == whole.valid).all()
    path = changed(folder, bands=[b | {"file": f"{f}.tif"} for b, f in zip(plain, LANDSAT, strict=True)])
    assert (group_of(read_items([], path)).values == whole.values).all()


RED = {"name": "red", "centre": 655, "width": 37}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"bands": [RED | {"centre": "red"}]}, "bands.0.centre: input should be a valid number"),
        ({"bands": [RED | {"centre": float("nan")}]}, "bands.0.centre: input should be"),
        ({"bands": [RED | {"width": 0}]}, "bands.0.width: input should be greater than 0"),
        ({"bands": [RED | {"width": 700}]}, "bands.0: width 700 nm is wider than possible at 655 nm"),
        ({"bands": [RED | {"centre": 10_900}]}, r"bands.0 \(red\): centre 10900 nm is not between 400 and 2500"),
        ({"bands": [{"name": "red"}]}, "bands.0: give either centre and width"),
        ({"bands": [{"name": "red", "centre": 655}]}, "bands.0: centre and width .* go together"),
        ({"bands": [{"name": "red", "like": "sentinel-2a B99"}]}, "'sentinel-2a B99' is no band of the registry"),
        ({"bands": [{"name": "red", "response": "none.csv"}]}, r"bands.0 \(red\): .*none.csv"),
        (
            {"bands": [{"name": "red", "response": {"wavelength": [650, 640], "weight": [1, 1]}}]},
            "wavelengths of a spectral response must increase",
        ),
        ({"bands": []}, "bands: list should have at least 1 item"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"quality": {"file": "clouds.tif"}}, "quality: give either coding"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(folder, changes, line):
    path = changed(folder, **changes)
    with pytest.raises(UserError, match=line) as stopped:
        described_files([str(folder / "scene.tif")], path)
    assert str(stopped.value).startswith(str(path)) and "\n" not in str(stopped.value)


def test_files_that_do_not_fit_the_description_are_named(folder):
    scene, path = str(folder / "scene.tif"), folder / "bands.yaml"
    with pytest.raises(UserError, match="7 bands, but 2 files are named"):
        described_files([scene, scene], path)
    with pytest.raises(UserError, match="bands.0.file is missing, and no file is named"):
        described_files([], path)
    with pytest.raises(UserError, match=r"asset scene.tif: it has 7 bands"):
        open_items([described_files([scene], changed(folder, bands=[RED | {"index": 9}]))])
    with pytest.raises(UserError, match=r"none.yaml cannot be read \(No such file"):
        described_files([scene], folder / "none.yaml")
