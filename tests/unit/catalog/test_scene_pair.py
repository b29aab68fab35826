"""The file between pairing and extraction holds every field of every scene exactly."""

import json
from dataclasses import fields, replace

import pytest

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.pairs.scene_pair import ScenePair, pairs_as_json, read_pairs
from anyband.products import SATELLITES
from anyband.runtime import UserError
from make_items import make_item


def test_pairs_come_back_as_they_were(tmp_path):
    scenes = {product: parse_item(make_item(product)) for product in SATELLITES}
    bands = {name: replace(band, transform=None, shape=None) for name, band in scenes["sentinel2"].bands.items()}
    scenes["sentinel2"] = replace(scenes["sentinel2"], bands=bands, sun_zenith=None)  # what is unknown stays so
    pair = ScenePair(3, scenes, (parse_item(make_item("label")),))
    path = tmp_path / "aspen.json"
    path.write_text(pairs_as_json([pair]))
    (found,) = read_pairs(path)
    assert found == pair and found.epsg == scenes["sentinel2"].epsg
    # 0 and 0.0 are equal, but not to those who read the store's attributes.
    said = [[repr(band.nodata) for band in known["landsat"].bands.values()] for known in (found.optical, scenes)]
    assert said[0] == said[1] == ["0"] * 7
    assert pairs_as_json([found]) == path.read_text()
    listed = json.loads(path.read_text())[0]["optical"]["hls_s30"]
    assert set(listed) == {field.name for field in fields(Acquisition)}


@pytest.mark.parametrize("content", [None, "", "[{}]", "pair,sentinel2\n"])
def test_anything_else_is_one_line(tmp_path, content):
    path = tmp_path / "aspen.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="aspen.json is not a list of pairs: run the pair step again$"):
        read_pairs(path)
