"""The search and pair steps as processes beside the served archive."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from anyband.archive.stac_items import build_item
from anyband.products import CATALOGUED
from make_items import NORTH, make_item, make_scene, quality_raster, square, write_items

SETTINGS = json.dumps({"catalog": "embedded", "start": "2022-05-01", "end": "2022-05-31", "extent_m": 3840})


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


def run(archive, step, *arguments, longitude=NORTH.longitude, settings=SETTINGS):
    place = ["--site", "aspen", "--longitude", str(longitude), "--latitude", str(NORTH.latitude)]
    command = [sys.executable, "-m", f"anyband.steps.{step}", "--settings", settings, *place, *map(str, arguments)]
    serve = [sys.executable, "-m", "anyband.steps.serve", str(archive), "--"]
    return subprocess.run(serve + command, capture_output=True, text=True, timeout=60, env=dict(os.environ))


def test_from_the_archive_to_pairs_twice_the_same(archive, tmp_path):
    """Ports differ from run to run; what is written must not."""
    for number in range(2):
        scenes, pairs = tmp_path / f"scenes{number}", tmp_path / f"pairs{number}"
        if number:
            shutil.copytree(tmp_path / "scenes0", scenes)  # a second search of the same catalogue
        answer = run(archive, "search", "--out-dir", scenes)
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
        answer = run(
            archive,
            "pair",
            "--scenes",
            scenes,
            "--pairs",
            pairs / "a.csv",
            "--dropped",
            pairs / "a.dropped.csv",
            "--acquisitions",
            pairs / "a.json",
        )
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
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


def test_a_site_outside_the_archive_is_one_line_and_writes_nothing(archive, tmp_path):
    answer = run(archive, "search", "--out-dir", tmp_path / "scenes", longitude=60.0)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    for part in (
        "site aspen (60, 46.02)",
        "sentinel2 missing",
        "sentinel-2-l2a",
        "2022-05-01 to 2022-05-31",
        "archive.anyband.test/stac",
    ):
        assert part in answer.stderr
    assert not (tmp_path / "scenes").exists()


def test_a_catalogue_by_its_address_is_asked_for_its_collections_and_may_lack_hls_scenes(archive, tmp_path):
    shutil.copytree(archive, tmp_path / "archive", ignore=shutil.ignore_patterns("hls2-*"))
    settings = SETTINGS.replace("embedded", "http://archive.anyband.test/stac")
    answer = run(tmp_path / "archive", "search", "--out-dir", tmp_path, settings=settings)
    assert (answer.returncode, answer.stderr) == (0, "")
    manifest = json.loads((tmp_path / "hls_s30.json").read_text())
    assert manifest["query"]["collections"] == ["hls2-s30"]
    assert manifest["items"] == []


def test_dates_without_scenes_are_one_line(archive, tmp_path):
    settings = SETTINGS.replace("2022-05-01", "2021-05-01").replace("2022-05-31", "2021-05-31")
    answer = run(archive, "search", "--out-dir", tmp_path, settings=settings)
    assert answer.returncode == 1
    assert "no sentinel-2-l2a items from 2021-05-01 to 2021-05-31" in answer.stderr


def test_a_cloudy_site_leaves_tables_and_one_line(archive, tmp_path):
    run(archive, "search", "--out-dir", tmp_path / "scenes")
    settings = SETTINGS.replace("{", '{"min_clear": 0.9, ', 1)
    pairs, dropped = tmp_path / "a.csv", tmp_path / "a.dropped.csv"
    arguments = (
        "--scenes",
        tmp_path / "scenes",
        "--pairs",
        pairs,
        "--dropped",
        dropped,
        "--acquisitions",
        tmp_path / "a.json",
    )
    answer = run(archive, "pair", *arguments, settings=settings)
    assert answer.returncode == 0
    assert answer.stderr.startswith("anyband: site aspen: no pair of scenes is left (1 cloudy)")
    assert answer.stderr.count("\n") == 1
    assert len(pairs.read_text().splitlines()) == 1
    assert ",cloudy," in dropped.read_text()


def test_without_the_archive_s_server_the_search_says_so():
    program = """
import anyband.catalog.pages as pages
pages.RETRIES, pages.ATTEMPTS = 0, 1
from anyband.catalog.api import Catalogue
Catalogue("http://archive.anyband.test/stac")
"""
    environment = {name: value for name, value in os.environ.items() if name.lower() != "http_proxy"}
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert "catalogue http://archive.anyband.test/stac" in answer.stderr.splitlines()[-1]
