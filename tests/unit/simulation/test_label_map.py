"""The label lattice: right cell under every pixel, although the projection is interpolated."""

import numpy as np
from pyproj import Transformer

from anyband.simulation.grids import HiddenGrid
from anyband.simulation.land.label_map import _project, label_raster, scene_ring

HIDDEN = HiddenGrid(32733, 420_000.0, 6_300_040.0, 5.0, 816)


def test_interpolated_projection_is_exact_to_a_centimetre():
    x = 13.6 + (np.arange(700) + 0.5) / 12_000
    y = -33.4 - (np.arange(500) + 0.5) / 12_000
    exact = Transformer.from_crs(4326, 32733, always_xy=True).transform(*np.meshgrid(x, y))
    for found, true in zip(_project(x, y, 32733), exact, strict=True):
        np.testing.assert_allclose(found, true, atol=0.01)


def test_every_pixel_holds_the_cell_under_its_centre():
    codes = np.random.default_rng(0).integers(1, 100, (816, 816)).astype(np.uint8)
    raster = label_raster(codes, HIDDEN)
    rows, columns = (np.random.default_rng(1).integers(0, size, 300) for size in raster.codes.shape)
    a, _, c, _, e, f = raster.transform
    to_utm = Transformer.from_crs(4326, 32733, always_xy=True)
    east, north = to_utm.transform(c + a * (columns + 0.5), f + e * (rows + 0.5))
    column, row = ((east - HIDDEN.x0) // 5).astype(int), ((HIDDEN.y0 - north) // 5).astype(int)
    inside = (column >= 0) & (column < 816) & (row >= 0) & (row < 816)
    expected = np.where(inside, codes[row.clip(0, 815), column.clip(0, 815)], 0)
    assert (raster.codes[rows, columns] == expected).mean() > 0.99  # centimetres decide on cell borders


def test_ring_is_closed_and_anticlockwise():
    ring = scene_ring(HIDDEN)
    assert ring[0] == ring[-1] and len(ring) == 5
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, ring[1:], strict=False))
    assert area > 0
