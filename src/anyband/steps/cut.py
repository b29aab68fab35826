"""Rule cut: cut the chips of a folder of one's own images and write them as one zarr store."""

from anyband.config import Dataset
from anyband.runtime import parse_options, step_main


def main() -> None:
    """Read the files that the settings name and write the store, {dataset}/{site}.zarr."""
    arguments = parse_options(__doc__, "site", "out", settings=Dataset)

    from anyband.folder.cutting import cut_folder

    settings: Dataset = arguments.settings
    assert settings.files is not None
    dataset = arguments.out.resolve().parent.name
    cut_folder(settings.files, dataset, arguments.site, settings.chip_m, settings.chip_min_clear, arguments.out)


if __name__ == "__main__":
    step_main(main)
