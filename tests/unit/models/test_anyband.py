from dataclasses import replace

import pytest
import torch

from anyband.models.core.method import Method
from anyband.models.proposed.anyband import AnyBand, AnyBandOptions
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import BandSet, SpectralResponse
from handmade import S2_10, band_set, make_group

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def model(statistics, small) -> AnyBand:
    torch.manual_seed(0)
    return AnyBand(AnyBandOptions(**small, features=12, hyper=16), statistics, 4).eval()


def change_group(observation: Observation, index: int, **changes) -> Observation:
    groups = list(observation.groups)
    groups[index] = replace(groups[index], **changes)
    return Observation(tuple(groups))


def test_a_band_given_twice_changes_little(model, observe):
    """Splitting every band in two must not double what is seen: it only makes it a little more certain."""
    group = observe(("landsat",)).groups[0]
    twice = group.select_bands(tuple(range(7)) * 2)
    once, double = (
        model.features(Observation((group,)), QUERY).values,
        model.features(Observation((twice,)), QUERY).values,
    )
    assert (double - once).abs().mean() < 0.1 * once.abs().mean()


def test_noise_of_a_split_band_averages_out(model, observe):
    group = observe(("landsat",)).groups[0]
    torch.manual_seed(1)
    noisy = [replace(group, values=group.values + 0.05 * torch.randn_like(group.values)) for _ in range(2)]
    both = replace(group.select_bands(tuple(range(7)) * 2), values=torch.cat([g.values for g in noisy], dim=1))
    clean = model.features(Observation((group,)), QUERY).values
    split = (model.features(Observation((both,)), QUERY).values - clean).pow(2).mean()
    single = (model.features(Observation((noisy[0],)), QUERY).values - clean).pow(2).mean()
    assert split < single


@pytest.mark.parametrize("pixel_m", [10.0, 15.0, 20.0, 30.0, 60.0])
def test_a_constant_scene_gives_the_same_cells_from_any_grid(model, pixel_m):
    def constant(spacing_m: float, shift: float) -> BandGroup:
        group = make_group("any", band_set(S2_10, 30.0), spacing_m, 240.0, 1, 0, shift)
        level = torch.tensor([0.1, 0.2, 0.3, 0.4])[None, :, None, None]
        return replace(group, values=level.expand_as(group.values).contiguous())

    reference, _ = model.encode(Observation((constant(10.0, 0.0),)), QUERY)
    seen, _ = model.encode(Observation((constant(pixel_m, 0.25 * pixel_m),)), QUERY)
    assert torch.allclose(seen, reference, atol=1e-4)


def test_cells_move_with_the_ground(model, observe):
    observation = observe(("sentinel2",))

    def crop(group: BandGroup, cells: int) -> BandGroup:
        start = int(cells * 60 / group.pixel_m)
        return replace(group, values=group.values[..., start:, :], valid=group.valid[..., start:, :])

    whole, fine = model.encode(observation, QUERY)
    part, fine_part = model.encode(Observation(tuple(crop(g, 1) for g in observation.groups)), QueryGrid(10.0, 18, 24))
    assert torch.allclose(part, whole[:, 1:], atol=1e-5)
    assert torch.allclose(fine_part, fine[:, 6:], atol=1e-5)


def test_moving_the_offset_moves_what_is_read(model, observe):
    observation = observe(("landsat",))
    moved = change_group(observation, 0, offset_m=observation.groups[0].offset_m + 30.0)
    _, fine = model.encode(observation, QUERY)
    _, fine_moved = model.encode(moved, QUERY)
    assert torch.allclose(fine_moved[:, 6:21, 6:21], fine[:, 3:18, 3:18], atol=1e-5)


def test_wrong_sampling_distance_changes_the_answer(model, observe):
    observation = observe(("landsat",))
    bands = observation.groups[0].band_sets[0]
    finer = BandSet("finer", tuple(replace(band, gsd_m=10.0) for band in bands))
    changed = model(change_group(observation, 0, band_sets=(finer,)), QUERY)
    assert not torch.allclose(changed, model(observation, QUERY), atol=1e-4)


def test_absolute_radiometry_reaches_the_decoder(model, observe):
    """The fine features must not be normalised: a brighter scene is another scene."""
    observation = observe(("sentinel2",))
    brighter = Observation(tuple(replace(g, values=g.values * 1.5) for g in observation.groups))
    _, fine = model.encode(observation, QUERY)
    _, fine_brighter = model.encode(brighter, QUERY)
    assert (fine_brighter - fine).abs().mean().item() > 0.05 * fine.abs().mean().item()


def test_bands_are_standardised_by_wavelength_not_by_name(model, observe):
    observation = observe(("landsat",))
    bands = observation.groups[0].band_sets[0]
    renamed = BandSet("renamed", tuple(replace(band, name=f"x{i}") for i, band in enumerate(bands)))
    renamed_observation = change_group(observation, 0, band_sets=(renamed,), product="nobody")
    assert torch.allclose(model(renamed_observation, QUERY), model(observation, QUERY), atol=1e-6)


@pytest.mark.parametrize("count", [1, 200])
def test_any_number_of_bands_goes_in(model, count):
    entries = tuple((f"b{i}", 420.0 + i * 10, 12.0) for i in range(count))
    group = make_group("imager", band_set(entries, 30.0), 30.0, 240.0, 2, 0)
    assert torch.isfinite(model(Observation((group,)), QUERY)).all()


def test_a_step_maps_what_a_call_with_those_sensors_would(model, observe):
    """The front end runs once for all sets of sensors, which must change no map."""
    observation = observe()
    model.options = replace(model.options, synthetic=0.0)
    batch = observation, QUERY, torch.randint(4, (2, QUERY.height, QUERY.width))
    assert model.loss(batch).item() == pytest.approx(Method.loss(model, batch).item(), rel=1e-5)
    model.options = replace(model.options, synthetic=1.0)
    assert model.loss(batch).item() != pytest.approx(Method.loss(model, batch).item(), rel=1e-5)


@pytest.mark.parametrize("spectral", ["codes", "posterior"])
def test_one_way_in_is_enough(spectral, statistics, small, observe):
    model = AnyBand(AnyBandOptions(**small, features=12, hyper=16, spectral=spectral), statistics, 4)
    assert torch.isfinite(model(observe(), QUERY)).all()


def test_an_unknown_way_in_is_named(statistics):
    with pytest.raises(UserError, match="'code' does not exist; known: both, codes, posterior"):
        AnyBand(AnyBandOptions(spectral="code"), statistics, 4)


def test_temperature_far_from_any_training_band_stays_finite(model):
    group = make_group("thermal", band_set((("lwir", 10_900, 590),), 100.0), 30.0, 240.0, 1, 0)
    hot = BandSet("t", tuple(replace(b, quantity="surface_temperature") for b in group.band_sets[0]))
    warm = replace(group, values=group.values + 290.0, band_sets=(hot,))
    assert torch.isfinite(model(Observation((warm,)), QUERY)).all()


def test_a_response_is_never_guessed():
    with pytest.raises(TypeError):
        SpectralResponse()  # type: ignore[call-arg]


@pytest.mark.parametrize("spectral", ["codes", "posterior", "both"])
def test_the_short_way_for_whole_images_gives_the_same_features(spectral, statistics, small, observe):
    """Where nothing is masked one product does; a masked corner must change that corner and nothing else."""
    model = AnyBand(AnyBandOptions(**small, features=12, hyper=16, spectral=spectral), statistics, 4).eval()
    groups = observe().of("sentinel2")
    whole = model.features(Observation(groups), QUERY).values
    valid = groups[0].valid.clone()
    valid[..., :2, :2] = False
    masked = model.features(Observation((replace(groups[0], valid=valid), *groups[1:])), QUERY).values
    assert torch.allclose(masked[:, 2:, 2:], whole[:, 2:, 2:], atol=1e-5)
    assert not torch.allclose(masked[:, :2, :2], whole[:, :2, :2], atol=1e-3)
