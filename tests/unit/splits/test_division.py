"""The split keeps its promises, or says which one it cannot keep."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from anyband.chips.store import open_site, read_array
from anyband.config import Split
from anyband.ground import project, site_footprints, utm_epsg
from anyband.runtime import UserError
from anyband.splits import division
from anyband.splits.division import split_chips, split_table
from anyband.splits.index import Survey, survey_stores
from anyband.splits.leakage import certify
from anyband.steps import split as step
from fabricate import fabricate_store
from small_split import make_survey, survey_of

CLASSES = {10: "tree cover", 40: "cropland", 80: "permanent water"}


@pytest.fixture(autouse=True, scope="module")
def few_trials():
    """Every trial takes the same road."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "TRIALS", 100)
        yield


def settings(**changes):
    return Split.model_validate({"test_blocks": 4, "val_blocks": 2, "block_m": 20_400} | changes)


def test_counts_of_blocks_are_those_asked_for_and_blocks_stay_whole():
    survey = make_survey()
    block, split = split_chips(survey, CLASSES, settings())
    frame = pd.DataFrame({"block": block, "split": split})
    assert (frame.groupby("block")["split"].nunique() == 1).all()
    assert frame.drop_duplicates("block")["split"].value_counts().to_dict() == {"train": 6, "test": 4, "val": 2}


def test_same_seed_same_split_other_seed_other_split():
    survey = make_survey(blocks=20)
    first, again, other = (split_chips(survey, CLASSES, settings(seed=seed))[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_rare_class_reaches_every_split():
    """Three of twelve blocks have water: a plain shuffle would leave it out of a split four times in five."""
    counts = np.tile([100, 100, 0], (12, 1))
    counts[[2, 5, 9], 2] = 30
    survey = make_survey(counts=counts)
    for seed in range(5):
        split = split_chips(survey, CLASSES, settings(seed=seed))[1]
        for name in ("train", "val", "test"):
            assert survey.counts[split == name].sum(axis=0).min() > 0


def test_class_that_cannot_reach_every_split_is_named():
    counts = np.tile([100, 100, 0], (12, 1))
    counts[[2, 5], 2] = 30
    with pytest.raises(UserError, match=r"class 80 \(permanent water\) is absent .* 2 of 12 blocks .* `classes`"):
        split_chips(make_survey(counts=counts), CLASSES, settings())


def test_class_that_nobody_has_is_named():
    with pytest.raises(UserError, match=r"class 80 \(permanent water\) has no scored pixel"):
        split_chips(make_survey(counts=np.tile([100, 100, 0], (12, 1))), CLASSES, settings())


def test_too_few_blocks_say_how_many_there_are():
    with pytest.raises(UserError, match="6 blocks hold chips, but split asks for 4 test and 2 val"):
        split_chips(make_survey(blocks=6), CLASSES, settings())


def touching():
    """Blocks of one site side by side."""
    survey = make_survey(blocks=12, per_block=8, spacing_m=8 * 960.0)
    return Survey(**{**survey.__dict__, "site": np.array(["one"] * len(survey))})


def test_chips_inside_the_buffer_leave_val_and_test_only():
    """Blocks that touch: every held-out chip that is left is at least the buffer away from all other splits."""
    survey = touching()
    rules = settings(block_m=7_680, buffer_m=1_000)
    block, split = split_chips(survey, CLASSES, rules)
    assert (split == "buffer").any()
    certificate = certify(survey, block, split, CLASSES, rules)
    assert min(certificate["min_distance_m"].values()) >= 1_000
    assert certificate["chips"]["train"] == 8 * len(certificate["blocks"]["train"])


def test_buffer_wider_than_the_blocks_is_refused():
    with pytest.raises(UserError, match="buffer"):
        split_chips(touching(), CLASSES, settings(block_m=7_680, buffer_m=9_000))


CENTRE = st.tuples(st.floats(11.9, 12.1), st.floats(-0.1, 0.1))
"""Longitude, and latitude from the equator or from 47 N: some 20 km across, on two sides of a zone border."""

FAR = [(4.0, 42.0), (4.0, 52.0), (20.0, 42.0), (20.0, 52.0)]
"""Places that no other one is near."""


def scattered(centres, latitude, dates):
    """A survey of 3 x 3 chips at the centres and at far places, for each date; the second is of the next zone."""
    rows = []
    for number, (longitude, north) in enumerate([*((lon, latitude + lat) for lon, lat in centres), *FAR]):
        for date in range(dates):
            epsg = utm_epsg(longitude, north) + date
            for footprint in site_footprints(project(longitude, north, epsg), epsg, 2_880, 960):
                name = f"s{number:02d}-{date}-r{footprint.row}c{footprint.col}"
                rows.append((name[:3], name, footprint.x0 + 480, footprint.y0 - 480, epsg, f"scene-{name[:5]}"))
    return survey_of(*zip(*rows, strict=True))


def permuted(survey, order):
    """The same chips in another order."""
    where = survey.positions
    x, y, epsg = (values[order] for values in (where.x, where.y, where.epsg))
    items = survey.windows["sentinel2/10m"].item[order]
    return survey_of(survey.site[order], survey.chip[order], x, y, epsg, items, survey.counts[order])


def geodesic(survey, first, second, steps=4):
    """Least distance of points on the edges of two chips; no code of ours, at most 960 / 4 m too large."""
    outlines = []
    for chip in (first, second):
        along = np.linspace(-480, 480, steps, endpoint=False)
        edge = np.full(steps, 480.0)
        x = survey.positions.x[chip] + np.concatenate([along, edge, -along, -edge])
        y = survey.positions.y[chip] + np.concatenate([-edge, along, edge, -along])
        to_degrees = Transformer.from_crs(int(survey.positions.epsg[chip]), 4326, always_xy=True)
        outlines.append(to_degrees.transform(x, y))
    (lon_a, lat_a), (lon_b, lat_b) = outlines
    lon, lat = np.meshgrid(lon_a, lon_b), np.meshgrid(lat_a, lat_b)
    return float(np.min(Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])[2]))


@pytest.mark.parametrize("regime", ["blocks", "regions"])
@examples(max_examples=10)
@given(
    centres=st.lists(CENTRE, min_size=2, max_size=8),
    latitude=st.sampled_from([0.0, 47.0]),
    dates=st.integers(1, 2),
    seed=st.integers(0, 3),
    data=st.data(),
)
def test_geometry_of_any_layout(regime, centres, latitude, dates, seed, data):
    """Chips of different splits are never nearer than the buffer; the order of the chips does not matter."""
    survey = scattered(centres, latitude, dates)
    rules = settings(regime=regime, test_blocks=3, val_blocks=1, block_m=5_000, seed=seed)
    block, split = split_chips(survey, CLASSES, rules)
    assert len(split) == len(block) == len(survey) and set(split) <= {"train", "val", "test", "buffer"}
    kept = pd.DataFrame({"block": block, "split": split})[split != "buffer"]
    assert (kept.groupby("block")["split"].nunique() == 1).all()
    near = _near(survey, split, rules.buffer_m)
    assert all(geodesic(survey, first, second) >= rules.buffer_m for first, second in near)
    certificate = certify(survey, block, split, CLASSES, rules)
    assert certificate["passes"] and min(certificate["min_distance_m"].values()) >= rules.buffer_m
    order = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(len(survey))
    other_block, other = split_chips(permuted(survey, order), CLASSES, rules)
    assert np.array_equal(other, split[order]) and np.array_equal(other_block, block[order])


def _near(survey, split, buffer_m):
    """Pairs of chips of different splits whose centres are not far enough apart to need no closer look."""
    used = np.flatnonzero(split != "buffer")
    degrees = survey.positions.degrees()
    first, second = (grid.ravel() for grid in np.meshgrid(used, used))
    apart = (split[first] != split[second]) & (first < second)
    first, second = first[apart], second[apart]
    (lon, lat), geod = degrees, Geod(ellps="WGS84")
    centres = geod.inv(lon[first], lat[first], lon[second], lat[second])[2]
    near = centres < buffer_m + 1_400
    return list(zip(first[near], second[near], strict=True))


def test_layouts_of_the_property_test_do_have_a_buffer():
    """Two places 3 km apart on two sides of the zone border: the buffer has work to do."""
    survey = scattered([(11.98, 0.0), (12.02, 0.0)], 47.0, 1)
    rules = [settings(test_blocks=3, val_blocks=1, block_m=20_000, buffer_m=500, seed=seed) for seed in range(6)]
    assert {int(epsg) for epsg in survey.positions.epsg[:18]} == {32632, 32633}
    assert any((split_chips(survey, CLASSES, rule)[1] == "buffer").any() for rule in rules)


def test_regions_are_held_out_whole_and_as_near_to_the_blocks_asked_for_as_they_can():
    survey = scattered([(12.5, 0.0), (12.9, 0.1)], 47.0, 1)
    rules = settings(regime="regions", test_blocks=2, val_blocks=1, block_m=20_000)
    block, split = split_chips(survey, CLASSES, rules)
    certificate = certify(survey, block, split, CLASSES, rules)
    places = certificate["regions"]
    assert set(places["train"]).isdisjoint(places["test"]) and set(places["val"]).isdisjoint(places["test"])
    assert len(certificate["blocks"]["test"]) == 2 and len(certificate["blocks"]["val"]) == 1


def test_too_few_regions_are_refused():
    with pytest.raises(UserError, match=r"the \d regions are too few for 9 test and 2 val blocks"):
        split_chips(make_survey(), CLASSES, settings(regime="regions", test_blocks=9))


def test_random_chips_come_in_the_shares_of_the_blocks():
    survey = make_survey(blocks=12, per_block=10)
    rules = settings(regime="random")
    block, split = split_chips(survey, CLASSES, rules)
    assert pd.Series(split).value_counts().to_dict() == {"train": 60, "test": 40, "val": 20}
    assert pd.DataFrame({"block": block, "split": split}).groupby("block")["split"].nunique().max() == 3
    order = np.random.default_rng(0).permutation(len(survey))
    assert np.array_equal(split_chips(permuted(survey, order), CLASSES, rules)[1], split[order])


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    codes = np.array([10, 40, 80], np.uint8)
    return [
        fabricate_store(folder / f"s{k}.zarr", 3, k, corner=(300_000.0 + 40_020 * k, 5_200_020.0), codes=codes)
        for k in range(6)
    ]


def run_step(stores, folder, monkeypatch, **split):
    dataset = {"classes": {str(code): name for code, name in CLASSES.items()}, "split": split}
    options = ["--settings", json.dumps(dataset), "--chips", *map(str, stores), "--out", str(folder / "main.csv")]
    monkeypatch.setattr("sys.argv", ["split", *options, "--certificate", str(folder / "main.leakage.json")])
    step.main()


def test_step_writes_table_and_certificate(stores, tmp_path, monkeypatch, capsys):
    run_step(stores, tmp_path, monkeypatch, test_blocks=2, val_blocks=2)
    assert "label autocorrelation range" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "main.csv")
    assert list(table.columns) == ["site", "chip", "block", "split", "x", "y", "epsg"]
    assert len(table) == 18 and table.loc[0, "x"] == 300_480 and table.loc[0, "y"] == 5_199_540
    assert json.loads((tmp_path / "main.leakage.json").read_text())["passes"] is True


def test_step_fails_and_leaves_no_files(stores, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="twice"):
        run_step([*stores[:5], stores[0]], tmp_path, monkeypatch, test_blocks=2, val_blocks=2)
    assert not list(tmp_path.iterdir())


def test_survey_counts_scored_pixels_only(stores):
    survey = survey_stores(stores, sorted(CLASSES), 960)
    group = open_site(stores[0])
    label, clear = read_array(group, "label"), read_array(group, "clear")
    assert survey.counts[0].tolist() == [int(((label == c) & (clear == 1))[0].sum()) for c in (10, 40, 80)]
    assert not any(item.endswith("label-0") for windows in survey.windows.values() for item in windows.item)
    assert len(frozenset().union(*survey.digests)) == 18 * 4
    assert split_table(survey, survey.site, survey.site).count("\n") == 19


def test_survey_knows_which_source_pixels_were_read(stores):
    """Landsat's grid lies 15 m off: its window starts to the right of the chip and below its top."""
    survey = survey_stores(stores, sorted(CLASSES), 960)
    assert set(survey.windows) == {
        "sentinel2/10m", "sentinel2/20m", "sentinel2/60m", "landsat/30m", "hls_s30/30m", "hls_l30/30m"
    }  # fmt: skip
    assert survey.windows["sentinel2/60m"].corner[0].tolist() == [300_000, 5_200_020]
    assert survey.windows["landsat/30m"].corner[0].tolist() == [300_015, 5_200_005]
    assert survey.windows["landsat/30m"].item[0] == "s0-landsat-0"


def test_random_regime_writes_what_leaks_and_goes_on(stores, tmp_path, monkeypatch, capsys):
    run_step(stores, tmp_path, monkeypatch, test_blocks=2, val_blocks=2, regime="random")
    assert "regime random leaks: train-val chips 0 m apart" in capsys.readouterr().err
    certificate = json.loads((tmp_path / "main.leakage.json").read_text())
    assert certificate["passes"] is False and certificate["violations"]
