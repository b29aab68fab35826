"""Pairing with real rasters: clear shares against counting by hand, in both hemispheres."""

import csv
import io

import numpy as np
import pytest

from anyband.catalog.acquisition import UnusableItemError
from anyband.catalog.clear import project, read_clear, site_corners, site_points
from anyband.catalog.dialects import parse_item
from anyband.catalog.search import Site
from anyband.catalog.site_pairs import DROP_COLUMNS, PAIR_COLUMNS, as_csv, pair_site, why_none
from anyband.runtime import UserError
from make_items import NOON, NORTH, make_item, quality_raster, square

SOUTH = Site("elder", 148.862, -34.958, 3840)


def site_items(folder, site, cloudy=None, **changes):
    """Raw items of one date, by product, with files on disk; `cloudy` is the clouded share by product."""
    utm = site.utm_epsg
    north = 32600 + utm % 100
    ring = square(site.longitude, site.latitude)
    items = {}
    for product, qa in (("sentinel2", "SCL"), ("landsat", "qa_pixel")):
        epsg = utm if product == "sentinel2" else north
        file = quality_raster(folder / f"{product}.tif", site, product, epsg, (cloudy or {}).get(product, 0.0))
        items[product] = make_item(product, site=site.name, epsg=epsg, assets={qa: file}, footprint=ring, **changes)
        items[product]["assets"][qa]["href"] = file.path
    for product in ("hls_s30", "hls_l30", "label"):
        epsg = {"epsg": north} if product != "label" else {}
        items[product] = make_item(product, site=site.name, footprint=ring, **epsg, **changes)
    return {product: [item] for product, item in items.items()}


@pytest.mark.parametrize("site", [NORTH, SOUTH], ids=["north", "south"])
def test_one_clear_pair(tmp_path, site):
    """In the south Sentinel-2 is in EPSG:327xx and Landsat in 326xx with negative northings."""
    rows, drops = pair_site(site, site_items(tmp_path, site), 3, 0.3)
    assert drops == []
    (row,) = rows
    assert tuple(row) == PAIR_COLUMNS
    assert (row["clear_joint"], row["clear_sentinel2"], row["clear_landsat"]) == ("1.0000", "1.0000", "1.0000")
    assert (row["pair"], row["day_gap"], row["baseline"]) == (0, 0, "04.00")
    assert (row["epsg_sentinel2"], row["epsg_landsat"]) == (site.utm_epsg, 32600 + site.utm_epsg % 100)
    assert row["datetime_landsat"] == "2022-05-10T10:15:30Z"
    assert row["sun_zenith_landsat"] == "33.000"


@pytest.mark.parametrize("site", [NORTH, SOUTH], ids=["north", "south"])
def test_clear_shares_are_those_of_the_ground(tmp_path, site):
    items = site_items(tmp_path, site, {"sentinel2": 0.25, "landsat": 0.5})
    ((row,), _) = pair_site(site, items, 3, 0.3)
    assert float(row["clear_sentinel2"]) == pytest.approx(0.75, abs=0.01)
    assert float(row["clear_landsat"]) == pytest.approx(0.5, abs=0.01)
    assert float(row["clear_joint"]) == pytest.approx(0.5, abs=0.01)


def test_a_cloudy_site_keeps_its_reasons_and_one_line(tmp_path):
    rows, drops = pair_site(NORTH, site_items(tmp_path, NORTH, {"landsat": 0.9}), 3, 0.3)
    assert rows == []
    assert [drop.reason for drop in drops] == ["cloudy"]
    line = why_none(NORTH, drops)
    assert line.startswith("site aspen: no pair of scenes is left (1 cloudy)")
    assert "\n" not in line


def test_a_missing_label_is_one_line(tmp_path):
    items = site_items(tmp_path, NORTH)
    for label in ([], [make_item("label", footprint=square(NORTH.longitude + 0.05, NORTH.latitude))]):
        with pytest.raises(UserError, match=f"site aspen: label missing, none of {len(label)} label items"):
            pair_site(NORTH, items | {"label": label}, 3, 0.3)


def test_a_site_without_scenes_still_says_what_is_missing(tmp_path):
    items = site_items(tmp_path, NORTH)
    rows, drops = pair_site(NORTH, items | {"sentinel2": []}, 3, 0.3)
    assert rows == []
    assert [drop.reason for drop in drops] == ["no partner"]


@pytest.mark.parametrize("shift", [0.03, 0.06])
def test_a_footprint_must_cover_the_whole_square(tmp_path, shift):
    """The square reaches 0.025 degrees from the centre, the footprint 0.05: a shift of 0.03 cuts a corner off."""
    items = site_items(tmp_path, NORTH)
    items["landsat"][0]["geometry"] = make_item("landsat", footprint=square(NORTH.longitude + shift, NORTH.latitude))[
        "geometry"
    ]
    rows, drops = pair_site(NORTH, items, 3, 0.3)
    assert rows == []
    assert drops[0].reason == "partial"


def test_a_quality_layer_that_is_gone_drops_the_scene_but_a_broken_one_stops(tmp_path):
    items = site_items(tmp_path, NORTH)
    (tmp_path / "landsat.tif").unlink()
    rows, drops = pair_site(NORTH, items, 3, 0.3)
    assert rows == []
    assert [(drop.landsat, drop.reason) for drop in drops] == [(items["landsat"][0]["id"], "unusable")]
    assert "asset qa_pixel" in drops[0].detail
    (tmp_path / "landsat.tif").write_text("<html>Please log in</html>")
    with pytest.raises(UserError, match=f"^item {items['landsat'][0]['id']}: asset qa_pixel: [^\n]*$"):
        pair_site(NORTH, items, 3, 0.3)


def test_points_outside_the_raster_are_not_clear(tmp_path):
    items = site_items(tmp_path, NORTH)
    scene = parse_item(items["sentinel2"][0])
    x, y = site_points(NORTH, scene.epsg)
    assert read_clear(scene, (x, y), scene.epsg).all()
    assert not read_clear(scene, (x + 20_000, y), scene.epsg).any()
    half = read_clear(scene, (x + 2400, y), scene.epsg)
    assert half.mean() == pytest.approx((2400 - 480) / 3840, abs=0.02)


def test_labels_have_no_quality_layer():
    with pytest.raises(UnusableItemError, match="no quality layer"):
        read_clear(parse_item(make_item("label")), site_points(NORTH, 32632), 32632)


@pytest.mark.parametrize("site", [NORTH, SOUTH], ids=["north", "south"])
def test_points_and_corners_lie_around_the_site(site):
    x, y = site_points(site, site.utm_epsg)
    assert len(x) == 128 * 128
    assert np.ptp(x) == np.ptp(y) == 3840 - 30
    longitudes, latitudes = zip(*site_corners(site, site.utm_epsg), strict=True)
    assert np.mean(longitudes) == pytest.approx(site.longitude, abs=1e-4)
    assert np.mean(latitudes) == pytest.approx(site.latitude, abs=1e-4)


def test_southern_zones_differ_by_the_false_northing_alone():
    points = np.array([500_000.0, 680_001.5]), np.array([6_130_000.0, 6_129_999.25])
    x, y = project(points, 32755, 32655)
    assert x == pytest.approx(points[0], abs=1e-4)
    assert y == pytest.approx(points[1] - 10_000_000, abs=1e-4)


def test_tables_are_plain_csv():
    rows = [{"sentinel2": "a", "landsat": "", "reason": "cloudy", "detail": 'share 0.1, "low"'}]
    text = as_csv(DROP_COLUMNS, rows)
    assert text.splitlines()[0] == "sentinel2,landsat,reason,detail"
    assert list(csv.DictReader(io.StringIO(text))) == rows
    assert as_csv(DROP_COLUMNS, []) == "sentinel2,landsat,reason,detail\n"


def test_two_dates_are_numbered_in_order_of_time(tmp_path):
    early, late = (
        site_items(tmp_path / str(number), NORTH, datetime=NOON.replace(month=month))
        for number, month in enumerate((8, 5))
    )
    both = {product: early[product] + late[product] for product in early}
    rows, drops = pair_site(NORTH, both | {"label": early["label"]}, 3, 0.3)
    assert [(row["pair"], row["datetime_sentinel2"][:7]) for row in rows] == [(0, "2022-05"), (1, "2022-08")]
    assert drops == []
