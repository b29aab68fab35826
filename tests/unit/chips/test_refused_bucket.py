"""A bucket that refuses while a site is paired or cut: the run stops, and no store looks complete."""

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from anyband.archive.http_server import parse_range
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.catalog.pairs.site_pairs import pair_site
from anyband.catalog.sites import Site
from anyband.chips.extraction import ChipSite, extract_site
from anyband.raster import access
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError
from scenes import SceneFolder

REFUSALS = {
    "ExpiredToken": (400, "The provided token has expired."),
    "AccessDenied": (403, "Access Denied"),
}


class Bucket(BaseHTTPRequestHandler):
    """Serves `server.folder`, until `server.left` requests have been answered."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        with self.server.lock:
            self.server.left -= 1
            open_yet = self.server.left >= 0
        if open_yet:
            content = (self.server.folder / unquote(self.path).removeprefix("/holdings/")).read_bytes()
            start, stop = parse_range(self.headers.get("Range"), len(content)) or (0, len(content))
            self.answer(206, content[start:stop], {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"})
        else:
            status, words = REFUSALS[self.server.code]
            body = f"<?xml version='1.0'?><Error><Code>{self.server.code}</Code><Message>{words}</Message></Error>"
            self.answer(status, body.encode(), {"Content-Type": "application/xml"})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


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
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        server.daemon_threads, server.lock, server.folder = True, threading.Lock(), scenes.folder
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    endpoint.left, endpoint.code = 10_000, ""
    keys = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in (keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{endpoint.server_port}"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(access, "RETRY_WAITS_S", (0.01,))
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
