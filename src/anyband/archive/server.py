"""The embedded archive on the air: a STAC API and a file server with byte ranges, reached as an HTTP proxy.

Items and their assets name the stable host `archive.anyband.test`. The server listens on a free port of 127.0.0.1 and
takes the absolute-form requests that clients send to a proxy, so whoever has `http_proxy` set to it reaches that host
under its stable address, and what they record does not depend on the port. Requests for other hosts are refused.

    /stac                     landing page, /collections, /collections/{id}, .../items, .../items/{id}, /search
    /files/{site}/{path}      files of a site; GET and HEAD, single byte ranges
"""

import json
import threading
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from anyband.archive.item_filters import BadRequestError
from anyband.archive.item_index import ItemIndex
from anyband.archive.stac_api import HOST, NotFoundError, answer
from anyband.runtime import UserError


class Archive:
    """The folders of simulated sites below one root. Sites are renamed into place, so a visible one is complete."""

    def __init__(self, root: Path) -> None:
        """Serve the sites in `root`.

        Raises:
            UserError: `root` is not a folder.
        """
        if not root.is_dir():
            raise UserError(f"{root} is not a folder of simulated sites: run the simulate step first")
        self.root = root

    @cached_property
    def index(self) -> ItemIndex:
        """All items, read at the first request that needs them."""
        paths = sorted(self.root.glob("[!.]*/items/*/*.json"))
        return ItemIndex(json.loads(path.read_bytes()) for path in paths)

    def file(self, url_path: str) -> Path:
        """File behind `{site}/{path}`.

        Raises:
            NotFoundError: no such file; unknown or half-written sites have none.
        """
        site, *parts = PurePosixPath(url_path).parts or ("",)
        path = self.root.joinpath(site, "files", *parts)
        if site.startswith((".", "/")) or ".." in parts or not path.is_file():
            raise NotFoundError(f"the archive holds no file {url_path}")
        return path


class Handler(BaseHTTPRequestHandler):
    """One connection of one client."""

    server: "ArchiveServer"
    protocol_version = "HTTP/1.1"  # connections stay open over many range requests
    disable_nagle_algorithm = True  # else each answer may wait 40 ms for a delayed acknowledgement
    wbufsize = -1

    def do_GET(self) -> None:  # noqa: N802  (name set by the library)
        """Answer GET."""
        self._answer(b"")

    def do_HEAD(self) -> None:  # noqa: N802
        """Answer HEAD: as GET, without the body."""
        self._answer(b"")

    def do_POST(self) -> None:  # noqa: N802
        """Answer POST."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the log of the wrapped command to itself."""

    def _answer(self, body: bytes) -> None:
        url = urlsplit(self.path)
        try:
            if url.scheme and url.hostname != HOST:
                self._send_line(HTTPStatus.BAD_GATEWAY, f"this proxy leads to {HOST} only, not to {url.hostname}")
            elif url.path.startswith("/files/"):
                self._send_file(self.server.archive.file(unquote(url.path.removeprefix("/files/"))))
            else:
                path = unquote(url.path).rstrip("/")
                self._send_json(self.server.answer(self.command, path, url.query, body))
        except NotFoundError as error:
            self._send_line(HTTPStatus.NOT_FOUND, str(error))
        except BadRequestError as error:
            self._send_line(HTTPStatus.BAD_REQUEST, str(error))

    def _send_json(self, document: dict[str, Any]) -> None:
        kind = "application/geo+json" if document.get("type", "").startswith("Feature") else "application/json"
        self._send(HTTPStatus.OK, json.dumps(document).encode(), {"Content-Type": kind})

    def _send_line(self, status: HTTPStatus, line: str) -> None:
        self._send(status, f"{line}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def _send_file(self, path: Path) -> None:
        """Send a file, or the one byte range that was asked for (RFC 9110, section 14)."""
        size = path.stat().st_size
        kind = "image/tiff" if path.suffix.lower() == ".tif" else "application/octet-stream"
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
        wanted = parse_range(self.headers.get("Range"), size)
        if wanted is None:
            self._send(HTTPStatus.OK, path.read_bytes(), headers)
        elif wanted[0] >= wanted[1]:
            headers["Content-Range"] = f"bytes */{size}"
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", headers)
        else:
            start, stop = wanted
            with path.open("rb") as file:
                file.seek(start)
                content = file.read(stop - start)
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            self._send(HTTPStatus.PARTIAL_CONTENT, content, headers)

    def _send(self, status: HTTPStatus, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and end (exclusive) of a `Range` header for a file of `size` bytes.

    Returns:
        None when the whole file is to be sent: no header, another unit, several ranges, or nonsense, all of which a
        server may ignore. A pair with first >= end cannot be satisfied.
    """
    unit, _, spec = (header or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first + last).isdigit():
        return None
    if not first:
        return (max(size - int(last), 0), size) if int(last) else (size, size)
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


class ArchiveServer(ThreadingHTTPServer):
    """A server of one archive on 127.0.0.1, started with the object and stopped with its `with` block."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root: Path, port: int = 0) -> None:
        """Listen on `port`, or on a free one for 0.

        Raises:
            UserError: the port is taken, or `root` is not a folder.
        """
        self.archive = Archive(root)
        self._lock = threading.Lock()
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except OSError as error:
            raise UserError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): choose another one") from None

    @property
    def proxy_url(self) -> str:
        """What `http_proxy` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
        """Answer a request to the STAC API; the index is built by one thread alone."""
        with self._lock:
            return answer(self.archive.index, method, path, query, body)
