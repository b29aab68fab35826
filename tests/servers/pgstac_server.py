"""A real pgstac on this machine: PostgreSQL with PostGIS from Debian, pypgstac and stac-fastapi.pgstac from PyPI."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from servers.slurm_cluster import free_ports
from tiny_workflow import ROOT

VENV = ROOT / ".venv-pgstac"
"""Kept between runs; the packages are no part of the project's own environment."""
PACKAGES = ("pypgstac[psycopg]", "stac-fastapi.pgstac", "uvicorn")
PROGRAMS = "/usr/lib/postgresql"
EXTENT = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}


def install() -> None:
    """Debian's and PyPI's packages, where they are not there yet."""
    if not list(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        command = ("apt-get", "install", "--yes", "--no-install-recommends", "postgresql", "postgresql-postgis")
        subprocess.run(command, check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    if not (VENV / "bin/uvicorn").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        subprocess.run([str(VENV / "bin/pip"), "install", "--quiet", *PACKAGES], check=True)


class PgStac:
    """Database and API while the context lasts, with the items that are given, at `url`."""

    def __init__(self, items: list[dict]):
        self.items, (self.port, self.api_port) = items, free_ports(2)
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.dsn = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.api = None

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pgstac-"))
        shutil.chown(self.folder, "postgres")
        self._as_postgres("initdb", "--pgdata=data", "--auth=trust", "--no-sync")
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._as_postgres("pg_ctl", "--pgdata=data", "--wait", "--log=log", f"--options={options}", "start")
        try:
            self._load()
            environment = os.environ | {"PGUSER": "postgres", "PGPASSWORD": "-", "PGHOST": "127.0.0.1"}
            environment |= {"PGPORT": str(self.port), "PGDATABASE": "postgres", "PYTHONPATH": ""}
            app = ("--factory", "stac_fastapi.pgstac.app:create_app")
            command = [str(VENV / "bin/uvicorn"), *app, "--host", "127.0.0.1", "--port", str(self.api_port)]
            with (self.folder / "api.log").open("w") as log:
                self.api = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=self.folder)
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.api is not None:
            self.api.terminate()
            self.api.wait(timeout=30)
        self._as_postgres("pg_ctl", "--pgdata=data", "--mode=immediate", "stop")
        shutil.rmtree(self.folder)

    def _as_postgres(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL, which refuses to be root."""
        path = max(Path(PROGRAMS).glob(f"*/bin/{program}"))
        command = ["runuser", "-u", "postgres", "--", str(path), *arguments]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=120)

    def _load(self) -> None:
        names = sorted({item["collection"] for item in self.items})
        described = {"type": "Collection", "stac_version": "1.0.0", "license": "other", "links": [], "extent": EXTENT}
        self._pypgstac("migrate")
        for table, rows in (
            ("collections", [described | {"id": n, "description": n} for n in names]),
            ("items", self.items),
        ):
            path = self.folder / f"{table}.ndjson"
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            self._pypgstac("load", table, str(path), "--method", "insert")

    def _pypgstac(self, *arguments: str) -> None:
        command = [str(VENV / "bin/pypgstac"), *arguments, "--dsn", self.dsn]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": ""})
        assert done.returncode == 0, done.stdout + done.stderr

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while True:
            try:
                if requests.get(f"{self.url}/collections", timeout=10).ok:
                    return
            except requests.RequestException:
                pass
            if self.api.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError((self.folder / "api.log").read_text()[-3000:])
            time.sleep(0.5)
