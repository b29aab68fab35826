"""Rule extract: cut the chips of one site at native resolution and write them as one zarr store."""

import argparse
from pathlib import Path

from anyband.runtime import step_main, usable_threads


def main() -> None:
    """Read the command line, the pairs and the scenes, and write the store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--site", required=True)
    parser.add_argument("--longitude", required=True, type=float, help="centre of the site, degrees")
    parser.add_argument("--latitude", required=True, type=float, help="centre of the site, degrees")
    parser.add_argument("--settings", required=True, help="JSON: extent_m, chip_m and chip_min_clear of the dataset")
    parser.add_argument("--scenes", required=True, type=Path, help="folder of the manifests of raw items")
    parser.add_argument("--pairs", required=True, type=Path, help="table of pairs, CSV")
    parser.add_argument("--threads", type=int, default=1, help="files read at the same time")
    parser.add_argument("--out", required=True, type=Path, help="the store, {dataset}/{site}.zarr")
    arguments = parser.parse_args()

    from anyband.chips.extraction import extract_site
    from anyband.chips.inputs import read_pairs
    from anyband.chips.screening import Site
    from anyband.config import Dataset

    settings = Dataset.model_validate_json(arguments.settings)
    site = Site(
        name=arguments.site,
        dataset=arguments.out.resolve().parent.name,
        longitude=arguments.longitude,
        latitude=arguments.latitude,
        extent_m=settings.extent_m,
        chip_m=settings.chip_m,
        chip_min_clear=settings.chip_min_clear,
        threads=usable_threads(arguments.threads),
    )
    extract_site(site, read_pairs(arguments.pairs, arguments.scenes), arguments.out)


if __name__ == "__main__":
    step_main(main)
