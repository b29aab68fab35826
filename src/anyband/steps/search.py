"""Step search: ask the catalogue for the scenes and the label of one site and write one manifest a product."""

import argparse
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from anyband.catalog.api import Catalogue, Site, site_query, write_manifest
from anyband.catalog.providers import Source, sources
from anyband.config import Dataset
from anyband.runtime import UserError, step_main

NEEDED = ("sentinel2", "landsat", "label")  # without them there is nothing to pair or to learn

open_catalogue = cache(Catalogue)  # one connection for all products of a provider


def main() -> None:
    """Parse the command line, search, write."""
    arguments = parse("Search the scenes of one site.")
    settings = Dataset.model_validate_json(arguments.settings)
    search(arguments, settings, sources(settings.catalog, lambda url: open_catalogue(url).collections()))


def parse(description: str) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--settings", required=True, help="settings of the dataset, JSON")
    parser.add_argument("--site", required=True)
    parser.add_argument("--longitude", type=float, required=True, help="degrees east")
    parser.add_argument("--latitude", type=float, required=True, help="degrees north")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder of the manifests")
    return parser.parse_args()


def search(arguments: argparse.Namespace, settings: Dataset, wanted: Mapping[str, Source]) -> None:
    """Ask for each product at its source; the manifests are written when all have answered."""
    site = Site(arguments.site, arguments.longitude, arguments.latitude, settings.extent_m)
    manifests = {}
    for product, source in wanted.items():
        # A label holds for its year; it need not overlap the dates of the scenes.
        days = None if product == "label" else (settings.start, settings.end)
        query = site_query(site, source.collection, days)
        found = open_catalogue(source.endpoint).search(query, source.page)
        if not found.items and product in NEEDED:
            when = f" from {days[0]} to {days[1]}" if days else ""
            place = f"site {site.name} ({site.longitude:g}, {site.latitude:g})"
            what = f"no {source.collection} items{when} in {source.endpoint}"
            raise UserError(f"{place}: {product} missing, {what}: change site, dates or catalog")
        if found.repeated:
            repeated = f"{found.repeated} items of {source.collection} twice, kept once"
            sys.stderr.write(f"anyband: {source.endpoint} sent {repeated}\n")
        manifests[product] = (source.endpoint, query, found.items)
    for product, manifest in manifests.items():
        write_manifest(arguments.out_dir / f"{product}.json", *manifest)


if __name__ == "__main__":
    step_main(main)
