"""What a server can do to a file while it is read: the right pixels in the end, or an error, never wrong pixels.

GDAL reads through curl; these tests hold that an answer which is not what was asked for cannot become pixels.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from anyband.archive.http_server import parse_range
from anyband.ground import site_footprints
from anyband.raster.asset import RasterAsset, UnusableItemError
from anyband.raster.windows import assemble, read_windows
from anyband.runtime import UserError
from rasters import CORNER, write_raster

CHIPS = site_footprints((CORNER[0] + 960, CORNER[1] - 960), 32632, 1_920, 960)
PAGE = b"<!DOCTYPE html><html><body>Sign in to go on</body></html>"


class Handler(BaseHTTPRequestHandler):
    """Sends one file; `server.wrong(number of the request, right answer)` may change what is sent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        content = self.server.content
        wanted = parse_range(self.headers.get("Range"), len(content))
        start, stop = wanted or (0, len(content))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"} if wanted else {}
        with self.server.lock:
            self.server.requests += 1
            number = self.server.requests
        status, body, length, headers = self.server.wrong(number, content[start:stop], headers)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if length != len(body):
            self.close_connection = True


def right(body, headers):
    return 206 if headers else 200, body, len(body), headers


def page(body, headers):
    """A login page with status 200."""
    return 200, PAGE, len(PAGE), {"Content-Type": "text/html"}


def long_page(body, headers):
    """A page as long as what was asked for, with status 200."""
    text = PAGE.ljust(len(body))
    return 200, text, len(text), {"Content-Type": "text/html"}


def page_as_part(body, headers):
    """A cache that answers with a page under the status and the headers of the right answer."""
    text = PAGE.ljust(len(body))[: len(body)]
    return 206 if headers else 200, text, len(text), headers


def cut(body, headers):
    """The connection breaks half-way."""
    return 206 if headers else 200, body[: len(body) // 2], len(body), headers


def short(body, headers):
    """Half of the bytes, as if there were no more."""
    return 206 if headers else 200, body[: len(body) // 2], len(body) // 2, headers


def empty(body, headers):
    return 206 if headers else 200, b"", 0, headers


def busy(body, headers):
    return 503, b"busy", 4, {}


def expired(body, headers):
    return 403, b"expired", 7, {}


@pytest.fixture
def server(tmp_path, random, monkeypatch):
    """A file of 16 tiles on a server."""
    pixels = random.integers(1, 9_999, (216, 216)).astype(np.uint16)
    path = write_raster(tmp_path / "a.tif", pixels, CORNER, 10)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.requests, server.lock, server.pixels = path.read_bytes(), 0, threading.Lock(), pixels
        server.wrong = lambda number, body, headers: right(body, headers)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr("anyband.raster.access.RETRY_WAITS_S", (0.01, 0.02, 0.03))
        monkeypatch.setitem(server.__dict__, "file", server_file(server))
        yield server
        server.shutdown()


def server_file(server):
    return RasterAsset(
        "item-1", "B04", f"http://127.0.0.1:{server.server_port}/a.tif", 32632, 10, dtype="uint16", nodata=0
    )


def chips_of(pixels):
    return np.stack([pixels[r : r + 96, c : c + 96] for r in (0, 96) for c in (0, 96)])


FAULTS = [page, long_page, page_as_part, cut, short, empty, expired]


@pytest.mark.parametrize("fault", [*FAULTS, busy])
@pytest.mark.parametrize("first", [1, 2, 3])
def test_passing_fault_leaves_no_trace(server, fault, first):
    """Two requests in a row go wrong, at the opening of the file or in the middle of it."""
    server.wrong = lambda number, body, headers: (fault if first <= number < first + 2 else right)(body, headers)
    assert np.array_equal(assemble(read_windows([server.file], CHIPS)[0], server.file, 96), chips_of(server.pixels))
    assert server.requests > first


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("first", [1, 2, 3])
def test_lasting_fault_is_an_error(server, fault, first):
    server.wrong = lambda number, body, headers: (fault if number >= first else right)(body, headers)
    with pytest.raises(UserError, match="item item-1: asset B04: ") as error:
        read_windows([server.file], CHIPS)[0]
    assert "\n" not in str(error.value)
    assert isinstance(error.value, UnusableItemError) == (fault is not expired)
