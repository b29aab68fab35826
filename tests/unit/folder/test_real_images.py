"""Real images that may lie beside the checkout (`../shared/realdata`) become datasets; else nothing is tested."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from anyband.chips.store import chip_entries, open_site
from anyband.config.schema import Dataset
from anyband.folder.cutting import cut_folder
from anyband.folder.hls_images import choose_images

REAL = Path(__file__).parents[4] / "shared" / "realdata"
ABERYSTWYTH = """
source: folder
classes: {'1': forest, '2': grass, '3': urban, '4': water}
files:
  folder: FOLDER
  sensors:
    sentinel2: {file: 'sen2_20210527_aber_t{chip}.tif', scale: 0.001, nodata: 0,
      bands: [B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12]}
  labels: {file: sen2_20210527_aber_cls.tif}
"""
GEWATA = """
source: folder
classes: {'1': cropland, '2': bamboo, '3': bare, '4': coffee, '5': forest, '6': wetland}
files:
  folder: FOLDER
  sensors:
    landsat: {file: 'gewata_landsat7_sr_{chip}.tif', scale: 0.0001, bands: [blue, green, red, nir08, swir16, swir22]}
  labels: {file: gewata_lulc2011.tif}
"""


@pytest.mark.skipif(not (REAL / "hls-pairs").is_dir(), reason="no hls-pairs beside the checkout")
def test_images_of_hls_are_chosen_by_the_rules_of_their_source():
    folder = REAL / "hls-pairs"
    index = pd.read_csv(folder / "index.csv")
    table = choose_images(index, pd.read_csv(folder / "pairs.csv"))
    assert (table["hls_s30"] != "").sum() == 132 and (table["hls_l30"] != "").sum() == 45
    both = table[(table["hls_s30"] != "") & (table["hls_l30"] != "")]
    assert len(both) == 14 and set(both["split"]) == {""}, "only region A has pairs"
    block = dict(zip(index["image"], index["block"], strict=True))
    assert all(
        f"b{block[int(s)]}" == f"b{block[int(other)]}"
        for s, other in zip(both["hls_s30"], both["hls_l30"], strict=True)
    )


@pytest.mark.skipif(not (REAL / "hls-pairs").is_dir(), reason="no hls-pairs beside the checkout")
@pytest.mark.parametrize(
    ("name", "text", "chips", "product"),
    [("aberystwyth-sentinel2", ABERYSTWYTH, 50, "sentinel2"), ("gewata-landsat7", GEWATA, 900, "landsat")],
)
def test_a_folder_is_a_dataset_in_under_ten_lines(tmp_path, name, text, chips, product):
    settings = Dataset.model_validate(yaml.safe_load(text.replace("FOLDER", str(REAL / name))))
    assert settings.files is not None and len(text.strip().splitlines()) < 10
    cut_folder(settings.files, "mine", "files", settings.chip_m, 0.8, tmp_path / "files.zarr")
    entries = chip_entries(open_site(tmp_path / "files.zarr"))
    assert len(entries) >= chips and {tuple(entry["platforms"]) for entry in entries} == {(product,)}
