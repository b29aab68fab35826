"""Random fields of the hidden surface."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.simulation.noise import enlarge, power_noise, scatter, worley


@given(factor=st.sampled_from([2, 4, 8]), slope=st.floats(-3, 3), offset=st.floats(-5, 5))
@settings(max_examples=15, deadline=None)
def test_enlarging_a_plane_does_not_shift_it(factor, slope, offset):
    """An error of half a coarse cell would tilt terrain and forests against the fields."""
    side, size = 12, 8 * factor
    coarse_at = (np.arange(side) + 0.5) * factor
    coarse = np.tile(slope * coarse_at + offset, (side, 1)).astype(np.float32)
    fine = enlarge(coarse, factor, size)
    at = np.arange(size) + 0.5
    inside = at >= factor / 2
    np.testing.assert_allclose(fine[:, inside], np.tile((slope * at + offset)[inside], (size, 1)), atol=2e-4 * factor)


def test_noise_has_no_power_outside_its_wavelengths():
    """Terrain with detail below its shortest wavelength made slopes of 46 degrees."""
    field = power_noise(np.random.default_rng(0), 512, 5.0, 3.0, 80.0, 1500.0)
    window = np.hanning(512)[:, None] * np.hanning(512)[None, :]
    power = np.abs(np.fft.rfft2(field * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(512, 5.0)[:, None], np.fft.rfftfreq(512, 5.0)[None, :])
    assert power[frequency > 1 / 60.0].sum() < 2e-3 * power.sum()
    assert abs(field.mean()) < 1e-3
    assert abs(field.std() - 1) < 1e-3


def test_noise_does_not_repeat_at_its_edges():
    """Fourier noise is periodic; cropped it must not join its opposite edge."""
    field = power_noise(np.random.default_rng(1), 256, 5.0, 3.0, 40.0, 800.0)
    step = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() > 5 * step


def test_worley_finds_the_two_nearest_seeds_and_the_border_between():
    axis = (np.arange(60, dtype=np.float32) + 0.5) * 20
    x, y = np.tile(axis, (60, 1)), np.tile(axis[:, None], (1, 60))
    cells = worley(np.random.default_rng(2), x, y, 300.0, 1200.0)
    across = int(np.sqrt(cells.count))
    jitter = np.random.default_rng(2).uniform(0.12, 0.88, (2, across, across))
    seed_x = ((np.arange(across)[None, :] + jitter[0] - 3) * 300).ravel()
    seed_y = ((np.arange(across)[:, None] + jitter[1] - 3) * 300).ravel()
    distance = np.hypot(x[..., None] - seed_x, y[..., None] - seed_y)
    order = np.argsort(distance, axis=-1)
    assert (cells.nearest == order[..., 0]).mean() > 0.999
    # the second nearest may lie two rows away, where it is not looked for
    assert (cells.second == order[..., 1]).mean() > 0.97
    assert cells.border_m.min() >= 0


def test_scatter_is_even_and_independent_of_neighbouring_numbers():
    values = scatter(np.arange(20_000), 7)
    assert np.abs(np.histogram(values, 20, (0, 1))[0] / 1000 - 1).max() < 0.15
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.03
    assert abs(np.corrcoef(values, scatter(np.arange(20_000), 8))[0, 1]) < 0.03
    assert values.max() < 1
