"""Files are cut into parts of whole tile rows."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anyband.chips.read_plan import _cut_rows


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
