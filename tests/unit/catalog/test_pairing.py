from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.catalog.items.dialects import parse_item
from anyband.catalog.pairs.coverage import covering_labels, site_square
from anyband.catalog.pairs.pairing import Clarity, Match, Reading, find_candidates, find_hls, select_pairs
from anyband.catalog.pairs.selection import find_passes, parse_all, select_scenes
from anyband.catalog.sites import Site
from anyband.raster.asset import UnusableItemError
from make_items import NOON, make_item

BASE = {product: parse_item(make_item(product)) for product in ("sentinel2", "landsat", "hls_s30", "hls_l30", "label")}


def scene(product, name, days=0.0, **changes):
    return replace(BASE[product], item_id=name, datetime=NOON + timedelta(days=days), **changes)


def everywhere(found):
    return True


def match_all(sentinel2, landsat, max_day_gap=3, **clarity):
    """The preferred candidate for each two passes, with any HLS; and what was dropped.

    `clarity` is that of the matches of some Sentinel-2 scenes, by id.
    """
    groups, drops = find_candidates(sentinel2, landsat, max_day_gap)
    hls = BASE["hls_s30"], BASE["hls_l30"]
    clear = Clarity(0.9, 0.9, 0.9)
    return [Match(*group[0], *hls, clarity.get(group[0][0].item_id, clear)) for group in groups], drops


def found(candidates, scene=BASE["landsat"]):
    """The HLS version of a Landsat scene, by default the base one."""
    return find_hls(scene, "32TPR", candidates, Reading(lambda version: version))


def ids(pairs):
    return [pair.ids for pair in pairs]


def test_items_that_cannot_be_used_are_dropped_with_the_reason_of_the_dialect():
    landsat7 = make_item("landsat")
    landsat7["properties"]["platform"] = "landsat-7"
    no_band = make_item("sentinel2")
    del no_band["assets"]["B8A"]
    kept, drops = parse_all([make_item("landsat") | {"id": "good"}, landsat7], "landsat")
    assert [found.item_id for found in kept] == ["good"]
    assert (drops[0].sentinel2, drops[0].landsat, drops[0].reason) == ("", landsat7["id"], "unusable")
    assert "landsat-7" in drops[0].detail
    _, (drop,) = parse_all([no_band], "sentinel2")
    assert (drop.sentinel2, drop.landsat) == (no_band["id"], "")
    assert "asset B8A is missing" in drop.detail


def test_tier_2_and_partial_scenes_are_dropped():
    scenes = [scene("landsat", "a"), scene("landsat", "b", 1, tier="T2"), scene("landsat", "c", 2)]
    kept, drops = select_scenes(scenes, lambda found: found.item_id != "c")
    assert [found.item_id for found in kept] == ["a"]
    assert [(drop.landsat, drop.reason) for drop in drops] == [("b", "tier"), ("c", "partial")]


@given(st.permutations(range(4)))
def test_the_newest_version_of_a_scene_stays_whatever_the_order(order):
    versions = [
        scene("sentinel2", "old", baseline="03.01", produced="2024"),
        scene("sentinel2", "new", baseline="05.10", produced="2022-01"),
        scene("sentinel2", "newest", baseline="05.10", produced="2022-02"),
        scene("sentinel2", "other day", 5),
    ]
    kept, drops = select_scenes([versions[i] for i in order], everywhere)
    assert {found.item_id for found in kept} == {"newest", "other day"}
    assert {(drop.sentinel2, drop.reason, drop.detail) for drop in drops} == {
        ("old", "reprocessed", "newest is used instead"),
        ("new", "reprocessed", "newest is used instead"),
    }


def test_versions_around_midnight_are_versions_of_one_scene():
    """In the east of Australia passes lie around midnight UTC, and a new version may move them by milliseconds."""
    first = scene("landsat", "a", 0.57256, produced="1")
    again = scene("landsat", "b", 0.57256 + 2e-5, produced="2")
    kept, (drop,) = select_scenes([first, again], everywhere)
    assert [scene.item_id for scene in kept] == ["b"]
    assert (drop.landsat, drop.reason) == ("a", "reprocessed")


def test_items_that_are_excluded_or_listed_twice_are_dropped():
    one, two, three = (make_item("landsat") | {"id": name} for name in ("a", "b", "b"))
    two["properties"] = two["properties"] | {"created": "2030-01-01T00:00:00Z"}
    for listed in ([one, two, three], [three, two, one]):
        kept, drops = parse_all(listed, "landsat", ["a"])
        assert [(found.item_id, found.produced[:4]) for found in kept] == [("b", "2030")]
        assert [(drop.landsat, drop.reason) for drop in drops] == [("a", "excluded"), ("b", "duplicate")]


def test_the_tile_in_the_zone_of_the_landsat_scene_is_taken():
    west = scene("sentinel2", "a", tile="32TQM")
    east = scene("sentinel2", "b", tile="33TUG", epsg=32633)
    for tiles in ([west, east], [east, west]):
        matches, drops = match_all(tiles, [scene("landsat", "l", epsg=32633)])
        assert [match.sentinel2.item_id for match in matches] == ["b"]
        assert [(drop.sentinel2, drop.landsat, drop.reason) for drop in drops] == [("a", "l", "zone")]


def test_at_the_equator_the_tile_of_the_landsat_scene_s_own_crs_is_preferred():
    """Tiles of both hemispheres lie in one zone; Landsat is always in that of the north."""
    tiles = [scene("sentinel2", "a", tile="32MPE", epsg=32732), scene("sentinel2", "b", tile="32NPF")]
    (group,), drops = find_candidates(tiles, [scene("landsat", "l")], 3)
    assert [first.item_id for first, _ in group] == ["b", "a"]
    assert drops == []


@pytest.mark.parametrize("start", [0.0, 0.5724], ids=["morning", "midnight"])
def test_rows_of_one_landsat_pass_are_one_pass(start):
    rows = [scene("landsat", "r29", start + 25 / 86_400, tile="193029"), scene("landsat", "r28", start, tile="193028")]
    other = scene("landsat", "next orbit", start + 99 / 1440)
    passes = find_passes([*rows, other])
    assert passes == {"r28": "r28", "r29": "r28", "next orbit": "next orbit"}
    (group, _), _ = find_candidates([scene("sentinel2", "s")], [*rows, other], 3)
    assert {second.item_id for _, second in group} in ({"r28", "r29"}, {"next orbit"})


@pytest.mark.parametrize(("days", "gap"), [(0.02, 0), (-3.02, 3), (3.4, 3)])
def test_day_gaps_are_rounded_and_count_both_ways(days, gap):
    (match,), _ = match_all([scene("sentinel2", "s")], [scene("landsat", "l", days)])
    assert match.day_gap == gap


def test_scenes_without_a_partner_in_time_are_dropped():
    matches, drops = match_all([scene("sentinel2", "s")], [scene("landsat", "l", 3.6)])
    assert matches == []
    assert [(d.sentinel2, d.landsat, d.reason) for d in drops] == [("s", "", "no partner"), ("", "l", "no partner")]


def test_hls_is_of_the_same_acquisition_not_the_nearest_in_time():
    other_platform = scene("hls_l30", "wrong satellite", platform="landsat-8")
    other_tile = scene("hls_l30", "wrong tile", tile="33TUG")
    next_orbit = scene("hls_l30", "next orbit", 99 / 1440)
    right = scene("hls_l30", "right", -0.005)
    candidates = [other_platform, other_tile, next_orbit, right]
    assert found(candidates) is right
    assert found(candidates[:3]) is None


def test_hls_of_an_acquisition_around_midnight_is_found():
    """The rows of a Landsat pass may lie on both sides of midnight, and HLS has the time of one of them."""
    landsat = scene("landsat", "l", 0.5727)
    l30 = scene("hls_l30", "h", 0.5727 - 24 / 86_400)
    assert landsat.datetime.date() != l30.datetime.date()
    assert found([l30], landsat) is l30


def test_the_satellite_of_hls_is_read_for_candidates_only_and_once():
    opened = []

    def identify(scene):
        opened.append(scene.item_id)
        if scene.item_id == "gone":
            raise UnusableItemError("item gone: asset B01: file does not exist")
        return replace(scene, platform="landsat-9")

    silent = [
        scene("hls_l30", name, days, platform="", tile=tile)
        for name, days, tile in (("right", 0, "32TPR"), ("gone", 0, "32TPR"), ("day", 1, "32TPR"), ("tile", 0, "32TPS"))
    ]
    identified = Reading(identify)
    for _ in range(2):
        l30 = find_hls(BASE["landsat"], "32TPR", silent, identified)
        assert (l30.item_id, l30.platform) == ("right", "landsat-9")
    assert sorted(opened) == ["gone", "right"]
    assert [(drop.landsat, drop.reason) for drop in identified.drops] == [("gone", "unusable")]


@pytest.mark.parametrize(
    ("clarity", "reason", "detail"),
    [
        (Clarity(0.2, 0.5, 0.4), "cloudy", "clear in both 0.200 < 0.3 (Sentinel-2 0.500, Landsat 0.400)"),
        (Clarity(0.1, 0.1, 1.0, seen=0.1), "no data", "data in both 0.100 < 0.3, although both footprints cover"),
    ],
)
def test_cloudy_matches_and_those_without_data_are_told_apart(clarity, reason, detail):
    matches, _ = match_all([scene("sentinel2", "s")], [scene("landsat", "l")], s=clarity)
    pairs, (drop,) = select_pairs(matches, 0.3)
    assert pairs == []
    assert drop.reason == reason and drop.detail.startswith(detail)


def test_the_smaller_gap_wins_then_the_clearer_sky():
    scenes = [scene("sentinel2", "s1"), scene("sentinel2", "s2", 2)]
    pairs, (drop,) = select_pairs(match_all(scenes, [scene("landsat", "l", 2)])[0], 0.3)
    assert ids(pairs) == [("s2", "l")]
    assert (drop.sentinel2, drop.landsat, drop.reason) == ("s1", "l", "scene used")
    matches, _ = match_all(scenes, [scene("landsat", "l", 1)], s2=Clarity(0.95, 1, 1))
    assert ids(select_pairs(matches, 0.3)[0]) == [("s2", "l")]


def test_a_cloudy_match_does_not_use_up_its_scenes():
    scenes = [scene("sentinel2", "s1"), scene("sentinel2", "s2", 2)]
    matches, _ = match_all(scenes, [scene("landsat", "l", 2)], s2=Clarity(0.1, 0.1, 1))
    assert ids(select_pairs(matches, 0.3)[0]) == [("s1", "l")]


days = st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True)


@given(days, days, st.integers(0, 5), st.randoms(use_true_random=False))
def test_every_scene_is_in_one_pair_at_most_or_dropped_whatever_the_order(s2_days, ls_days, max_gap, dice):
    sentinel2 = [scene("sentinel2", f"s{day:02d}", day) for day in s2_days]
    landsat = [scene("landsat", f"l{day:02d}", day + 0.01) for day in ls_days]
    tables = []
    for _ in range(2):
        dice.shuffle(sentinel2)
        dice.shuffle(landsat)
        matches, drops = match_all(sentinel2, landsat, max_gap)
        pairs, more = select_pairs(matches, 0.3)
        tables.append((ids(pairs), sorted(map(str, [*drops, *more]))))
    assert tables[0] == tables[1]
    used = [name for pair in ids(pairs) for name in pair]
    assert len(used) == len(set(used))
    assert all(pair.day_gap <= max_gap for pair in pairs)
    named = set(used) | {name for drop in [*drops, *more] for name in (drop.sentinel2, drop.landsat)}
    assert {found.item_id for found in (*sentinel2, *landsat)} <= named
    times = [pair.sentinel2.datetime for pair in pairs]
    assert times == sorted(times)


def label(name, west, south, year=2021, side=3.0):
    """A label tile with its corner at whole degrees."""
    ring = [(west, south), (west + side, south), (west + side, south + side), (west, south + side), (west, south)]
    footprint = {"type": "Polygon", "coordinates": [ring]}
    return replace(BASE["label"], item_id=name, footprint=footprint, datetime=datetime(year, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("longitude", "latitude", "names"),
    [
        (10.5, 46.5, ["2021-e9n45"]),
        (9.001, 46.5, ["2021-e6n45", "2021-e9n45"]),
        (9.001, 45.001, ["2021-e6n42", "2021-e6n45", "2021-e9n42", "2021-e9n45"]),
        (12.001, 46.5, ["2020-e9n42x6"]),  # the newer product ends there
        (15.1, 46.5, []),
    ],
)
def test_the_newest_label_that_covers_the_site_is_taken_in_as_many_tiles_as_needed(longitude, latitude, names):
    labels = [label(f"2021-e{e}n{n}", e, n) for e in (9, 6) for n in (45, 42)]
    labels.append(label("2020-e9n42x6", 9, 42, 2020, side=6.0))
    square = site_square(Site("x", longitude, latitude, 3840), {32632})
    for listed in (labels, labels[::-1]):
        assert [found.item_id for found in covering_labels(listed, square)] == names


def test_edges_of_label_tiles_may_differ_by_rounding():
    labels = [label("a", 6, 45, side=2.9999999), label("b", 9.0000001, 45)]
    square = site_square(Site("x", 9.001, 46.5, 3840), {32632})
    assert len(covering_labels(labels, square)) == 2


@pytest.mark.parametrize("longitude", [179.99, -179.99])
def test_labels_on_both_sides_of_the_antimeridian_cover_a_site_there(longitude):
    """In Fiji."""
    labels = [label("E177", 177, -18), label("W180", -180, -18)]
    square = site_square(Site("x", longitude, -16.5, 3840), {32701, 32760})
    assert [found.item_id for found in covering_labels(labels, square)] == ["E177", "W180"]
    assert covering_labels(labels[:1], square) == []
