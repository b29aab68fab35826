"""The audit on simulated scenes: every kind of landscape, north and south of the equator, good and with each fault."""

import pytest

from anyband.audit.gate import audit_stores, stop_line
from archive_run import Steps, serving, simulate
from audit_faults import (
    C1_AS_C2,
    NOT_APPLIED,
    TWICE,
    change,
    damaged,
    exchange,
    move_grid,
    other_ground,
    replace_band,
)

pytestmark = pytest.mark.slow

# One place of each archetype; two of the northern half of the archive, four of the southern.
PLACES = ("aspen", "thyme", "oak", "juniper", "elder", "fir")
EXTENT_M = 1_920


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Chip stores by the steps themselves, clouds and all."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder / "archive", *PLACES, extent_m=EXTENT_M)
    with serving(folder / "archive") as server:
        return [Steps(folder / name, server, name, "stac", extent_m=EXTENT_M).run().store for name in PLACES]


def pairs_of(document):
    return [pair for site in document["sites"].values() for pair in site["pairs"]]


def test_no_false_alarm(stores):
    document = audit_stores(stores, 960)
    assert stop_line(document, "x") is None
    pairs = pairs_of(document)
    assert len(pairs) == 2 * len(PLACES)
    told = [pair for pair in pairs if pair["verdict"] != "too few pixels"]
    assert len(told) > len(PLACES)
    assert {pair["offset"]["decision"] for pair in told} == {"as read"}


FAULTS = {
    "offset applied twice": (TWICE, "offset"),
    "offset not applied": (NOT_APPLIED, "offset"),
    "blue and red exchanged": (exchange("sentinel2", "B02", "B04"), "bands"),
    "green and red of Landsat exchanged": (exchange("landsat", "green", "red"), "bands"),
    "SWIR exchanged": (exchange("landsat", "swir16", "swir22"), "bands"),
    "NIR and SWIR exchanged": (exchange("sentinel2", "B8A", "B11"), "bands"),
    "B08 for B8A": (replace_band("sentinel2", "B8A", "B08"), "bands"),
    "B08 and B8A of S30 exchanged": (exchange("hls_s30", "B08", "B8A"), "bands"),
    "B05 and B8A of S30 exchanged": (exchange("hls_s30", "B05", "B8A"), "bands"),
    "B05 and B06 of L30 exchanged": (exchange("hls_l30", "B05", "B06"), "bands"),
    "scale halved": (change("sentinel2", lambda values: values / 2), "scale"),
    "Collection 1 read as 2": (C1_AS_C2, "scale"),
    "grid snapped": (move_grid("landsat", -15, -15), "shift"),
    "wrong hemisphere": (other_ground("landsat", "hls_l30"), "ground"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found_in_every_pair_that_can_be_judged(stores, tmp_path, name):
    fault, kind = FAULTS[name]
    good = {
        (site, pair["pair"])
        for site, content in audit_stores(stores, 960)["sites"].items()
        for pair in content["pairs"]
        if all("bands" in found and found["shift"] for found in pair["comparisons"].values())
    }
    assert len(good) >= len(PLACES)
    document = audit_stores([damaged(store, tmp_path / store.name, fault) for store in stores], 960)
    missed = [
        (site, pair["pair"], pair["verdict"], [finding["found"] for finding in pair["findings"]])
        for site, content in document["sites"].items()
        for pair in content["pairs"]
        if (site, pair["pair"]) in good
        and kind not in {f["kind"] for f in pair["findings"] if f["verdict"] == "contradiction"}
    ]
    assert not missed
    assert stop_line(document, "x") is not None
