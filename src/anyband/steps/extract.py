"""Rule extract: cut the chips of one site at native resolution and write them as one zarr store."""

from anyband.config import Dataset
from anyband.runtime import parse_options, step_main, usable_threads


def main() -> None:
    """Read the pairs and write the store, {dataset}/{site}.zarr."""
    arguments = parse_options(
        __doc__,
        *("site", "longitude", "latitude", "threads", "out"),
        settings=Dataset,
        pairs="parsed scenes of the pairs, JSON",
    )

    from anyband.catalog.pairs.scene_pair import read_pairs
    from anyband.chips.extraction import ChipSite, extract_site

    site = ChipSite(
        name=arguments.site,
        dataset=arguments.out.resolve().parent.name,
        longitude=arguments.longitude,
        latitude=arguments.latitude,
        extent_m=arguments.settings.extent_m,
        chip_m=arguments.settings.chip_m,
        chip_min_clear=arguments.settings.chip_min_clear,
        threads=usable_threads(arguments.threads),
    )
    extract_site(site, read_pairs(arguments.pairs), arguments.out)


if __name__ == "__main__":
    step_main(main)
