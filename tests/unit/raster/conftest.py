"""A local server that gives access to files as the real providers do."""

import json
import threading
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from rasterio import Affine
from rasterio.io import MemoryFile

BEARER = "Bearer earthdata-secret"
BASIC = f"Basic {b64encode(b'me:netrc-secret').decode()}"
LOGIN_PAGE = b"<!DOCTYPE html><html><title>Earthdata Login</title></html>"


def tiff(**tags):
    """Bytes of a small raster."""
    grid = {"width": 64, "height": 64, "transform": Affine(30, 0, 600_000, 0, -30, 5_100_000), "crs": "EPSG:32632"}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=1, dtype="int16", **grid) as target:
            target.write(np.full((1, 64, 64), 7, np.int16))
            target.update_tags(**tags)
        return memory.read()


class Provider(ThreadingHTTPServer):
    """Token endpoint, Azure storage, LP DAAC with its login, and a bucket where the reader pays.

    It is an HTTP proxy too, so that addresses with the providers' own host names come here.
    """

    daemon_threads = True

    def __init__(self):
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.make_file = tiff
        self.file = tiff()
        self.lives_s = 3600.0  # of the tokens that are handed out
        self.next_answers = []  # (status, body) of the token endpoint, before it answers as it should
        self.slow_s = 0.0  # time that the token endpoint takes
        self.says = None  # (status, code, message) of the object store instead of its files
        self.gone = False  # whether all files are missing
        self.troubles = []  # the first one is what is wrong with the files at present
        self.revoked = set()  # tokens that are refused before they expire
        self.tokens = 0
        self.seen = []  # (path, headers) of all requests


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Be silent."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        address = urlsplit(self.path)
        self.server.seen.append((self.path, dict(self.headers)))
        host = (address.hostname or self.headers["Host"].split(":")[0]).lower()
        if address.path.startswith("/api/sas/v1/token/"):
            self.hand_out_token()
        elif host.endswith(".blob.core.windows.net"):
            self.azure(parse_qs(address.query))
        elif address.path.startswith("/earthdata/"):
            self.earthdata(address.query)
        elif address.path.startswith("/oauth/"):
            known = self.headers.get("Authorization") == BASIC
            self.send_to(f"{self.server.url}/earthdata/x.tif?code=1" if known else self.elsewhere("login"))
        elif address.path.startswith("/login/"):
            self.answer(200, LOGIN_PAGE)
        elif address.path.startswith("/usgs-landsat/"):
            pays = self.headers.get("x-amz-request-payer") == "requester"
            signed = self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")
            right = pays and signed and self.server.says is None
            self.serve_file() if right else self.object_store(
                *(self.server.says or (403, "AccessDenied", "Access Denied"))
            )
        elif address.path.startswith(("/gs-bucket/", "/az-container/")):
            self.serve_file() if self.server.says is None else self.object_store(*self.server.says)
        elif address.path.startswith("/cdn/"):
            self.serve_file()
        else:
            self.answer(404, b"")

    def hand_out_token(self):
        self.server.tokens += 1
        threading.Event().wait(self.server.slow_s)
        if self.server.next_answers:
            status, body = self.server.next_answers.pop(0)
            self.answer(status, json.dumps(body).encode())
            return
        self.answer(200, json.dumps(token(self.server.lives_s, self.server.tokens)).encode())

    def azure(self, query):
        expiry = query.get("se", [""])[0]
        fresh = bool(expiry) and datetime.fromisoformat(expiry) > datetime.now(UTC)
        valid = fresh and query.get("sig", ["azure-secret"])[0] not in self.server.revoked
        failed = (
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly"
        )
        self.serve_file() if valid else self.object_store(403, "AuthenticationFailed", failed)

    def object_store(self, status, code, message):
        """Refuse as object stores do, in XML with code and message."""
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.answer(status, body.encode(), **{"Content-Type": "application/xml"})

    def earthdata(self, query):
        cookie = {"Set-Cookie": "session=open; Path=/"} if query == "code=1" else {}
        known = self.headers.get("Authorization") == BEARER or "session=open" in self.headers.get("Cookie", "")
        self.send_to(self.elsewhere("cdn" if known or cookie else "oauth"), **cookie)

    def elsewhere(self, place):
        """Address on another host, which is this server too."""
        return f"http://localhost:{self.server.port}/{place}/x.tif"

    def send_to(self, address, **headers):
        self.answer(302, b"", Location=address, **headers)

    def serve_file(self):
        if self.server.gone:
            self.answer(404, b"")
            return
        trouble, content = (self.server.troubles or [None])[0], self.server.file
        if trouble in ("403", "429", "503"):
            self.answer(int(trouble), b"<Error/>")
            return
        content = {"html": LOGIN_PAGE, "cut": content[:-200]}.get(trouble, content)
        if "Range" not in self.headers:
            self.answer(200, content)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = content[int(first) : int(last or len(content)) + 1]
        self.answer(206, part, **{"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"})

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def token(lives_s, number=0):
    """What the token endpoint of the Planetary Computer answers."""
    expiry = (datetime.now(UTC) + timedelta(seconds=lives_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"msft:expiry": expiry, "token": f"st=x&se={quote(expiry)}&sp=rl&sig=azure-secret-{number}"}


@pytest.fixture
def provider(monkeypatch, tmp_path):
    """The server, reached by all clients of this process; caches and the home folder are empty."""
    server = Provider()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/api/sas/v1/token")
    for name in ("EARTHDATA_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def random() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(5)
