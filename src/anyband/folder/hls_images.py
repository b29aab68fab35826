"""The images of `hls-pairs` (real HLS, S30 and L30) that the experiment `real` takes, by the rules of their SOURCE.md.

Left out are images in flood, or clouded. Of a place, images of both sensors go together where they were taken on one
day or nearly (correlation of the near infrared above 0.95, the best first); all others stand alone. Region A trains and
the rest is the strict test.
"""

import pandas as pd

SAME_DAY = 0.95
FLOOD, LEAST_NDVI, CLOUD = 0.25, 0.05, 0.3


def choose_images(index: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per image, or per pair of images: chip, the number of the image by sensor, label, block, split.

    Args:
        index: `index.csv`.
        pairs: `pairs.csv`.
    """
    index = index.set_index("image")
    flooded = (index["water_mask_on_land_fraction"] > FLOOD) | (index["median_land_ndvi"] < LEAST_NDVI)
    index = index[~flooded & (index["cloud_shadow_fraction"] <= CLOUD)]
    near = pairs[(pairs["r_nir"] > SAME_DAY) & pairs["s30_image"].isin(index.index)]
    near = near[near["l30_image"].isin(index.index)].sort_values("r_nir", ascending=False)
    images: list[tuple[int, int]] = []
    used: set[int] = set()
    for s30, l30 in near[["s30_image", "l30_image"]].to_numpy().tolist():
        if not {s30, l30} & used:
            used |= {s30, l30}
            images.append((s30, l30))
    alone = [(image, -1) if index.at[image, "sensor"] == "S30" else (-1, image) for image in index.index]
    images += [pair for pair in alone if max(pair) not in used]
    rows = []
    for s30, l30 in sorted(images, key=max):
        first = s30 if s30 >= 0 else l30
        names = {f"hls_{key}": f"{image:03d}" if image >= 0 else "" for key, image in (("s30", s30), ("l30", l30))}
        split = "" if index.at[first, "region"] == "A" else "test"
        block = f"b{int(index['block'][first])}"
        rows.append({"chip": f"i{first:03d}", **names, "label": f"{first:03d}", "block": block, "split": split})
    return pd.DataFrame(rows)
