"""Memory of extraction depends on its batches, not on the number of chips."""

import datetime as dt
import subprocess
import sys

import pytest

from scenes import SceneFolder

PEAK = """
import sys
from pathlib import Path
from anyband.catalog.pairs.scene_pair import read_pairs
from anyband.chips.extraction import ChipSite, extract_site
pairs, out, longitude, latitude, extent_m = sys.argv[1:]
site = ChipSite("aspen", "main", float(longitude), float(latitude), int(extent_m), 960, 0.8, 2)
extract_site(site, read_pairs(Path(pairs)), Path(out))
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
def test_ten_times_the_chips_need_the_same_memory(tmp_path):
    """1,000 and 10,000 chips, some 0.1 and 1 GB of pixels; the smaller number fills all batches, too."""
    scenes = SceneFolder(tmp_path, 32633, (600_000.0, 5_200_020.0), extent_m=9_600)
    scenes.add_pair(dt.date(2022, 5, 3))
    place = [str(value) for value in (scenes.longitude, scenes.latitude, scenes.extent_m)]
    row, peaks = scenes.rows[0], []
    for pairs in (10, 100):
        scenes.rows = [row | {"pair": number} for number in range(pairs)]
        written = scenes.write()
        out = tmp_path / f"{pairs}.zarr"
        command = [sys.executable, "-c", PEAK, str(written), str(out), *place]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert peaks[1] <= 1.2 * peaks[0], peaks
