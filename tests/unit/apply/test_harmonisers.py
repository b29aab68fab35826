"""Harmonisers between sensors, on pixels whose answer is known."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from anyband.apply.harmonisers import HarmoniseTask, harmoniser, target_sensor, trained
from anyband.apply.harmonisers.bandpass import Bandpass
from anyband.apply.harmonisers.resample import _cubic, resample
from anyband.apply.harmonisers.trained import Gaussian
from anyband.models.baselines.translation import Translation, TranslationOptions
from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.core.storage import Recipe, save
from anyband.models.proposed.anyband import AnyBandOptions
from anyband.models.proposed.reconstruction import Reconstruction
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import get_sensor
from handmade import SETS, make_group

LANDSAT, SENTINEL2 = get_sensor("landsat-9", "landsat"), get_sensor("sentinel-2a", "sentinel2")
REFLECTIVE = tuple(band for band in LANDSAT.bands if band.quantity == "surface_reflectance")


def see(sensor, pixel_m, names, level=None, seed=0, side_m=480.0, offset_m=0.0):
    """One group of a sensor: random, or `level` (C,) everywhere."""
    group = make_group(sensor.product, sensor.band_set(names), pixel_m, side_m, 1, seed, offset_m)
    if level is not None:
        group.values[:] = torch.as_tensor(level, dtype=torch.float32)[:, None, None]
    return group


def landsat(**options):
    return Observation((see(LANDSAT, 30.0, tuple(band.name for band in REFLECTIVE), **options),))


def sentinel2(**options):
    groups = SENTINEL2.groups()
    return Observation(tuple(see(SENTINEL2, m, tuple(b.name for b in bands), **options) for m, bands in groups.items()))


def statistics():
    bands = [(p, band) for p in ("sentinel2", "landsat") for _, bands in SETS[p] for band in bands]
    entries = [BandMoments(p, b.name, b.response.centre_nm, b.quantity, 0.2, 0.1) for p, b in bands]
    document = {"bands": [asdict(entry) for entry in entries], "label_counts": [1, 1]}
    return Statistics.from_dict(document | {"covariance": (0.005 * (1 + np.eye(len(entries)))).tolist()})


def task(source, target):
    bands = tuple(b for b in source.bands if b.quantity == "surface_reflectance")
    return HarmoniseTask(bands, source.platform, source.product, target)


def test_bandpass_there_and_back_is_where_it_began():
    levels = np.linspace(0.05, 0.4, 7)
    query = QueryGrid(30.0, 16, 16)
    back, forth = Bandpass(task(LANDSAT, SENTINEL2)), Bandpass(task(SENTINEL2, LANDSAT))
    made, valid = back(landsat(level=levels), query)
    assert valid.all()
    assert [band.name for band in back.bands] == ["B01", "B02", "B03", "B04", "B8A", "B11", "B12"]
    red = back.bands.index(SENTINEL2.band("B04"))
    assert made[0, red, 5, 5] == pytest.approx((levels[3] - 0.0009) / 0.9765, abs=1e-6)
    groups = []
    for m, bands in SENTINEL2.groups().items():
        level = [made[0, back.bands.index(b), 0, 0] if b in back.bands else 0.0 for b in bands]
        groups.append(see(SENTINEL2, m, tuple(b.name for b in bands), level=level))
    again, _ = forth(Observation(tuple(groups)), query)
    assert again[0, :, 5, 5].tolist() == pytest.approx(levels.tolist(), abs=1e-6)


def test_cubic_convolution_keeps_parabolas_and_linear_does_not():
    """Keys's kernel of third order; and the phase of half a Landsat pixel is honoured."""
    centres = (np.arange(16) + 0.5) * 30 + 15
    points = (np.arange(48) + 0.5) * 10
    found = _cubic(16, 30.0, 15.0, 48, 10.0).numpy() @ (centres**2 / 1e4)
    assert found[9:36] == pytest.approx((points**2 / 1e4)[9:36], rel=1e-5)
    observation = landsat(offset_m=15.0)
    for channel, pixel in enumerate(observation.groups[0].values[0]):
        pixel[:] = torch.tensor(centres**2 / 1e4, dtype=torch.float32) * (channel == 0)
    cubic, linear = (
        resample(observation, QueryGrid(10.0, 48, 48), m)[0][0, 0, 20].numpy() for m in ("cubic", "linear")
    )
    assert cubic == pytest.approx(found, rel=1e-5)
    assert np.abs(linear - cubic)[9:36].max() > 0.005


def test_to_a_coarser_grid_pixels_are_averaged_without_the_invalid_ones():
    observation = sentinel2()
    group = observation.groups[0]
    group.valid[:, :, :3, :2] = False
    values, valid, bands = resample(observation, QueryGrid(30.0, 16, 16), "cubic")
    place = [band.name for band in bands].index(group.band_sets[0].bands[0].name)
    assert values[0, place, 3, 4] == pytest.approx(group.values[0, 0, 9:12, 12:15].mean().item(), abs=1e-6)
    assert not valid[0, place, 0, 0]
    group.valid[:, :, :3, 1] = True
    values, valid, _ = resample(observation, QueryGrid(30.0, 16, 16), "cubic")
    assert values[0, place, 0, 0] == pytest.approx(group.values[0, 0, :3, 1:3].mean().item(), abs=1e-6)


def test_the_gaussian_conversion_to_the_bands_at_hand_gives_them_back(tmp_path, monkeypatch):
    recipe = Recipe("analytic", "analytic", {"noise": 1e-4}, (10, 30), statistics().as_dict(), {}, 0)
    monkeypatch.setattr(trained, "read_recipe", lambda run: recipe)
    observation = landsat()
    found, valid = Gaussian(replace(task(LANDSAT, LANDSAT), run=tmp_path))(observation, QueryGrid(30.0, 16, 16))
    assert valid.all()
    assert found.numpy() == pytest.approx(observation.groups[0].values.numpy(), abs=2e-3)
    mean = Gaussian(replace(task(LANDSAT, SENTINEL2), run=tmp_path))(landsat(level=[0.2] * 7), QueryGrid(10.0, 48, 48))[
        0
    ]
    assert mean.numpy() == pytest.approx(0.2, abs=1e-3)


def test_translation_makes_the_images_that_evaluation_scores(tmp_path):
    method = Translation(TranslationOptions(translator="plain"), statistics(), 2)
    options = {"translator": "plain"}
    recipe = Recipe("translation", "translation", options, (10, 30), statistics().as_dict(), {}, 0)
    save(tmp_path, recipe, method)
    convert = harmoniser("translation", replace(task(LANDSAT, SENTINEL2), run=tmp_path))
    both = Observation((*landsat().groups, *sentinel2().groups))
    made, real, _ = convert.model.eval().images(both, QueryGrid(10.0, 48, 48))
    found, valid = convert(landsat(), QueryGrid(10.0, 48, 48))
    assert torch.allclose(found.permute(0, 2, 3, 1), made, atol=1e-6)
    coarse, _ = convert(landsat(), QueryGrid(20.0, 24, 24))
    assert coarse[0, 2, 3, 4] == pytest.approx(found[0, 2, 6:8, 8:10].mean().item(), abs=1e-6)
    assert valid.all()
    assert [band.name for band in convert.bands][:4] == ["B02", "B03", "B04", "B08"]


def test_a_pretraining_predicts_any_sensor_from_any_other(tmp_path):
    """With nothing learned it is Gaussian inference: ground like the prior's mean has that in every band."""
    method = Reconstruction(AnyBandOptions(), statistics(), 2)
    for parameter in method.encoder.decoder.head.parameters():
        parameter.data.zero_()
    save(tmp_path, Recipe("mine", "reconstruction", {}, (10, 30), statistics().as_dict(), {}, 0), method)
    for source, target, scene in ((LANDSAT, SENTINEL2, landsat), (SENTINEL2, LANDSAT, sentinel2)):
        convert = harmoniser("learned", replace(task(source, target), run=tmp_path))
        made, valid = convert(scene(level=[0.2]), QueryGrid(30.0, 16, 16))
        assert valid.all()
        assert made.detach().numpy() == pytest.approx(0.2, abs=1e-3)
        assert {band.name for band in convert.bands} == {
            b.name for b in target.bands if b.quantity == "surface_reflectance"
        }


@pytest.mark.parametrize(
    ("method", "source", "target", "line"),
    [
        (
            "cubic",
            LANDSAT,
            SENTINEL2,
            "--method 'cubic' does not exist; known: .*, translation, learned",
        ),
        ("analytic", LANDSAT, SENTINEL2, "--method analytic: name any trained run with --model"),
        ("translation", LANDSAT, SENTINEL2, "--method translation: name a trained run"),
        ("translation", SENTINEL2, LANDSAT, "from Landsat 8 or 9 alone"),
        ("learned", LANDSAT, SENTINEL2, "--method learned: name a pretraining with --model"),
    ],
)
def test_what_a_converter_cannot_do_is_one_line(method, source, target, line):
    with pytest.raises(UserError, match=line):
        harmoniser(method, task(source, target))


def test_a_run_that_maps_classes_is_no_harmoniser(tmp_path):
    recipe = Recipe("mine", "anyband", {}, (10, 30), statistics().as_dict(), {}, 0)
    save(tmp_path, recipe, recipe.build())
    with pytest.raises(UserError, match="is no pretraining"):
        harmoniser("learned", replace(task(LANDSAT, SENTINEL2), run=tmp_path))


def test_a_sensor_that_is_not_known_is_named():
    assert target_sensor("Landsat-9") is LANDSAT
    with pytest.raises(UserError, match="--to 'landsat-99' is not in the registry"):
        target_sensor("landsat-99")
