from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.catalog.dialects import parse_item
from anyband.catalog.pairing import (
    Clarity,
    find_hls,
    find_label,
    match_scenes,
    parse_all,
    select_pairs,
    select_scenes,
)
from make_items import NOON, make_item

BASE = {product: parse_item(make_item(product)) for product in ("sentinel2", "landsat", "hls_s30", "hls_l30", "label")}


def scene(product, name, days=0.0, **changes):
    return replace(BASE[product], item_id=name, datetime=NOON + timedelta(days=days), **changes)


def everywhere(found):
    return True


def with_hls(sentinel2, landsat):
    """Scenes by product, with the HLS version of each."""
    s30 = [
        replace(BASE["hls_s30"], item_id=f"S30-{s.item_id}", datetime=s.datetime, platform=s.platform)
        for s in sentinel2
    ]
    l30 = [
        replace(BASE["hls_l30"], item_id=f"L30-{s.item_id}", datetime=s.datetime, platform=s.platform) for s in landsat
    ]
    return {"sentinel2": sentinel2, "landsat": landsat, "hls_s30": s30, "hls_l30": l30}


def clear(matches, share=0.9):
    return {(m.sentinel2.item_id, m.landsat.item_id): Clarity(share, share, share) for m in matches}


def ids(pairs):
    return [(pair.match.sentinel2.item_id, pair.match.landsat.item_id) for pair in pairs]


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


def test_overlapping_tiles_of_one_datatake_count_once():
    scenes = [scene("sentinel2", "b", tile="32TPS"), scene("sentinel2", "a", tile="32TPR")]
    kept, (drop,) = select_scenes(scenes, everywhere)
    assert [found.item_id for found in kept] == ["a"]
    assert (drop.sentinel2, drop.reason) == ("b", "same pass")


def test_tiles_of_one_datatake_in_two_zones_stay_until_a_partner_decides():
    west = scene("sentinel2", "a", tile="32TQM")
    east = scene("sentinel2", "b", tile="33TUG", epsg=32633)
    kept, _ = select_scenes([west, east], everywhere)
    assert len(kept) == 2
    scenes = with_hls(kept, [scene("landsat", "l", epsg=32633)])
    scenes["hls_s30"] = [replace(found, tile="33TUG") for found in scenes["hls_s30"]]
    scenes["hls_l30"] = [replace(found, tile="33TUG") for found in scenes["hls_l30"]]
    matches, drops = match_scenes(scenes, 3)
    assert [match.sentinel2.item_id for match in matches] == ["b"]
    assert [(drop.sentinel2, drop.reason) for drop in drops] == [("a", "zone")]


def test_rows_of_one_landsat_pass_count_once():
    scenes = [scene("landsat", "r28", tile="193028"), scene("landsat", "r29", 25 / 86_400, tile="193029")]
    kept, (drop,) = select_scenes(scenes, everywhere)
    assert [found.item_id for found in kept] == ["r28"]
    assert (drop.landsat, drop.reason) == ("r29", "same pass")


@pytest.mark.parametrize(("days", "gap"), [(0.02, 0), (-3.02, 3), (3.4, 3)])
def test_day_gaps_are_rounded_and_count_both_ways(days, gap):
    (match,), _ = match_scenes(with_hls([scene("sentinel2", "s")], [scene("landsat", "l", days)]), 3)
    assert match.day_gap == gap


def test_scenes_without_a_partner_in_time_are_dropped():
    matches, drops = match_scenes(with_hls([scene("sentinel2", "s")], [scene("landsat", "l", 3.6)]), 3)
    assert matches == []
    assert [(d.sentinel2, d.landsat, d.reason) for d in drops] == [("s", "", "no partner"), ("", "l", "no partner")]


def test_hls_is_of_the_same_acquisition_not_the_nearest_in_time():
    other_platform = scene("hls_l30", "wrong satellite", platform="landsat-8")
    other_tile = scene("hls_l30", "wrong tile", tile="33TUG")
    other_day = scene("hls_l30", "wrong day", 0.6)
    right = scene("hls_l30", "right", 0.3)
    candidates = [other_platform, other_tile, other_day, right]
    assert find_hls(candidates, BASE["landsat"], "32TPR") is right
    assert find_hls(candidates[:3], BASE["landsat"], "32TPR") is None


@pytest.mark.parametrize(("product", "name"), [("hls_s30", "S30"), ("hls_l30", "L30")])
def test_a_match_without_its_hls_versions_is_dropped(product, name):
    scenes = with_hls([scene("sentinel2", "s")], [scene("landsat", "l")])
    scenes[product] = []
    matches, (drop,) = match_scenes(scenes, 3)
    assert matches == []
    assert (drop.sentinel2, drop.landsat, drop.reason) == ("s", "l", "no HLS")
    assert name in drop.detail


def test_cloudy_matches_are_dropped_with_their_shares():
    matches, _ = match_scenes(with_hls([scene("sentinel2", "s")], [scene("landsat", "l")]), 3)
    pairs, (drop,) = select_pairs(matches, {("s", "l"): Clarity(0.2, 0.5, 0.4)}, 0.3)
    assert pairs == []
    assert (drop.reason, drop.detail) == ("cloudy", "clear in both 0.200 < 0.3 (Sentinel-2 0.500, Landsat 0.400)")


def test_the_smaller_gap_wins_then_the_clearer_sky():
    scenes = with_hls([scene("sentinel2", "s1"), scene("sentinel2", "s2", 2)], [scene("landsat", "l", 2)])
    matches, _ = match_scenes(scenes, 3)
    pairs, (drop,) = select_pairs(matches, clear(matches), 0.3)
    assert ids(pairs) == [("s2", "l")]
    assert (drop.sentinel2, drop.landsat, drop.reason) == ("s1", "l", "scene used")
    scenes = with_hls([scene("sentinel2", "s1"), scene("sentinel2", "s2", 2)], [scene("landsat", "l", 1)])
    matches, _ = match_scenes(scenes, 3)
    shares = clear(matches) | {("s2", "l"): Clarity(0.95, 1, 1)}
    assert ids(select_pairs(matches, shares, 0.3)[0]) == [("s2", "l")]


def test_a_cloudy_match_does_not_use_up_its_scenes():
    scenes = with_hls([scene("sentinel2", "s1"), scene("sentinel2", "s2", 2)], [scene("landsat", "l", 2)])
    matches, _ = match_scenes(scenes, 3)
    shares = clear(matches) | {("s2", "l"): Clarity(0.1, 0.1, 1)}
    assert ids(select_pairs(matches, shares, 0.3)[0]) == [("s1", "l")]


days = st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True)


@given(days, days, st.integers(0, 5), st.randoms(use_true_random=False))
def test_every_scene_is_in_one_pair_at_most_or_dropped_whatever_the_order(s2_days, ls_days, max_gap, dice):
    sentinel2 = [scene("sentinel2", f"s{day:02d}", day) for day in s2_days]
    landsat = [scene("landsat", f"l{day:02d}", day + 0.01) for day in ls_days]
    tables = []
    for _ in range(2):
        dice.shuffle(sentinel2)
        dice.shuffle(landsat)
        matches, drops = match_scenes(with_hls(list(sentinel2), list(landsat)), max_gap)
        pairs, more = select_pairs(matches, clear(matches), 0.3)
        tables.append((ids(pairs), sorted(map(str, [*drops, *more]))))
    assert tables[0] == tables[1]
    used = [name for pair in ids(pairs) for name in pair]
    assert len(used) == len(set(used))
    assert all(pair.match.day_gap <= max_gap for pair in pairs)
    named = set(used) | {name for drop in [*drops, *more] for name in (drop.sentinel2, drop.landsat)}
    assert {found.item_id for found in (*sentinel2, *landsat)} <= named
    times = [pair.match.sentinel2.datetime for pair in pairs]
    assert times == sorted(times)


def test_the_newest_label_that_covers_the_site_is_taken():
    labels = [
        replace(BASE["label"], item_id="2020", datetime=NOON - timedelta(days=800)),
        replace(BASE["label"], item_id="2021"),
        replace(BASE["label"], item_id="2022 elsewhere", datetime=NOON),
    ]
    found = find_label(labels, lambda label: "elsewhere" not in label.item_id)
    assert found is not None
    assert found.item_id == "2021"
    assert find_label(labels, lambda label: False) is None
