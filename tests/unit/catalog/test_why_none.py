"""Advice for a site without pairs, and for stores without chips, helps against what they were left out for."""

import pytest

from anyband.catalog.pairs.selection import Drop
from anyband.catalog.pairs.site_pairs import DROP_COLUMNS, as_csv
from anyband.catalog.pairs.why_none import why_none
from anyband.catalog.sites import Site
from anyband.chips.store import new_store
from anyband.runtime import UserError
from anyband.splits.index import survey_stores

SITE = Site("tarn", 8.3, 47.1, 3840)
WIDEN, BROKEN = "widen the dates", "B04 lies\nelsewhere"


def drops(reason, sentinel2=0, landsat=0, both=0, detail=""):
    entries = [("s", "")] * sentinel2 + [("", "l")] * landsat + [("s", "l")] * both
    return [Drop(*ids, reason, detail) for ids in entries]


CASES = {
    "nothing found": ([], WIDEN),
    "cloudy": (drops("cloudy", both=3) + drops("no partner", 2, 1), "min_clear"),
    "apart in time": (drops("no partner", 9, 4) + drops("partial", 1), "max_day_gap"),
    "one sensor unusable": (
        drops("unusable", landsat=2, detail=BROKEN) + drops("no partner", 9),
        "B04 lies elsewhere",
    ),
    "as many unusable": (drops("unusable", 1, detail=BROKEN) + drops("no partner", landsat=1), "B04 lies elsewhere"),
    "contradiction": (drops("contradiction", 2, 2, detail=BROKEN), "B04 lies elsewhere"),
    "no HLS": (drops("no HLS", both=4), "HLS"),
    "HLS unusable": (drops("no HLS", both=1) + drops("unusable", 1, detail=BROKEN), "B04 lies elsewhere"),
    "no extra sensor": (drops("no extra sensor", both=2), "extra_sensors"),
    "beside the scenes": (drops("partial", 3, 3), "move the site"),
    "no data": (drops("no data", both=3) + drops("cloudy", both=1), "move the site"),
    "two zones": (drops("zone", both=3), "zone"),
    "level 2 tier": (drops("tier", landsat=3) + drops("no partner", 5), WIDEN),
    "all excluded": (drops("excluded", 2) + drops("no partner", landsat=8), "exclude"),
    "replaced ones": (drops("same pass", both=8) + drops("duplicate", 5) + drops("no HLS", both=1), "HLS"),
    "new reason": (drops("eclipse", both=2), "see the table of drops"),
}


@pytest.mark.parametrize("case", CASES)
def test_advice_for_a_site_follows_the_commonest_cause(case):
    entries, words = CASES[case]
    line = why_none(SITE, entries + drops("not needed", 20, 20))
    assert line.startswith("site tarn: no pair of scenes is left (")
    assert words in line
    assert "\n" not in line
    assert (WIDEN in line) == (words in (WIDEN, "min_clear", "max_day_gap"))


def empty_store(folder, name, reasons, unpaired=()):
    path = folder / "chips/main" / f"{name}.zarr"
    with new_store(path, 960, 0) as store:
        dropped = [{"pair": 0, "row": 0, "col": n, **entry} for n, entry in enumerate(reasons)]
        known = {"site": name, "dataset": "main", "epsg": 32632, "simulated": None}
        store.finish(known | {"chips": [], "pairs": {}, "dropped": dropped}, {})
    table = folder / "pairs/main" / f"{name}.dropped.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(as_csv(DROP_COLUMNS, [vars(entry) for entry in unpaired]))
    return path


@pytest.mark.parametrize(
    ("reasons", "unpaired", "listed", "words"),
    [
        ([{"reason": "cloud"}] * 3 + [{"reason": "no label"}], [], "3 cloud, 1 no label", "chip_min_clear"),
        ([{"reason": "no label"}] * 4, [], "4 no label", "another site or label"),
        ([{"reason": "outside the landsat scene"}], [], "1 outside the landsat scene", "move the site"),
        ([{"reason": "unusable", "detail": "B08: damaged"}] * 2, [], "2 unusable", "B08: damaged"),
        ([], drops("cloudy", both=2), "2 cloudy", "min_clear"),
        ([], drops("no HLS", both=2) + drops("not needed", 9), "2 no HLS", "HLS"),
        ([], drops("unusable", 1, detail="NA"), "1 unusable", "the first of them: NA"),
        ([], [], "no pairs of scenes", WIDEN),
    ],
)
def test_advice_for_stores_without_chips_follows_what_was_left_out(tmp_path, reasons, unpaired, listed, words):
    stores = [empty_store(tmp_path, "tarn", reasons, unpaired), empty_store(tmp_path, "None", [])]
    with pytest.raises(UserError) as caught:
        survey_stores(stores, [10], 960)
    line = str(caught.value)
    assert line.startswith(f"no chip in any store ({listed}): ")
    assert words in line
    assert "\n" not in line
    assert (WIDEN in line) == (words in (WIDEN, "min_clear", "chip_min_clear"))
