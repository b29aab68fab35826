"""The real pair through search, pair, extract and audit, and the audit's figures against independent ones."""

import csv
import json
import os

import numpy as np
import pytest

import alberta
from anyband.audit.gate import audit_stores
from anyband.testing.provider_server import ProviderServer
from audit_faults import C1_AS_C2, NOT_APPLIED, TWICE, damaged, exchange, move_grid, other_ground
from step_process import run_step

# (bias, RMSE, r, OLS slope) of Landsat against Sentinel-2 over the whole 30 km of the two scenes, two days apart:
# reference figures of the pair's publisher, by Sentinel-2 band. The crop here holds a third of that ground.
WHOLE = {
    "B01": (0.001, 0.0087, 0.636, 0.735),
    "B02": (-0.005, 0.0096, 0.793, 0.672),
    "B03": (-0.002, 0.0072, 0.936, 0.863),
    "B04": (0.001, 0.0084, 0.928, 0.855),
    "B8A": (-0.003, 0.0208, 0.977, 0.932),
    "B11": (-0.014, 0.0203, 0.968, 0.915),
    "B12": (-0.014, 0.0193, 0.956, 0.827),
}
WINDOW = (
    60 * round((alberta.CENTRE[0] - alberta.EXTENT_M / 2) / 60),
    60 * round((alberta.CENTRE[1] + alberta.EXTENT_M / 2) / 60),
)
"""Upper-left corner of the chips."""


@pytest.fixture(scope="module")
def run(realdata, tmp_path_factory):
    """Folder of a finished run of the four steps."""
    folder = tmp_path_factory.mktemp("alberta")
    root = alberta.build(realdata, folder / "archive")
    longitude, latitude = alberta.centre()
    settings = {
        "catalog": "http://archive.anyband.test/stac",
        "start": "2020-07-25",
        "end": "2020-08-10",
        "extent_m": alberta.EXTENT_M,
    }
    place = [f"--site={alberta.SITE}", f"--longitude={longitude}", f"--latitude={latitude}"]
    scenes, pairs, store = folder / "scenes", folder / "pairs.csv", folder / "chips/main/alberta.zarr"
    commands = {
        "search": [*place, f"--out-dir={scenes}"],
        "pair": [
            *(*place, f"--scenes={scenes}", f"--pairs={pairs}", f"--dropped={folder / 'dropped.csv'}"),
            f"--acquisitions={folder / 'pairs.json'}",
        ],
        "extract": [*place, f"--pairs={folder / 'pairs.json'}", "--threads=2", f"--out={store}"],
        "audit": [f"--chips={store}", f"--out={folder / 'audit/main.json'}"],
    }
    with ProviderServer(root) as server:
        environment = os.environ | server.environment | {"HOME": str(folder)}
        for step, arguments in commands.items():
            done = run_step(step, [f"--settings={json.dumps(settings)}", *arguments], environment)
            assert done.returncode == 0, f"{step}: {done.stderr[-2000:]}"
    return folder


@pytest.fixture(scope="module")
def pair(run):
    """The audit's figures of the one pair."""
    document = json.loads((run / "audit/main.json").read_text())
    (found,) = document["sites"]["alberta"]["pairs"]
    return found


def test_the_pair_is_found_and_kept(run, pair):
    with (run / "pairs.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["sentinel2"], row["landsat"]) == (alberta.SENTINEL2_ITEM, alberta.LANDSAT_ITEM)
    assert (row["hls_s30"], row["hls_l30"]) == (
        "HLS.S30.T11UPT.2020217T183919.v2.0",
        "HLS.L30.T11UPT.2020215T183100.v2.0",
    )
    assert abs(int(row["day_gap"])) == 2
    assert pair["items"]["sentinel2"] == alberta.SENTINEL2_ITEM
    assert pair["chips"] > 300


def cells(realdata):
    """Reflectance of both on the chips' 60 m cells, and where they are clear, from the files themselves.

    Landsat pixels lie 15 m off: every cell holds a quarter, a half and a quarter of three of them each way. Sentinel-2
    is first averaged over those pixels (each sees one or two of its 60 m pixels), then both over the cells.
    """
    first = int(WINDOW[0] - alberta.SENTINEL2_CORNER[0]) // 60, int(alberta.SENTINEL2_CORNER[1] - WINDOW[1]) // 60
    n = alberta.EXTENT_M // 60
    part = np.s_[first[1] : first[1] + n, first[0] : first[0] + n]
    quarters = {}
    for name, twin in alberta.TWINS.items():
        # Everything on a 15 m grid from the corner of Sentinel-2: exact for both.
        s2 = alberta.read_sentinel2(realdata, name)[part].repeat(4, 0).repeat(4, 1) / 1e4
        landsat = alberta.read_landsat(realdata, twin).repeat(2, 0).repeat(2, 1) * 2.75e-5 - 0.2
        right, down = (
            int(WINDOW[0] - alberta.LANDSAT_CORNER[0]) // 15,
            int(alberta.LANDSAT_CORNER[1] - WINDOW[1]) // 15,
        )
        landsat = landsat[down : down + 4 * n, right : right + 4 * n]
        over_landsat = np.full(s2.shape, np.nan)
        inner = s2[1:-1, 1:-1]
        means = inner.reshape(2 * n - 1, 2, 2 * n - 1, 2).mean(axis=(1, 3))
        over_landsat[1:-1, 1:-1] = means.repeat(2, 0).repeat(2, 1)
        quarters[name] = over_landsat, landsat
    blocks = {
        name: tuple(image.reshape(n, 4, n, 4).mean(axis=(1, 3)) for image in images)
        for name, images in quarters.items()
    }
    keep = np.isin(alberta.read_sentinel2(realdata, "SCL")[part], (4, 5, 6, 7, 11))
    return blocks, keep


def test_statistics_are_those_computed_from_the_files(realdata, pair):
    blocks, keep = cells(realdata)
    # A cell that Landsat's pixels share with a cloudy neighbour is not clear either.
    grown = ~keep
    for axis in (0, 1):
        grown = grown | np.roll(grown, 1, axis) | np.roll(grown, -1, axis)
    found = pair["comparisons"]["sentinel2-landsat"]
    for name, (x, y) in blocks.items():
        use = ~grown & np.isfinite(x) & np.isfinite(y)
        a, b = x[use], y[use]
        figures = found["bands"][name]["clear"]
        expected = {
            "mean_first": a.mean(),
            "mean_second": b.mean(),
            "bias": (b - a).mean(),
            "rmse": np.sqrt(((b - a) ** 2).mean()),
            "r": np.corrcoef(a, b)[0, 1],
            "slope": np.polyfit(a, b, 1)[0],
            "std_ratio": b.std() / a.std(),
        }
        assert {key: figures[key] for key in expected} == pytest.approx(expected, abs=2e-3), name


def test_statistics_are_near_those_of_the_whole_scene(pair):
    bands = pair["comparisons"]["sentinel2-landsat"]["bands"]
    for name, (bias, rmse, r, slope) in WHOLE.items():
        figures = bands[name]["clear"]
        assert figures["bias"] == pytest.approx(bias, abs=0.003)
        assert figures["rmse"] == pytest.approx(rmse, abs=0.002)
        assert figures["r"] == pytest.approx(r, abs=0.04)
        # The reference figures average Landsat alone. Here Sentinel-2 is averaged over Landsat's pixels as well, which
        # loses contrast because the delivered pixels have 60 m, and the slope comes out higher.
        assert slope - 0.03 < figures["slope"] < slope + 0.13


def test_nothing_contradicts_the_metadata(run, pair):
    assert not (run / "audit/main.failed.json").exists()
    assert pair["verdict"] == "warn"
    assert {finding["verdict"] for finding in pair["findings"]} == {"warn"}
    assert pair["offset"]["decision"] == "as read"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (TWICE, "offset"),
        (NOT_APPLIED, "offset"),
        (exchange("landsat", "red", "green"), "bands"),
        (exchange("sentinel2", "B11", "B12"), "bands"),
        (C1_AS_C2, "scale"),
        (move_grid("landsat", -15, -15), "shift"),
        (other_ground("landsat", "hls_l30"), "ground"),
    ],
    ids=["twice", "not-applied", "red-green", "B11-B12", "collection-1", "grid", "ground"],
)
def test_faults_are_found_on_real_pixels(run, tmp_path, fault, kind):
    document = audit_stores([damaged(run / "chips/main/alberta.zarr", tmp_path / "alberta.zarr", fault)], 960)
    (found,) = document["sites"]["alberta"]["pairs"]
    assert {f["kind"] for f in found["findings"] if f["verdict"] == "contradiction"} == {kind}


def test_landsat_lies_half_a_pixel_north(realdata, pair):
    """The best shift on a grid of 15 m is one step south; between the steps the peak lies at about 10 m."""
    blocks, keep = cells(realdata)
    x = alberta.read_sentinel2(realdata, "B8A")[10:290, 10:290] / 1e4
    fine = alberta.read_landsat(realdata, "B5").repeat(2, 0).repeat(2, 1) * 2.75e-5 - 0.2

    def r(south):
        # 15 m steps: Landsat starts 75 m (5 steps) right of and below the corner of Sentinel-2.
        top, left = 40 - 5 - south // 15, 40 - 5
        y = fine[top : top + 4 * 280, left : left + 4 * 280].reshape(280, 4, 280, 4).mean(axis=(1, 3))
        return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])

    scores = {south: r(south) for south in (-15, 0, 15, 30)}
    assert max(scores, key=scores.get) == 15
    below, peak, above = scores[0], scores[15], scores[30]
    vertex = 15 + 15 * (above - below) / (2 * (2 * peak - above - below))
    shift = pair["comparisons"]["sentinel2-landsat"]["shift"]
    assert shift["south_m"] == pytest.approx(vertex, abs=3)
    assert shift["quality"] > 0.9
    assert any("before the improved geolocation" in finding["cause"] for finding in pair["findings"])
