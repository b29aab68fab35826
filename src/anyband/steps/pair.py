"""Step pair: choose the pairs of scenes of one site from its manifests; write them and what was dropped."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from anyband.catalog.api import Site, read_manifest
from anyband.catalog.pairs.site_pairs import DROP_COLUMNS, as_csv, pair_columns, pair_site, why_none
from anyband.config import Dataset
from anyband.products import CATALOGUED
from anyband.runtime import step_main, write_text


def main() -> None:
    """Parse the command line, pair, write."""
    parser = argparse.ArgumentParser(description="Pair the scenes of one site.")
    parser.add_argument("--settings", required=True, help="settings of the dataset, JSON")
    parser.add_argument("--site", required=True)
    parser.add_argument("--longitude", type=float, required=True, help="degrees east")
    parser.add_argument("--latitude", type=float, required=True, help="degrees north")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of the manifests")
    parser.add_argument("--pairs", type=Path, required=True, help="table of pairs to write, CSV")
    parser.add_argument("--dropped", type=Path, required=True, help="table of dropped scenes to write, CSV")
    arguments = parser.parse_args()

    settings = Dataset.model_validate_json(arguments.settings)
    site = Site(arguments.site, arguments.longitude, arguments.latitude, settings.extent_m)
    extra = settings.extra_products
    items = {product: read_manifest(arguments.scenes / f"{product}.json") for product in (*CATALOGUED, *extra)}
    rows, drops = pair_site(site, items, settings.max_day_gap, settings.min_clear, settings.exclude, extra)
    if not rows:
        sys.stderr.write(f"anyband: {why_none(site, drops)}\n")
    write_text(arguments.pairs, as_csv(pair_columns(extra), rows))
    write_text(arguments.dropped, as_csv(DROP_COLUMNS, [asdict(entry) for entry in drops]))


if __name__ == "__main__":
    step_main(main)
