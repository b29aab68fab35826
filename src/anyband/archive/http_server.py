"""The embedded archive on the air: STAC APIs and a file server with byte ranges, reached as an HTTP proxy.

Items and their assets name a stable host. The server listens on a free port of 127.0.0.1 and takes the absolute-form
requests that clients send to a proxy, so whoever has `http_proxy` set to it (`ArchiveServer.environment`) reaches the
host under its stable address, and what clients record does not depend on the port. Other hosts are refused.

    archive.anyband.test
        /stac, /sensors               one API each (`stac_api`): landing page, /collections, /search and so on
        /files/{site}/{path}          files of a site; GET and HEAD, single byte ranges

A command beside the server reaches the archive, gets our signals, and does not outlive us.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import FrameType, TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from anyband.archive.stac_api import (
    GEOJSON,
    JSON,
    OPENAPI,
    SENSORS,
    STAC,
    Api,
    Item,
    ItemIndex,
    RequestError,
    not_found,
)
from anyband.archive.stac_items import BASE, HOST
from anyband.runtime import UserError

FILES = "files/"


@dataclass(frozen=True)
class ClientRequest:
    """What a client asks for: `path` is decoded and without a leading slash, names of `headers` have any case."""

    method: str
    host: str
    path: str
    query: str
    headers: Message
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a client gets; `pieces`, if any, are sent instead of `content`, and an end before its length is abrupt."""

    status: HTTPStatus
    content: bytes
    headers: Mapping[str, str]
    pieces: Iterable[bytes] | None = None


Respond = Callable[[ClientRequest], Answer]
Hook = Callable[[ClientRequest, Respond], Answer]


class Handler(BaseHTTPRequestHandler):
    """One connection of one client."""

    server: "ArchiveServer"
    protocol_version = "HTTP/1.1"  # connections stay open over many range requests
    disable_nagle_algorithm = True  # else each answer may wait 40 ms for a delayed acknowledgement
    wbufsize = -1

    def do_GET(self) -> None:  # noqa: N802  (name set by the library)
        """Answer GET, POST and HEAD, the last one without the body."""
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(url.path).removeprefix("/")
        request = ClientRequest(self.command, url.hostname or HOST, path, url.query, self.headers, body)
        try:
            answer = self.server.answer(request)
        except RequestError as error:
            answer = text_answer(error.status, str(error))
        self._send(answer)

    do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep the log of the wrapped command to itself."""

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        left = len(answer.content)
        for piece in (answer.content,) if answer.pieces is None else answer.pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            left -= len(piece)
        self.close_connection = self.close_connection or left > 0


class ArchiveServer(ThreadingHTTPServer):
    """A server of one archive on 127.0.0.1; it listens from the start, and answers inside of its `with` block."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, root: Path, port: int = 0, apis: Iterable[Api] = (STAC, SENSORS), hook: Hook | None = None
    ) -> None:
        """Listen on `port`, or on a free one for 0.

        Args:
            root: folder of simulated sites.
            port: of 127.0.0.1.
            apis: what is served.
            hook: is given every request and the usual way to answer it, and answers in its place.

        Raises:
            UserError: the port is taken, or `root` is not a folder.
        """
        self.holdings = Holdings(root)
        self.apis = {api.name: api for api in apis}
        self._hook = hook
        try:
            super().__init__(("127.0.0.1", port), Handler)
        except OSError as error:
            raise UserError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): choose another one") from None

    def __enter__(self) -> Self:
        """Start to answer."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop answering and give the port back: a loop over a closed socket would spin for ever."""
        self.shutdown()
        self.server_close()

    @property
    def proxy_url(self) -> str:
        """What `http_proxy` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a process reaches the archive under its stable address.

        curl and GDAL read the lower-case name of the proxy, other clients either; `no_proxy` might exempt a host. The
        last is for dask workers (`chips.workers`), which do not share the environment.
        """
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ANYBAND_ARCHIVE"), self.proxy_url)
        return proxies | {"no_proxy": "", "NO_PROXY": ""}

    def answer(self, request: ClientRequest) -> Answer:
        """Answer a request, through the hook if there is one.

        Raises:
            RequestError: nothing is there, or a request that cannot be understood.
        """
        return self._answer(request) if self._hook is None else self._hook(request, self._answer)

    def _answer(self, request: ClientRequest) -> Answer:
        if request.host != HOST:
            line = f"this proxy leads to {HOST} only, not to {request.host}"
            raise RequestError(HTTPStatus.BAD_GATEWAY, line)
        if request.path.startswith(FILES):
            path = request.path.removeprefix(FILES)
            return file_answer(self.holdings.file(path), path, request)
        name, _, rest = request.path.rstrip("/").partition("/")
        if name not in self.apis:
            known = ", ".join(api.root for api in self.apis.values())
            raise not_found(f"nothing at {request.path}: the APIs are {known}; files are at {BASE}/{FILES}")
        api = self.apis[name]
        document = api.answer(self.holdings.index(api), request.method, rest, request.query, request.body)
        return json_answer(HTTPStatus.OK, document)


def json_answer(status: HTTPStatus, document: Mapping[str, Any]) -> Answer:
    """A JSON document under its own media type."""
    kind = GEOJSON if document.get("type", "").startswith("Feature") else OPENAPI if "openapi" in document else JSON
    return Answer(status, json.dumps(document).encode(), {"Content-Type": kind})


def text_answer(status: HTTPStatus, line: str) -> Answer:
    """A line of text."""
    return Answer(status, f"{line}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})


def file_answer(content: Path | bytes, name: str, request: ClientRequest) -> Answer:
    """A file, or the one byte range that was asked for (RFC 9110, section 14)."""
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    kind = "image/tiff" if name.lower().endswith(".tif") else "application/octet-stream"
    headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
    wanted = parse_range(request.headers.get("Range"), size)
    if wanted is None:
        return Answer(HTTPStatus.OK, _part(content, 0, size), headers)
    start, stop = wanted
    if start >= stop:
        unsatisfied = headers | {"Content-Range": f"bytes */{size}"}
        return Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", unsatisfied)
    ranged = headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Answer(HTTPStatus.PARTIAL_CONTENT, _part(content, start, stop), ranged)


def _part(content: Path | bytes, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` (exclusive)."""
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


class Holdings:
    """The folders of simulated sites below one root. Sites are renamed into place, so a visible one is complete."""

    def __init__(self, root: Path) -> None:
        """Serve the sites in `root`.

        Raises:
            UserError: `root` is not a folder.
        """
        if not root.is_dir():
            raise UserError(f"{root} is not a folder of simulated sites: run the simulate step first")
        self.root = root
        self._indexes: dict[str, ItemIndex] = {}
        self._lock = threading.Lock()

    @cached_property
    def items(self) -> list[Item]:
        """All items as stored."""
        return [json.loads(path.read_bytes()) for path in sorted(self.root.glob("[!.]*/items/[!.]*/[!.]*.json"))]

    def index(self, api: Api) -> ItemIndex:
        """The items of one API; made at the first request that needs them."""
        with self._lock:
            if api.name not in self._indexes:
                self._indexes[api.name] = ItemIndex(api.publish(self.items))
            return self._indexes[api.name]

    def file(self, path: str) -> Path:
        """The file behind `{site}/{path}`.

        Raises:
            RequestError: no such file; unknown or half-written sites have none.
        """
        site, *parts = PurePosixPath(path).parts or ("",)
        file = self.root.joinpath(site, "files", *parts)
        if site.startswith((".", "/")) or ".." in parts or not file.is_file():
            raise RequestError(HTTPStatus.NOT_FOUND, f"the archive holds no file files/{path}")
        return file


PARENT_CHECK_S = 0.5
GDAL_PROXIES = ("GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY")
"""Variables of a company's proxy, which GDAL would ask in place of the archive."""


def serve_from_command_line(
    parser: argparse.ArgumentParser, make_server: Callable[[argparse.Namespace], ArchiveServer]
) -> None:
    """Parse `ARCHIVE [--port N] [own options of parser] [-- COMMAND]`, serve, and run the command or wait for Ctrl-C.

    Raises:
        SystemExit: with the exit status of the command.
    """
    parser.add_argument("archive", type=Path, help="folder of simulated sites")
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1; 0 takes a free one")
    own = sys.argv[1:]
    dashes = own.index("--") if "--" in own else len(own)
    own, command = own[:dashes], own[dashes + 1 :]
    arguments = parser.parse_args(own)
    if "--" in sys.argv and not command:
        parser.error("no command after --")
    with make_server(arguments) as server:
        if command:
            sys.exit(run_beside(server, command))
        serve_until_interrupted(server)


def run_beside(server: ArchiveServer, command: list[str]) -> int:
    """Run `command` with the archive within reach and return its exit status (128 + n when signal n ended it).

    Signals are handed on. When our own parent dies without a word (SIGKILL), the command is ended too.

    Raises:
        UserError: the command cannot be started.
    """
    try:
        others = {name: value for name, value in os.environ.items() if name not in GDAL_PROXIES}
        child = subprocess.Popen(command, env=others | server.environment)
    except OSError as error:
        raise UserError(f"cannot start {command[0]}: {error.strerror}") from None

    def hand_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    threading.Thread(target=end_with_parent, args=(child,), daemon=True).start()
    status = child.wait()
    return 128 - status if status < 0 else status


def end_with_parent(child: subprocess.Popen[bytes]) -> None:
    """Terminate `child` once this process has been left to another parent."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    child.terminate()


def serve_until_interrupted(server: ArchiveServer) -> None:
    """Say how to reach the archive, then wait for Ctrl-C or SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell may have us ignore the latter in the background
        signal.signal(number, signal.default_int_handler)
    variables = " ".join(f"{name}={value}" for name, value in server.environment.items())
    roots = ", ".join(api.root for api in server.apis.values())
    sys.stderr.write(f"Serving {roots}; Ctrl-C ends. To reach {BASE}, set {variables}\n")
    sys.stderr.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        sys.stderr.write("ended\n")
