import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from anyband.models.rivals.atomizer import (
    ANCHORS_NM,
    BUMP,
    Atomizer,
    AtomizerOptions,
    fourier,
    membership,
    places,
    spectral_bumps,
)
from anyband.observation import Observation, QueryGrid
from anyband.sensors import Band, BandSet, SpectralResponse

QUERY = QueryGrid(10.0, 24, 24)


def band(centre: float, fwhm: float) -> Band:
    return Band("b", "b", SpectralResponse.gaussian(centre, fwhm), 10.0, 10.0)


@pytest.fixture
def model(statistics, small) -> Atomizer:
    torch.manual_seed(0)
    return Atomizer(AtomizerOptions(**small, features=12, latents=3), statistics, 4).eval()


def written_out(model: Atomizer, atoms: torch.Tensor, score) -> torch.Tensor:
    """Attention over a list of atoms (N, E) with the exponentials written out."""
    scores = 10 * torch.tanh(score(torch.relu(atoms)) / 10)
    return (scores.softmax(dim=0).T @ model.content(torch.nn.functional.gelu(atoms))).flatten()


def test_bumps_are_the_maximum_over_samples_of_the_interval():
    low, high = math.log(655 - 18.5), math.log(655 + 18.5)
    samples = np.linspace(low, high, 4001)
    expected = np.exp(-0.5 * ((samples[:, None] - np.log(ANCHORS_NM)) / BUMP) ** 2).max(axis=0)
    assert spectral_bumps(band(655.0, 37.0)) == pytest.approx(expected, abs=1e-4)


def test_bumps_change_smoothly_with_centre_and_width():
    base = np.array(spectral_bumps(band(655.0, 37.0)))
    for near, far in ((band(655.5, 37.0), band(705.0, 37.0)), (band(655.0, 37.5), band(655.0, 120.0))):
        assert np.linalg.norm(spectral_bumps(near) - base) < 0.1 * np.linalg.norm(spectral_bumps(far) - base)


def test_a_wide_band_lights_more_bumps_and_thermal_bands_have_their_own():
    narrow, wide, thermal = (np.array(spectral_bumps(b)) for b in (band(833, 20), band(833, 106), band(10_895, 590)))
    assert wide.sum() > 1.3 * narrow.sum()
    assert (wide >= narrow - 1e-9).all()
    assert thermal @ wide < 1e-6


def test_micrometres_are_refused():
    with pytest.raises(ValueError, match=r"centre 0\.665 is not in nm"):
        spectral_bumps(band(0.665, 0.031))


def test_fourier_features():
    code = fourier(torch.tensor([0.5]), 2, math.pi)[0]
    assert code.tolist() == pytest.approx([1.0, 0.0, 0.0, -1.0], abs=1e-6)


def test_every_pixel_belongs_to_the_cell_of_its_centre():
    member = membership(8, 30.0, torch.tensor([15.0, 0.0]), 4, 60.0)
    assert member[0].argmax(dim=0).tolist()[:7] == [0, 1, 1, 2, 2, 3, 3]  # centres at 30, 60, 90, ... m
    assert member[1].argmax(dim=0).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (member.sum(dim=1) <= 1).all()


def test_places_are_metres_from_the_cell_not_pixels(observe):
    """Landsat's grid starts 15 m off: the centre of its first pixel is the centre of the first cell."""
    codes = places(observe(("landsat",)).groups[0], 60.0)
    assert codes[0, 0, 0, :3].abs().max() < 1e-6
    assert torch.allclose(codes[0, 0, 0], codes[0, 2, 2], atol=1e-4)
    assert not torch.allclose(codes[0, 0, 0], codes[0, 0, 1], atol=1e-2)


def test_a_cell_is_attention_over_its_atoms(model, observe):
    """The sums over grids equal a softmax over the list of atoms of one cell, of all bands and grids together."""
    groups = observe().groups
    atoms = []
    for group in groups:
        located = model.embed(group) + model.from_place(places(group, 60.0))[:, :, :, None]
        size, start = int(60 / group.pixel_m), int(group.offset_m[0, 0] > 0)
        first = 2 * size - start if start else 2 * size  # Landsat pixel 3 has its centre at 120 m
        atoms.append(located[0, first : first + size, first : first + size].reshape(-1, 12))
    expected = model.to_cell(written_out(model, torch.cat(atoms), model.cell_score))
    cells, _ = model.encode(Observation(groups), QUERY)
    assert torch.allclose(cells[0, 2, 2], expected, atol=1e-4)


def test_a_query_pixel_reads_the_atoms_that_contain_it(model, observe):
    groups = observe(("sentinel2",)).groups
    atoms = []
    for group in groups:
        row, column = int(75 / group.pixel_m), int(135 / group.pixel_m)  # query pixel (7, 13)
        atoms.append(model.embed(group)[0, row, column])
    expected = model.to_fine(written_out(model, torch.cat(atoms), model.fine_score))
    _, fine = model.encode(Observation(groups), QUERY)
    assert torch.allclose(fine[0, 7, 13], expected, atol=1e-4)


def test_each_band_tells_its_own_sampling_distance(model, observe):
    """The original's default feeds one constant for all bands."""
    group = observe(("landsat",)).groups[0]
    finer = BandSet("finer", tuple(replace(b, gsd_m=10.0) for b in group.band_sets[0]))
    other = Observation((replace(group, band_sets=(finer,)),))
    assert not torch.allclose(model(Observation((group,)), QUERY), model(other, QUERY), atol=1e-4)


def test_atoms_that_were_not_seen_are_no_atoms(model, observe):
    group = observe(("landsat",)).groups[0]
    valid = group.valid.clone()
    valid[:, :, 3:5, 3:5] = False
    blind = Observation((replace(group, valid=valid),))
    cells, fine = model.encode(blind, QUERY)
    whole, _ = model.encode(Observation((group,)), QUERY)
    assert torch.allclose(cells[:, 0], whole[:, 0], atol=1e-6)
    assert torch.allclose(cells[0, 2, 2], model.to_cell.bias, atol=1e-6)
    assert torch.isfinite(fine).all()
