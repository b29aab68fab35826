"""Rule pair: choose the pairs of scenes of one site from its manifests; write them and what is left out."""

import sys
from dataclasses import asdict

from anyband.catalog.manifests import read_manifest
from anyband.catalog.pairs.scene_pair import pairs_as_json
from anyband.catalog.pairs.site_pairs import DROP_COLUMNS, as_csv, pair_columns, pair_site
from anyband.catalog.pairs.why_none import why_none
from anyband.catalog.sites import Site
from anyband.config import Dataset
from anyband.products import CATALOGUED
from anyband.runtime import parse_options, step_main, write_text


def main() -> None:
    """Read the manifests, pair, write the tables and the scenes."""
    arguments = parse_options(
        __doc__,
        *("site", "longitude", "latitude", "scenes", "pairs"),
        settings=Dataset,
        dropped="table of dropped scenes to write, CSV",
        acquisitions="parsed scenes of the pairs to write, JSON",
    )
    settings = arguments.settings
    site = Site(arguments.site, arguments.longitude, arguments.latitude, settings.extent_m)
    extra = settings.extra_products
    items = {product: read_manifest(arguments.scenes / f"{product}.json") for product in (*CATALOGUED, *extra)}
    rows, drops, kept = pair_site(site, items, settings.max_day_gap, settings.min_clear, settings.exclude, extra)
    if not rows:
        sys.stderr.write(f"anyband: {why_none(site, drops)}\n")
    write_text(arguments.pairs, as_csv(pair_columns(extra), rows))
    write_text(arguments.acquisitions, pairs_as_json(kept))
    write_text(arguments.dropped, as_csv(DROP_COLUMNS, [asdict(entry) for entry in drops]))


if __name__ == "__main__":
    step_main(main)
