"""A file server that answers after a delay and counts requests and bytes, in a process of its own."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextmanager
def delayed_server(folder: Path, delay_s: float) -> Iterator[str]:
    """Serve the files of `folder`; gives the address. `/reset` and `/count` are not delayed."""
    command = [sys.executable, __file__, str(folder), str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


class Handler(BaseHTTPRequestHandler):
    """Sends whole files and single ranges."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def do_HEAD(self) -> None:  # noqa: N802
        """As GET, without the body."""
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802
        """Answer after the delay."""
        server = self.server
        if self.path in ("/reset", "/count"):
            body = json.dumps(server.count).encode()
            if self.path == "/reset":
                server.count.update(requests=0, mb=0.0)
            self.send(200, body, {})
            return
        time.sleep(server.delay_s)
        path = server.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send(404, b"", {})
            return
        size = path.stat().st_size
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        first, last = (int(n) if n else size - 1 for n in wanted.split("-")) if wanted else (0, size - 1)
        last = min(last, size - 1)
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        self.send(206 if wanted else 200, body, {"Content-Range": f"bytes {first}-{last}/{size}"} if wanted else {})
        with server.lock:
            server.count["requests"] += 1
            server.count["mb"] += len(body) / 1e6 if self.command == "GET" else 0

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


if __name__ == "__main__":
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.folder, server.delay_s, server.lock = Path(sys.argv[1]), float(sys.argv[2]), threading.Lock()
    server.count = {"requests": 0, "mb": 0.0}
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
