"""Pairing with real rasters: clear shares against counting by hand, in both hemispheres."""

import copy
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.catalog.items.dialects import parse_item
from anyband.catalog.pairs.coverage import Look, look_at, site_corners, site_points
from anyband.catalog.pairs.site_pairs import PAIR_COLUMNS, as_csv, pair_site
from anyband.catalog.sites import Site
from anyband.products import CATALOGUED
from anyband.raster.asset import ContradictionError, UnusableItemError
from anyband.raster.write import hls_crs
from anyband.runtime import UserError
from make_items import NOON, NORTH, make_item, quality_raster, site_items, square

SOUTH = Site("elder", 148.862, -34.958, 3840)


@pytest.mark.parametrize("site", [NORTH, SOUTH], ids=["north", "south"])
def test_one_pair_with_the_clear_shares_of_the_ground(tmp_path, site):
    """In the south Sentinel-2 is in EPSG:327xx and Landsat in 326xx with negative northings."""
    ((row,), drops, _) = pair_site(site, site_items(tmp_path, site, {"sentinel2": 0.25, "landsat": 0.5}), 3, 0.3)
    assert drops == []
    assert tuple(row) == PAIR_COLUMNS
    for name, share in (("clear_sentinel2", 0.75), ("clear_landsat", 0.5), ("clear_joint", 0.5)):
        assert float(row[name]) == pytest.approx(share, abs=0.01)
    assert (row["pair"], row["day_gap"], row["baseline"]) == (0, 0, "04.00")
    assert (row["epsg_sentinel2"], row["epsg_landsat"]) == (site.utm_epsg, 32600 + site.utm_epsg % 100)
    assert row["datetime_landsat"] == "2022-05-10T10:15:30Z"
    assert row["sun_zenith_landsat"] == "33.000"


def test_a_missing_label_is_one_line(tmp_path):
    items = site_items(tmp_path, NORTH)
    for label in ([], [make_item("label", footprint=square(NORTH.longitude + 0.05, NORTH.latitude))]):
        with pytest.raises(UserError, match=f"site aspen: label missing, none of {len(label)} label items"):
            pair_site(NORTH, items | {"label": label}, 3, 0.3)


@pytest.mark.parametrize("shift", [0.03, 0.06])
def test_a_footprint_must_cover_the_whole_square(tmp_path, shift):
    """The square reaches 0.025 degrees from the centre, the footprint 0.05: a shift of 0.03 cuts a corner off."""
    items = site_items(tmp_path, NORTH)
    items["landsat"][0]["geometry"] = make_item("landsat", footprint=square(NORTH.longitude + shift, NORTH.latitude))[
        "geometry"
    ]
    rows, drops, _ = pair_site(NORTH, items, 3, 0.3)
    assert rows == []
    assert drops[0].reason == "partial"


@pytest.mark.parametrize("content", [None, "<html>Please log in</html>"], ids=["gone", "damaged"])
def test_a_quality_layer_that_cannot_be_read_drops_the_scene(tmp_path, content):
    items = site_items(tmp_path, NORTH)
    (tmp_path / "landsat.tif").unlink()
    if content:
        (tmp_path / "landsat.tif").write_text(content)
    rows, drops, _ = pair_site(NORTH, items, 3, 0.3)
    assert rows == []
    assert [(drop.sentinel2, drop.landsat, drop.reason) for drop in drops][:2] == [
        ("", items["landsat"][0]["id"], "unusable"),
        (items["sentinel2"][0]["id"], "", "no partner"),
    ]
    assert "asset qa_pixel" in drops[0].detail


def test_points_outside_the_raster_are_not_seen(tmp_path):
    """A footprint may go some metres beyond its raster; the site of the second look lies half outside."""
    items = site_items(tmp_path, NORTH)
    scene = parse_item(items["sentinel2"][0])
    assert look_at(scene, NORTH).clear.all()
    east = replace(NORTH, longitude=NORTH.longitude + 2400 / 111_320 / np.cos(np.radians(NORTH.latitude)))
    look = look_at(scene, east)
    assert look.seen.mean() == pytest.approx((2400 - 480) / 3840, abs=0.02)
    assert np.array_equal(look.seen, look.clear)


def test_labels_have_no_quality_layer():
    with pytest.raises(UnusableItemError, match="no quality layer"):
        look_at(parse_item(make_item("label")), NORTH)


def says(items, product, key, **fields):
    """Let an item say something else of one of its files."""
    items[product][0]["assets"][key].update(fields)
    items[product][0]["properties"].update(fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"proj:epsg": 32732}, "the item says EPSG:32732, its file EPSG:32632"),
        ({"proj:epsg": 32633}, "the item says EPSG:32633, its file EPSG:32632"),
        ({"proj:transform": [30, 0, 600_015, 0, -30, 5_100_015]}, r"the item says transform \(30.0, 0.0, 600015.0"),
        ({"proj:shape": [7_000, 7_000]}, r"the item says shape \(7000, 7000\), its file \(160, 160\)"),
    ],
    ids=["hemisphere", "zone", "transform", "shape"],
)
def test_an_item_that_contradicts_its_file_is_dropped_as_such(tmp_path, fields, said):
    """Read on, the site would lie outside of the raster and be called cloudy."""
    items = site_items(tmp_path, NORTH)
    (landsat,), (sentinel2,) = items["landsat"], items["sentinel2"]
    landsat["properties"] |= fields
    if "proj:epsg" in fields:  # scenes of two zones would not be compared at all
        sentinel2["properties"] |= fields
        quality_raster(tmp_path / "sentinel2.tif", NORTH, "sentinel2", fields["proj:epsg"], 0.0)
        for asset in sentinel2["assets"].values():
            asset.pop("proj:transform", None)
            asset.pop("proj:shape", None)
    rows, drops, _ = pair_site(NORTH, items, 3, 0.3)
    assert rows == []
    assert (drops[0].landsat, drops[0].reason) == (landsat["id"], "contradiction")
    assert re.match(f"item {landsat['id']}: asset qa_pixel: {said}", drops[0].detail)


def test_a_file_in_the_wrong_place_is_a_contradiction_even_if_the_item_does_not_say_where(tmp_path):
    items = site_items(tmp_path, SOUTH)
    elsewhere = replace(SOUTH, latitude=SOUTH.latitude + 1)
    quality_raster(tmp_path / "landsat.tif", elsewhere, "landsat", 32655, 0.0)
    for fields in (items["landsat"][0]["properties"], items["landsat"][0]["assets"]["qa_pixel"]):
        fields.pop("proj:transform", None)
        fields.pop("proj:shape", None)
    rows, drops, _ = pair_site(SOUTH, items, 3, 0.3)
    assert rows == []
    assert (drops[0].landsat, drops[0].reason) == (items["landsat"][0]["id"], "contradiction")
    assert "the item's footprint covers the site, but its file spans" in drops[0].detail


def test_the_crs_of_hls_files_has_no_code_and_is_compared_by_position(tmp_path):
    """Files are in UTM north in both hemispheres, with a datum that has no name."""
    path = tmp_path / "fmask.tif"
    for crs, fits in ((hls_crs(55), True), (hls_crs(54), False), ("EPSG:32755", False)):
        file = quality_raster(path, SOUTH, "landsat", 32655, 0.0)
        with rasterio.open(path) as source:
            profile, values = source.profile | {"crs": crs, "dtype": "uint8"}, np.zeros(source.shape, np.uint8)
        with rasterio.open(path, "w", **profile) as target:
            target.write(values, 1)
        item = make_item(
            "hls_l30", epsg=32655, assets={"Fmask": file}, footprint=square(SOUTH.longitude, SOUTH.latitude)
        )
        item["assets"]["Fmask"]["href"] = str(path)
        scene = parse_item(item | {"id": item["id"].replace("T32", "T55")})
        assert scene.epsg == 32655
        if fits:
            assert look_at(scene, SOUTH).clear.all()
        else:
            with pytest.raises(ContradictionError, match="the item says EPSG:32655, its file "):
                look_at(scene, SOUTH)


def test_another_tile_is_taken_where_the_first_cannot_be_read(tmp_path):
    """Tiles of one datatake overlap: what one of them lacks, the other may have."""
    items = site_items(tmp_path, NORTH)
    (first,) = items["sentinel2"]
    twin = copy.deepcopy(first) | {"id": first["id"].replace("_T32TPR_", "_T32TPA_")}
    twin["properties"]["s2:mgrs_tile"] = "32TPA"
    twin["assets"]["SCL"]["href"] = str(tmp_path / "gone.tif")
    for product in ("hls_s30", "hls_l30"):
        items[product].append(items[product][0] | {"id": items[product][0]["id"].replace("T32TPR", "T32TPA")})
    for listed in ([twin, first], [first, twin]):
        ((row,), drops, _) = pair_site(NORTH, items | {"sentinel2": listed}, 3, 0.3)
        assert row["sentinel2"] == first["id"]
        assert [(d.sentinel2, d.reason) for d in drops if d.reason != "not needed"] == [(twin["id"], "unusable")]


@pytest.mark.parametrize("site", [NORTH, SOUTH], ids=["north", "south"])
def test_points_and_corners_lie_around_the_site(site):
    x, y = site_points(site, site.utm_epsg)
    assert len(x) == 128 * 128
    assert np.ptp(x) == np.ptp(y) == 3840 - 30
    longitudes, latitudes = zip(*site_corners(site, site.utm_epsg), strict=True)
    assert np.mean(longitudes) == pytest.approx(site.longitude, abs=1e-4)
    assert np.mean(latitudes) == pytest.approx(site.latitude, abs=1e-4)


def test_two_dates_are_numbered_in_order_of_time(tmp_path):
    early, late = (
        site_items(tmp_path / str(number), NORTH, datetime=NOON.replace(month=month))
        for number, month in enumerate((8, 5))
    )
    both = {product: early[product] + late[product] for product in early}
    rows, drops, _ = pair_site(NORTH, both | {"label": early["label"]}, 3, 0.3)
    assert [(row["pair"], row["datetime_sentinel2"][:7]) for row in rows] == [(0, "2022-05"), (1, "2022-08")]
    assert drops == []


BASE = {product: make_item(product) for product in CATALOGUED}
scenes = st.lists(
    st.tuples(
        st.sampled_from(["sentinel2", "landsat", "hls_s30", "hls_l30"]),
        st.integers(0, 6),  # day
        st.sampled_from(["", "other tile", "tier 2", "partial", "excluded", "broken", "unreadable", "contradiction"]),
        st.booleans(),  # cloudy
    ),
    max_size=25,
)


def vary(number, product, day, kind, cloudy):
    """A scene of a day with something that is wrong with it."""
    when = NOON + timedelta(days=day)
    item = copy.deepcopy(make_item(product, datetime=when))
    if kind == "other tile":
        item["id"] = item["id"].replace("T32TPR", "T32TQR").replace("193028", "193029")
        if product == "sentinel2":
            item["properties"]["s2:mgrs_tile"] = "32TQR"
        if product == "landsat":
            item["properties"]["landsat:wrs_row"] = "029"
    elif not product.startswith("hls"):
        item["id"] = f"{item['id']}-{kind}-{cloudy}"
    if kind == "tier 2" and product == "landsat":
        item["properties"]["landsat:collection_category"] = "T2"
    if kind == "partial":
        item["geometry"] = {"type": "Polygon", "coordinates": [[*square(11.0), square(11.0)[0]]]}
    if kind == "broken":
        item["assets"] = {}
    item["properties"]["eo:cloud_cover"] = 100.0 if cloudy else 0.0
    item["assets"].setdefault("other", {})["title"] = str(number)
    return item


@settings(max_examples=40)
@given(scenes, st.randoms(use_true_random=False))
def test_every_item_is_in_a_pair_or_dropped_whatever_the_order(drawn, dice):
    """With quality layers that are made up: their reading is not the point."""
    items = {product: [] for product in CATALOGUED} | {"label": [BASE["label"]]}
    for number, entry in enumerate(drawn):
        items[entry[0]].append(vary(number, *entry))
    exclude = {item["id"] for listed in items.values() for item in listed if "excluded" in item["id"]}

    def make_up(scene, site):
        for kind, error in (("unreadable", UnusableItemError), ("contradiction", ContradictionError)):
            if kind in scene.item_id:
                raise error(f"item {scene.item_id}: {kind}")
        mask = np.full(4, scene.cloud_cover == 0)
        return Look(np.ones(4, bool), mask)

    outcomes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anyband.catalog.pairs.site_pairs.look_at", make_up)
        for _ in range(2):
            for listed in items.values():
                dice.shuffle(listed)
            rows, drops, _ = pair_site(NORTH, items, 3, 0.3, exclude)
            outcomes.append((as_csv(PAIR_COLUMNS, rows), sorted(map(str, drops))))
    known = {item["id"] for listed in items.values() for item in listed}
    used = [row[product] for row in rows for product in CATALOGUED]
    assert known == set(used) | {name for drop in drops for name in (drop.sentinel2, drop.landsat) if name}
    assert outcomes[0] == outcomes[1]
    scenes_used = [row[product] for row in rows for product in ("sentinel2", "landsat")]
    assert len(set(scenes_used)) == len(scenes_used)
    assert not set(used) & exclude
    assert all(drop.reason and drop.detail and "\n" not in drop.detail for drop in drops)
