"""Step search: ask the catalogue for the scenes and the label of one site and write one manifest a collection."""

import argparse
from pathlib import Path

from anyband.archive.stac_api import ROOT
from anyband.catalog.dialects import COLLECTIONS
from anyband.catalog.search import Catalogue, Site, site_query, write_manifest
from anyband.config import Dataset
from anyband.runtime import UserError, step_main

NEEDED = ("sentinel2", "landsat", "label")  # without them there is nothing to pair or to learn


def main() -> None:
    """Parse the command line, search, write."""
    parser = argparse.ArgumentParser(description="Search the scenes of one site.")
    parser.add_argument("--settings", required=True, help="settings of the dataset, JSON")
    parser.add_argument("--site", required=True)
    parser.add_argument("--longitude", type=float, required=True, help="degrees east")
    parser.add_argument("--latitude", type=float, required=True, help="degrees north")
    parser.add_argument("--out-dir", type=Path, required=True, help="folder of the manifests")
    arguments = parser.parse_args()

    settings = Dataset.model_validate_json(arguments.settings)
    site = Site(arguments.site, arguments.longitude, arguments.latitude, settings.extent_m)
    catalogue = Catalogue(ROOT if settings.catalog == "embedded" else settings.catalog)
    manifests = {}
    for product, collection in COLLECTIONS.items():
        # A label holds for its year; it need not overlap the dates of the scenes.
        days = None if product == "label" else (settings.start, settings.end)
        query = site_query(site, collection, days)
        items = catalogue.search(query)
        if not items and product in NEEDED:
            when = f" from {days[0]} to {days[1]}" if days else ""
            place = f"site {site.name} ({site.longitude:g}, {site.latitude:g})"
            raise UserError(
                f"{place}: no {collection} items{when} in {catalogue.endpoint}: change site, dates or catalog"
            )
        manifests[collection] = (query, items)
    for collection, (query, items) in manifests.items():
        write_manifest(arguments.out_dir / f"{collection}.json", catalogue.endpoint, query, items)


if __name__ == "__main__":
    step_main(main)
