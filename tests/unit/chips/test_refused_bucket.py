"""A bucket that refuses while a site is paired or cut: the run stops, and no store looks complete."""

import datetime as dt
import json
import threading
from http import HTTPStatus

import pytest

from anyband.archive.http_server import Answer, ArchiveServer, file_answer
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.catalog.pairs.site_pairs import pair_site
from anyband.catalog.sites import Site
from anyband.chips.extraction import ChipSite, extract_site
from anyband.raster import access
from anyband.raster.access import gdal_env
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError
from scenes import SceneFolder

REFUSALS = {
    "ExpiredToken": (400, "The provided token has expired."),
    "AccessDenied": (403, "Access Denied"),
}


class Bucket(ArchiveServer):
    """Serves the files of `folder`, until `left` requests have been answered; then it refuses with `code`."""

    def __init__(self, folder):
        super().__init__(folder, hook=self.meet)
        self.folder, self.left, self.code, self.lock = folder, 10_000, "", threading.Lock()

    def meet(self, request, respond):
        with self.lock:
            self.left -= 1
            if self.left >= 0:
                path = request.path.removeprefix("holdings/")
                return file_answer(self.folder / path, path, request)
        status, words = REFUSALS[self.code]
        body = f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>{words}</Message></Error>"
        return Answer(HTTPStatus(status), body.encode(), {"Content-Type": "application/xml"})


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two dates whose files lie in the bucket."""
    scenes = SceneFolder(tmp_path_factory.mktemp("bucket") / "scenes", 32633, (600_000.0, 5_200_020.0), extent_m=960)
    for day in (3, 13):
        scenes.add_pair(dt.date(2022, 5, day))
    scenes.items = json.loads(json.dumps(scenes.items).replace(str(scenes.folder), "s3://holdings"))
    return scenes


@pytest.fixture(scope="module")
def endpoint(scenes):
    """One server for all tests: threads of stackstac keep the address of an object store."""
    with Bucket(scenes.folder) as server:
        yield server


@pytest.fixture
def bucket(endpoint, monkeypatch):
    endpoint.left, endpoint.code = 10_000, ""
    keys = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in (keys | {"AWS_ENDPOINT_URL": endpoint.proxy_url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(access, "RETRY_WAITS_S", (0.01,))
    # rasterio looks for masks with Python's lock held, which this process' own server may need to answer another read.
    monkeypatch.setattr(access, "gdal_env", lambda href: gdal_env(href) | {"GDAL_HTTP_TIMEOUT": 4})
    return endpoint


def pair(scenes) -> list[ScenePair]:
    """As the step does it."""
    site = Site("aspen", scenes.longitude, scenes.latitude, scenes.extent_m)
    return pair_site(site, scenes.items, 3, 0.3)[2]


def cut(scenes, pairs, path):
    site = ChipSite("aspen", "main", scenes.longitude, scenes.latitude, scenes.extent_m, 960, 0.8, 2)
    extract_site(site, pairs, path)


def test_pairing_stops(scenes, bucket):
    bucket.code, bucket.left = "ExpiredToken", 0
    with pytest.raises(UserError, match="is refused .*: set AWS_ACCESS_KEY_ID") as error:
        pair(scenes)
    assert not isinstance(error.value, UnusableItemError)


@pytest.mark.parametrize(("code", "left"), [("ExpiredToken", 0), ("AccessDenied", 3)])
def test_what_expires_before_or_while_chips_are_cut_stops_without_a_store(scenes, bucket, tmp_path, code, left):
    pairs = pair(scenes)
    assert len(pairs) == 2
    bucket.code, bucket.left = code, left
    with pytest.raises(UserError, match="is refused .*: set AWS_ACCESS_KEY_ID"):
        cut(scenes, pairs, tmp_path / "aspen.zarr")
    assert not (tmp_path / "aspen.zarr").exists()


def test_an_open_bucket_gives_the_chips_of_the_files(scenes, bucket, tmp_path):
    cut(scenes, pair(scenes), tmp_path / "bucket.zarr")
    assert (tmp_path / "bucket.zarr").is_dir()
    assert 10_000 - bucket.left > 60
