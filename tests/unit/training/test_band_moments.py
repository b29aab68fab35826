import numpy as np
import pytest

from anyband.chips.dataset import load_split
from anyband.training.band_moments import measure
from small_split import CLASSES


def test_statistics_are_those_of_valid_training_pixels(dataset):
    table = load_split(*dataset, "train", ["sentinel2", "landsat"], CLASSES)
    statistics = measure(table, ["landsat", "sentinel2"])
    names = [(band.product, band.name) for band in statistics.bands]
    assert names[0] == ("sentinel2", "B02")
    assert names[-1] == ("landsat", "swir22")
    assert len(set(names)) == 19
    group = table.observation(np.arange(len(table)), {"landsat"}).groups[0]
    red = [band.name for band in group.band_sets[0]].index("red")
    pixels = group.values[:, red][group.valid[:, red]].double()
    entry = next(band for band in statistics.bands if band.name == "red")
    assert entry.mean == pytest.approx(float(pixels.mean()), rel=1e-6)
    assert entry.std == pytest.approx(float(pixels.std(unbiased=False)), rel=1e-5)
    assert sum(statistics.label_counts) == int((table.label >= 0).sum())
