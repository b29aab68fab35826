"""Reads that touch every internal tile once."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anyband.chips.read_plan import _cut_rows
from anyband.ground import Window
from anyband.raster.windows import plan_reads

windows = st.lists(
    st.builds(Window, st.integers(-40, 320), st.integers(-40, 320), st.just(24), st.just(0.0), st.just(0.0)),
    min_size=1,
    max_size=20,
)
shapes = st.tuples(st.integers(20, 300), st.integers(20, 300))
tiles = st.tuples(st.sampled_from([1, 16, 64, 512]), st.sampled_from([16, 64, 300]))


@given(windows=windows, shape=shapes, tile=tiles)
def test_every_pixel_arrives_where_it_belongs(windows, shape, tile):
    """Scattering the planned reads gives what a padded read of each chip gives."""
    raster = np.arange(1, shape[0] * shape[1] + 1).reshape(shape)
    chips = np.zeros((len(windows), 24, 24), int)
    for read in plan_reads(windows, shape, tile):
        block = raster[read.row : read.row + read.height, read.col : read.col + read.width]
        assert block.shape == (read.height, read.width)  # always inside the raster
        for chip, top, bottom, left, right in read.cuts:
            window = windows[chip]
            rows, cols = slice(top - window.row, bottom - window.row), slice(left - window.col, right - window.col)
            chips[chip, rows, cols] = block[top - read.row : bottom - read.row, left - read.col : right - read.col]
    padded = np.pad(raster, 400)
    expected = [padded[400 + w.row : 424 + w.row, 400 + w.col : 424 + w.col] for w in windows]
    assert np.array_equal(chips, expected)


@given(windows=windows, shape=shapes, tile=tiles)
def test_no_tile_is_decoded_twice(windows, shape, tile):
    seen = set()
    for read in plan_reads(windows, shape, tile):
        rows = range(read.row // tile[0], (read.row + read.height - 1) // tile[0] + 1)
        assert len(rows) == 1
        for col in range(read.col // tile[1], (read.col + read.width - 1) // tile[1] + 1):
            assert (rows[0], col) not in seen
            seen.add((rows[0], col))


def test_tiles_between_distant_chips_are_not_read():
    far_apart = [Window(0, 0, 24, 0, 0), Window(0, 1_000, 24, 0, 0)]
    reads = plan_reads(far_apart, (512, 2_048), (64, 64))
    assert [(read.col, read.width) for read in reads] == [(0, 24), (1_000, 24)]


def test_neighbouring_tiles_become_one_request():
    side_by_side = [Window(0, 0, 64, 0, 0), Window(0, 64, 64, 0, 0), Window(0, 128, 64, 0, 0)]
    assert len(plan_reads(side_by_side, (64, 192), (64, 64))) == 1


@given(
    tops=st.lists(st.integers(0, 900), min_size=1, max_size=40).map(sorted),
    tile=st.sampled_from([16, 64, 512]),
    most=st.integers(1, 3_000),
)
def test_files_are_cut_at_tile_rows_into_parts_of_bounded_size(tops, tile, most):
    """Ranges follow each other, hold all chips, and hold little, or are a single row of tiles."""
    size, tops = 48, np.array(tops)
    parts = list(_cut_rows(tops, size, tile, most))
    assert all(first % tile == 0 and end % tile == 0 and first < end for first, end in parts)
    assert all(before[1] <= after[0] for before, after in pairwise(parts))
    held = [int((np.clip(tops + size, first, end) - np.clip(tops, first, end)).sum()) for first, end in parts]
    assert sum(held) == len(tops) * size and min(held) > 0
    for (first, end), rows in zip(parts, held, strict=True):
        # The rows of tiles at the ends of a part may be empty, never the first that holds something.
        assert rows <= most or len({r // tile for top in tops for r in range(top, top + size) if first <= r < end}) == 1
