"""Rule hls_pairs: the tables of real HLS images for the experiment `real`, of all of them and of region A."""

from anyband.runtime import parse_options, step_main, write_csv


def main() -> None:
    """Read both tables, choose, write both."""
    arguments = parse_options(
        __doc__, "pairs", "out", index="index.csv of the images", region="table of region A to write"
    )

    import pandas as pd

    from anyband.folder.hls_images import choose_images

    table = choose_images(pd.read_csv(arguments.index), pd.read_csv(arguments.pairs))
    write_csv(arguments.out, table)
    write_csv(arguments.region, table[table["split"] == ""])


if __name__ == "__main__":
    step_main(main)
