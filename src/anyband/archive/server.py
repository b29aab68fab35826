"""The embedded archive on the air: a STAC API and a file server with byte ranges, reached as an HTTP proxy.

Items and their assets name the stable host `archive.anyband.test`. The server listens on a free port of 127.0.0.1 and
takes the absolute-form requests that clients send to a proxy, so whoever has `http_proxy` set to it reaches that host
under its stable address, and what they record does not depend on the port. Requests for other hosts are refused.

    /stac                     landing page, /collections, /collections/{id}, .../items, .../items/{id}, /search
    /files/{site}/{path}      files of a site; GET and HEAD, single byte ranges
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from anyband.archive.holdings import Holdings
from anyband.archive.item_filters import BadRequestError
from anyband.archive.made import FILES, MADE
from anyband.archive.stac_api import APIS, BASE, HOST, NotFoundError, TooLargeError, answer
from anyband.archive.traps import small_pages
from anyband.runtime import UserError


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
            elif url.path.startswith((f"/{FILES}", f"/{MADE}")):
                self._send_file(url.path, self.server.holdings.content(unquote(url.path[1:])))
            else:
                path = unquote(url.path).rstrip("/")
                self._send_json(self.server.answer(self.command, path, url.query, body))
        except NotFoundError as error:
            self._send_line(HTTPStatus.NOT_FOUND, str(error))
        except BadRequestError as error:
            self._send_line(HTTPStatus.BAD_REQUEST, str(error))
        except TooLargeError as error:
            self._send_line(HTTPStatus.BAD_GATEWAY, json.dumps({"message": str(error)}))

    def _send_json(self, document: dict[str, Any]) -> None:
        kind = "application/geo+json" if document.get("type", "").startswith("Feature") else "application/json"
        self._send(HTTPStatus.OK, json.dumps(document).encode(), {"Content-Type": kind})

    def _send_line(self, status: HTTPStatus, line: str) -> None:
        self._send(status, f"{line}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def _send_file(self, name: str, content: Path | bytes) -> None:
        """Send a file, or the one byte range that was asked for (RFC 9110, section 14)."""
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        kind = "image/tiff" if name.lower().endswith(".tif") else "application/octet-stream"
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
        wanted = parse_range(self.headers.get("Range"), size)
        if wanted is None:
            self._send(HTTPStatus.OK, read_part(content, 0, size), headers)
        elif wanted[0] >= wanted[1]:
            headers["Content-Range"] = f"bytes */{size}"
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", headers)
        else:
            start, stop = wanted
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            self._send(HTTPStatus.PARTIAL_CONTENT, read_part(content, start, stop), headers)

    def _send(self, status: HTTPStatus, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def read_part(content: Path | bytes, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` (exclusive) of a file."""
    if isinstance(content, bytes):
        return content[start:stop]
    with content.open("rb") as file:
        file.seek(start)
        return file.read(stop - start)


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

    def __init__(self, root: Path, port: int = 0, traps: tuple[str, ...] = ()) -> None:
        """Listen on `port`, or on a free one for 0.

        Args:
            root: folder of simulated sites.
            port: of 127.0.0.1.
            traps: names from `traps`, changes of what is served.

        Raises:
            UserError: the port is taken, `root` is not a folder, or an unknown trap.
        """
        self.holdings = Holdings(root, traps)
        self.apis = {name: replace(api, paging=small_pages(api.paging, traps)) for name, api in APIS.items()}
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except OSError as error:
            raise UserError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): choose another one") from None

    @property
    def proxy_url(self) -> str:
        """What `http_proxy` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str, query: str, body: bytes) -> dict[str, Any]:
        """Answer a request to one of the STAC APIs.

        Raises:
            NotFoundError: no such API, or nothing there.
        """
        name, _, rest = path.strip("/").partition("/")
        if name not in self.apis:
            known = ", ".join(api.root for api in self.apis.values())
            raise NotFoundError(f"nothing at {path}: the APIs are {known}; files at {BASE}/files")
        api = self.apis[name]
        return answer(api, self.holdings.index(api), method, rest, query, body)
