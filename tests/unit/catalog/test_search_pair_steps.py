"""The search and pair steps beside the served archive."""

import json
import shutil
import sys
from dataclasses import replace
from importlib import import_module

import pytest

from anyband.archive.http_server import ArchiveServer
from anyband.archive.stac_items import build_item
from anyband.products import CATALOGUED
from anyband.runtime import step_main
from anyband.steps.search import open_catalogue
from make_items import NORTH, make_item, make_scene, quality_raster, square, write_items

SETTINGS = {"catalog": "embedded", "start": "2022-05-01", "end": "2022-05-31", "extent_m": 3840}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """One site with one date, its quality layers behind hrefs of the archive."""
    root = tmp_path_factory.mktemp("served") / "archive"
    ring = square(NORTH.longitude, NORTH.latitude)
    items = [make_item(product, footprint=ring) for product in ("hls_s30", "hls_l30", "label")]
    for product, key in (("sentinel2", "SCL"), ("landsat", "qa_pixel")):
        scene = make_scene(product, footprint=ring)
        name = scene.assets[key].path
        file = quality_raster(root / "aspen/files" / name, NORTH, product, 32632, 0.25)
        same_grid = scene.assets if product == "landsat" else (key,)  # what its item says holds for all of its files
        files = {other: replace(file, path=scene.assets[other].path) for other in same_grid}
        items.append(build_item(replace(scene, assets=scene.assets | files)))
    write_items(root, "aspen", items)
    return root


@pytest.fixture
def run(archive, monkeypatch, capsys):
    """Runs a step beside a server of its own; gives its status and what it wrote to stderr."""

    def start(step, *arguments, root=archive, longitude=NORTH.longitude, **settings):
        place = ["--site", "aspen", "--longitude", str(longitude), "--latitude", str(NORTH.latitude)]
        given = ["--settings", json.dumps(SETTINGS | settings), *place, *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", [step, *given])
        open_catalogue.cache_clear()
        status = 0
        with ArchiveServer(root) as server, pytest.MonkeyPatch.context() as environment:
            for name, value in server.environment.items():
                environment.setenv(name, value)
            try:
                step_main(import_module(f"anyband.steps.{step}").main)
            except SystemExit as stopped:
                status = stopped.code
        written = capsys.readouterr()
        assert written.out == ""
        return status, written.err

    return start


def pair_options(scenes, folder):
    """What the step pair reads and writes."""
    written = {"pairs": "a.csv", "dropped": "a.dropped.csv", "acquisitions": "a.json"}
    return [f"--scenes={scenes}", *(f"--{option}={folder / name}" for option, name in written.items())]


def test_from_the_archive_to_pairs_twice_the_same(run, tmp_path):
    """Ports differ from run to run; what is written must not."""
    for number in range(2):
        scenes, pairs = tmp_path / f"scenes{number}", tmp_path / f"pairs{number}"
        if number:
            shutil.copytree(tmp_path / "scenes0", scenes)  # a second search of the same catalogue
        assert run("search", "--out-dir", scenes) == (0, "")
        assert run("pair", *pair_options(scenes, pairs)) == (0, "")
    names = sorted(path.name for path in (tmp_path / "scenes0").iterdir())
    assert names == sorted(f"{product}.json" for product in CATALOGUED)
    for name in [f"scenes{{}}/{name}" for name in names] + ["pairs{}/a.csv", "pairs{}/a.dropped.csv", "pairs{}/a.json"]:
        first, second = ((tmp_path / name.format(number)).read_bytes() for number in range(2))
        assert first == second, name
    manifest = json.loads((tmp_path / "scenes0/landsat.json").read_text())
    assert manifest["endpoint"] == "http://archive.anyband.test/stac"
    assert manifest["items"][0]["assets"]["red"]["href"].startswith("http://archive.anyband.test/files/aspen/")
    header, row = (tmp_path / "pairs0/a.csv").read_text().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["clear_joint"].startswith("0.7")
    # The same scenes, but for a user who wants clearer ones.
    status, said = run("pair", *pair_options(tmp_path / "scenes0", tmp_path), min_clear=0.9)
    assert status == 0
    assert said.startswith("anyband: site aspen: no pair of scenes is left (1 cloudy)")
    assert said.count("\n") == 1
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1
    assert ",cloudy," in (tmp_path / "a.dropped.csv").read_text()


def test_a_site_outside_the_archive_is_one_line_and_writes_nothing(run, tmp_path):
    line, _ = run("search", "--out-dir", tmp_path / "scenes", longitude=60.0)
    assert line.startswith(
        "anyband: site aspen (60, 46.02): sentinel2 missing, no sentinel-2-l2a items from 2022-05-01 "
    )
    assert "to 2022-05-31 in http://archive.anyband.test/stac: change" in line
    assert not (tmp_path / "scenes").exists()


def test_a_catalogue_by_its_address_is_asked_for_its_collections_and_may_lack_hls_scenes(run, archive, tmp_path):
    root, catalog = tmp_path / "archive", "http://archive.anyband.test/stac"
    shutil.copytree(archive, root, ignore=shutil.ignore_patterns("hls2-*"))
    assert run("search", "--out-dir", tmp_path, root=root, catalog=catalog) == (0, "")
    manifest = json.loads((tmp_path / "hls_s30.json").read_text())
    assert manifest["query"]["collections"] == ["hls2-s30"]
    assert manifest["items"] == []


def test_dates_without_scenes_are_one_line(run, tmp_path):
    line, _ = run("search", "--out-dir", tmp_path, start="2021-05-01", end="2021-05-31")
    assert "no sentinel-2-l2a items from 2021-05-01 to 2021-05-31" in line
