"""Rule search: ask the catalogue for the scenes and the label of one site and write one manifest a product."""

from functools import cache

from anyband.catalog.api import Catalogue
from anyband.catalog.manifests import site_query, write_manifest
from anyband.catalog.sites import Site
from anyband.config import Dataset
from anyband.products import CATALOGUED, EXTRA
from anyband.providers import extra_sources, sources
from anyband.runtime import UserError, parse_options, step_main

NEEDED = ("sentinel2", "landsat", "label")  # without them there is nothing to pair or to learn

open_catalogue = cache(Catalogue)  # one connection for all products of a provider


def main() -> None:
    """Ask for each product at its source; the manifests are written when all have answered."""
    arguments = parse_options(
        __doc__,
        *("site", "longitude", "latitude"),
        settings=Dataset,
        products={"type": str, "nargs": "+", "required": False, "default": CATALOGUED, "help": "keys of the products"},
        out_dir="folder of the manifests",
    )
    settings: Dataset = arguments.settings
    site = Site(arguments.site, arguments.longitude, arguments.latitude, settings.extent_m)
    known = sources(settings.catalog, lambda api: open_catalogue(api.endpoint, api.key).collections()) | extra_sources(
        EXTRA
    )
    manifests = {}
    for product in arguments.products:
        source = known[product]
        # A label holds for its year; it need not overlap the dates of the scenes.
        days = None if product == "label" else (settings.start, settings.end)
        query = site_query(site, source.collection, days)
        found = open_catalogue(source.endpoint, source.key).search(query, source.page)
        if not found and product in NEEDED:
            when = f" from {days[0]} to {days[1]}" if days else ""
            place = f"site {site.name} ({site.longitude:g}, {site.latitude:g})"
            what = f"no {source.collection} items{when} in {source.endpoint}"
            raise UserError(f"{place}: {product} missing, {what}: change site, dates or catalog")
        manifests[product] = (source.endpoint, query, found)
    for product, manifest in manifests.items():
        write_manifest(arguments.out_dir / f"{product}.json", *manifest)


if __name__ == "__main__":
    step_main(main)
