"""How long the search of 40 sites and 5 products takes, one process a site as Snakemake starts them.

    python benchmarks/search.py

An archive of items without files (8 months, Sentinel-2 every 5 days, Landsat every 8, HLS of both, one label) is made
in a temporary folder and served by `anyband.steps.serve`; times are wall-clock seconds, and CPU seconds without the
server's. Beside it stand the same searches in one process, by our own catalogue and by pystac-client as its manual has
them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anyband.archive.item_properties import AssetFile, ItemDescription
from anyband.archive.stac_items import build_item
from anyband.catalog.api import Catalogue
from anyband.catalog.manifests import site_query
from anyband.catalog.sites import Site, draw_sites
from anyband.config import Dataset
from anyband.providers import CATALOGUES

SITES, SEED, EXTENT_M = 40, 0, 3840
START, DAYS = datetime(2022, 2, 1, 10, 15, tzinfo=UTC), 240
REPEAT = {"sentinel2": 5, "landsat": 8, "hls_s30": 5, "hls_l30": 8, "label": DAYS}
FILES = {"sentinel2": "B02", "landsat": "red", "hls_s30": "B04", "hls_l30": "B04", "label": "map"}
SETTINGS = Dataset(catalog="embedded", start=START.date(), end=(START + timedelta(DAYS)).date(), extent_m=EXTENT_M)


def sites():
    """The places that are searched."""
    return [Site(name, *position, EXTENT_M) for name, position in draw_sites(SITES, SEED).items()]


def write_archive(root):
    """Items of all sites below `root`, and their number."""
    count = 0
    for site in sites():
        for product, repeat in REPEAT.items():
            for day in range(0, DAYS, repeat):
                item = build_item(scene(site, product, START + timedelta(day)))
                path = root / site.name / "items" / item["collection"] / f"{item['id']}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(item))
                count += 1
    return count


def scene(site, product, when):
    """One scene that covers a site."""
    label, sentinel2 = product == "label", product in ("sentinel2", "hls_s30")
    epsg = 4326 if label else site.utm_epsg
    west, south, east, north = (value + step for value, step in zip(site.bbox, (-0.4, -0.4, 0.4, 0.4), strict=True))
    file = AssetFile(f"{when:%Y%m%d}.tif", epsg, (30.0, 0.0, 600_000.0, 0.0, -30.0, 5_100_000.0), (408, 408))
    return ItemDescription(
        product=product,
        platform="" if label else "sentinel-2a" if sentinel2 else "landsat-9",
        datetime=when,
        dataset="main",
        site=site.name,
        epsg=epsg,
        assets={FILES[product]: file},
        footprint=[(west, south), (east, south), (east, north), (west, north)],
        cloud_cover=10.0,
        sun_zenith=30.0,
        sun_azimuth=150.0,
        view_zenith=3.0,
        view_azimuth=100.0,
        baseline="04.00" if product == "sentinel2" else None,
        generation_time=when + timedelta(hours=7),
        simulated="benchmark",
    )


def by_processes(folder):
    """The step, once a site."""
    for site in sites():
        command = [sys.executable, "-m", "anyband.steps.search", "--settings", SETTINGS.as_json(), "--site", site.name]
        place = [f"--longitude={site.longitude}", f"--latitude={site.latitude}", "--out-dir", f"{folder}/{site.name}"]
        subprocess.run([*command, *place], check=True)
    return sum(len(json.loads(path.read_text())["items"]) for path in Path(folder).glob("*/*.json"))


def queries():
    """Source and query of every site and product."""
    for site in sites():
        for product, source in CATALOGUES["embedded"].items():
            days = None if product == "label" else (SETTINGS.start, SETTINGS.end)
            yield source, site_query(site, source.collection, days)


def by_catalogue():
    """Our own catalogue, one for each site, as a step has it."""
    found = 0
    for number, (source, query) in enumerate(queries()):
        if number % len(REPEAT) == 0:
            catalogue = Catalogue(source.endpoint)
        found += len(catalogue.search(query, source.page))
    return found


def by_pystac_client():
    """pystac-client alone, one client for all."""
    from pystac_client import Client

    client, found = None, 0
    for source, query in queries():
        client = client or Client.open(source.endpoint)
        found += len(list(client.search(**query, limit=source.page).items_as_dicts()))
    return found


def measure():
    """Time the three ways against the server that this process runs beside."""
    by_pystac_client()  # the server reads its items at the first request
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "one process a site": lambda: by_processes(folder),
            "one process": by_catalogue,
            "pystac-client, one process": by_pystac_client,
        }
        times = {}
        for name, way in ways.items():
            start, spent = time.perf_counter(), sum(os.times()[:4])
            found = way()
            times[name] = time.perf_counter() - start
            spent = sum(os.times()[:4]) - spent
            print(f"{name:30} {times[name]:7.2f} s, CPU {spent:6.2f} s  {found} items", flush=True)
    plain = times.pop("pystac-client, one process")
    for name, seconds in times.items():
        print(f"{name} / pystac-client: {seconds / plain:.2f}")


def main():
    """Make the archive and run the measurement beside its server."""
    if sys.argv[1:] == ["--beside"]:
        measure()
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"{SITES} sites, {write_archive(Path(folder))} items, {len(os.sched_getaffinity(0))} cores", flush=True)
        beside = [sys.executable, "-m", "anyband.steps.serve", folder, "--", sys.executable, __file__, "--beside"]
        subprocess.run(beside, check=True)


if __name__ == "__main__":
    main()
