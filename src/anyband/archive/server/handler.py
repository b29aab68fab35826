"""One connection of one client to the archive's server: who asks for what, on which host."""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from anyband.archive.server.environment import S3_HOST
from anyband.archive.server.item_filters import BadRequestError
from anyband.archive.server.stac_api import HOST, NotFoundError, TooLargeError
from anyband.runtime import UserError
from anyband.testing.faults import AZURE_HOST, HTML, SLOW, TOKENS, TRUNCATED, UNAVAILABLE

if TYPE_CHECKING:
    from anyband.archive.server import ArchiveServer

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
SLOW_PARTS = 4
READER_PAYS = "x-amz-request-payer"


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
            match url.hostname or HOST:
                case host if host == HOST:
                    self._answer_archive(url, body)
                case host if host == S3_HOST:
                    self._answer_bucket(unquote(url.path[1:]))
                case host if host == AZURE_HOST:
                    self._answer_container(url)
                case host:
                    hosts = f"{HOST}, {S3_HOST} and {AZURE_HOST}"
                    self._send_line(HTTPStatus.BAD_GATEWAY, f"this proxy leads to {hosts} only, not to {host}")
        except NotFoundError as error:
            self._send_line(HTTPStatus.NOT_FOUND, str(error))
        except BadRequestError as error:
            self._send_line(HTTPStatus.BAD_REQUEST, str(error))
        except UserError as error:
            self._send_line(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except TooLargeError as error:
            self._send_line(HTTPStatus.BAD_GATEWAY, json.dumps({"message": str(error)}))

    def _answer_archive(self, url: SplitResult, body: bytes) -> None:
        """The archive's own host: APIs, the token endpoint, files."""
        path = unquote(url.path)
        if path.startswith(TOKENS):
            self._send_token(path.removeprefix(TOKENS))
        elif path.split("/")[1] not in ("", *self.server.apis):
            self._send_file(self.server.file_path(path[1:]))
        elif path.rstrip("/").endswith("/search") and self.server.weather.search_fails():
            self._send_line(HTTPStatus.SERVICE_UNAVAILABLE, "upstream connect error or disconnect/reset before headers")
        else:
            self._send_json(HTTPStatus.OK, self.server.answer(self.command, path.rstrip("/"), url.query, body))

    def _answer_bucket(self, key: str) -> None:
        """Buckets in the manner of S3, where the reader says that he pays."""
        if self.headers.get(READER_PAYS) != "requester":
            self._send_xml(HTTPStatus.FORBIDDEN, "AccessDenied", "Access Denied")
        else:
            self._send_file(self.server.file_path(key))

    def _answer_container(self, url: SplitResult) -> None:
        """Containers in the manner of Azure, for whoever has a token."""
        if not self.server.weather.admits(url.query):
            reason = "Server failed to authenticate the request. Signature not valid in the specified time frame."
            self._send_xml(HTTPStatus.FORBIDDEN, "AuthenticationFailed", reason)
        else:
            self._send_file(self.server.file_path(unquote(url.path[1:])))

    def _send_token(self, container: str) -> None:
        document = self.server.weather.token(container)
        if document is None:
            refusal = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}
            self._send_json(HTTPStatus.TOO_MANY_REQUESTS, refusal)
        else:
            self._send_json(HTTPStatus.OK, document)

    def _send_json(self, status: HTTPStatus, document: Mapping[str, Any]) -> None:
        kind = "application/geo+json" if document.get("type", "").startswith("Feature") else "application/json"
        self._send(status, json.dumps(document).encode(), {"Content-Type": kind})

    def _send_line(self, status: HTTPStatus, line: str) -> None:
        self._send(status, f"{line}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def _send_xml(self, status: HTTPStatus, code: str, message: str) -> None:
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self._send(status, text.encode(), {"Content-Type": "application/xml"})

    def _send_file(self, path: str) -> None:
        """Send a file, or the one byte range that was asked for (RFC 9110, section 14), unless a fault comes first."""
        content = self.server.holdings.content(path)
        fault = self.server.holdings.lasting_fault(path) or self.server.weather.file(path)
        if fault == UNAVAILABLE:
            self._send_xml(HTTPStatus.SERVICE_UNAVAILABLE, "ServerBusy", "Egress is over the account limit.")
            return
        if fault == HTML:
            self._send(HTTPStatus.OK, PAGE, {"Content-Type": "text/html; charset=utf-8"})
            return
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        kind = "image/tiff" if path.lower().endswith(".tif") else "application/octet-stream"
        headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
        wanted = parse_range(self.headers.get("Range"), size)
        if wanted is None:
            self._send(HTTPStatus.OK, read_part(content, 0, size), headers, fault)
        elif wanted[0] >= wanted[1]:
            headers["Content-Range"] = f"bytes */{size}"
            self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", headers)
        else:
            start, stop = wanted
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            self._send(HTTPStatus.PARTIAL_CONTENT, read_part(content, start, stop), headers, fault)

    def _send(self, status: HTTPStatus, content: bytes, headers: Mapping[str, str], fault: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == TRUNCATED:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif fault == SLOW:
            step = len(content) // SLOW_PARTS + 1
            for start in range(0, len(content), step):
                time.sleep(self.server.weather.faults.slow_s / SLOW_PARTS)
                self.wfile.write(content[start : start + step])
                self.wfile.flush()
        else:
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
