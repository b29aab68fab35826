"""`anyband harmonise` on a scene, and the scores of converters on chips."""

import datetime as dt

import numpy as np
import pytest
import rasterio

from anyband.apply.harmonise import harmonise_item
from anyband.apply.harmonise_score import score
from anyband.runtime import UserError
from item_files import item_file
from scenes import SceneFolder
from small_split import fabricate_split


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = SceneFolder(tmp_path_factory.mktemp("site"), 32632, (602_400.0, 5_197_620.0), extent_m=960)
    folder.add_pair(dt.date(2022, 5, 3), cloudy={"qa_pixel": (0.5, 2)})
    return folder


def test_the_file_has_the_bands_of_the_target_where_the_source_saw_the_ground(site, tmp_path):
    out = tmp_path / "as-landsat.tif"
    harmonise_item(item_file(tmp_path, site, "sentinel2"), "landsat-9", out)
    with rasterio.open(out) as file:
        assert file.descriptions == ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
        assert (file.transform.a, file.crs.to_epsg(), file.nodata) == (30.0, 32632, -9999)
        assert file.scales == pytest.approx([1e-4] * 7)
        assert float(file.tags(4)["center_wavelength"]) == pytest.approx(0.655, abs=0.002)
        red = file.read(4)
    with rasterio.open(site.path("sentinel2", 0, "B04")) as file:
        stored = file.read(1)
    seen = np.clip((stored - 1000.0) / 10_000, 0, 1.6)
    mean = seen.reshape(red.shape[0], 3, red.shape[1], 3).mean(axis=(1, 3))
    wanted = 0.9765 * mean + 0.0009
    assert red[4:-4, 4:-4] / 1e4 == pytest.approx(wanted[4:-4, 4:-4], abs=1e-4)


def test_clouds_of_the_source_are_nodata(site, tmp_path):
    out = tmp_path / "as-sentinel2.tif"
    harmonise_item(item_file(tmp_path, site, "landsat"), "sentinel-2b", out, resampling="linear")
    with rasterio.open(out) as file:
        assert file.transform.a == 10.0
        valid = (file.read() != -9999).all(axis=0)
        assert (valid == (file.read() != -9999).any(axis=0)).all()
    assert valid.mean() == pytest.approx(0.5, abs=0.03)
    assert valid[:, :40].all()
    with pytest.raises(UserError, match="--resampling 'nearest' does not exist"):
        harmonise_item(item_file(tmp_path, site, "landsat"), "sentinel-2b", out, resampling="nearest")


def test_scores_know_a_perfect_harmoniser_and_a_biased_one(tmp_path, monkeypatch):
    """The stand-ins answer with the truth, moved by 0.02 in the second: off by a grid, neither would come out."""
    import anyband.apply.harmonise_score as module
    from anyband.apply.harmonisers.resample import resample

    chips, splits = fabricate_split(tmp_path)
    truth = {}

    class Oracle:
        def __init__(self, task, bias):
            self.bands, self.bias = task.target.band_set(("coastal", "blue", "green", "red")).bands, bias

        def __call__(self, observation, query):
            values, valid, _ = resample(truth["now"](query), query, "linear")
            return values[:, :4] + self.bias, valid[:, :4].all(dim=1)

    monkeypatch.setattr(module, "harmoniser", lambda method, task: Oracle(task, 0.02 if method == "biased" else 0.0))
    whole = module.ChipDataset.observation

    def observation(table, indices, products, crop=None):
        found = whole(table, indices, products, crop)
        landsat = found.only(frozenset({"landsat"}))
        truth["now"] = lambda query: module._seen_from(landsat, landsat.groups[0]) if query.pixel_m == 30 else landsat
        return found

    monkeypatch.setattr(module.ChipDataset, "observation", observation)
    table = score(chips, splits, "sentinel2", "landsat", ["perfect", "biased"])
    perfect, biased = (table[table["converter"] == name].set_index("band") for name in ("perfect", "biased"))
    assert list(perfect.index) == ["coastal", "blue", "green", "red", "shared"]
    assert perfect["rmse"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert perfect["sam_deg"]["shared"] == pytest.approx(0, abs=0.05)
    assert biased["rmse"].to_numpy() == pytest.approx(0.02, abs=1e-4)
    assert biased["bias"].to_numpy() == pytest.approx(0.02, abs=1e-4)
    assert biased["sam_deg"]["shared"] > 0.05


def test_bandpass_is_scored_in_both_directions(tmp_path):
    chips, splits = fabricate_split(tmp_path)
    for source, target, count in (("landsat", "sentinel2", 7), ("sentinel2", "landsat", 7)):
        table = score(chips, splits, source, target, ["bandpass"])
        assert len(table) == count + 1
        assert np.isfinite(table[["rmse", "bias"]].to_numpy()).all()
    with pytest.raises(UserError, match="--source and --target are both landsat"):
        score(chips, splits, "landsat", "landsat", ["bandpass"])
    with pytest.raises(UserError, match="runs/a"):
        score(chips, splits, "landsat", "sentinel2", ["analytic=runs/a"])
