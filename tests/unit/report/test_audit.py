"""The audit's table: the figures of its file, and what stood out."""

import json
from types import SimpleNamespace

import pytest

from anyband.audit.gate import audit_stores
from anyband.report.read import read_data
from anyband.report.topics.split_tables import audit
from audit_ground import Scene, ground_store


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    scenes = [Scene(), Scene(day="2020-08-04", shift_m=(0, 15))]
    return audit_stores([ground_store(folder / "aspen.zarr", scenes)], 960)


def test_table_holds_the_medians_of_the_file(document):
    table = audit(SimpleNamespace(audit=document))
    frame = table.frame()
    medians = document["dataset"]["medians"]
    assert len(frame) == sum(len(bands) for bands in medians.values()) == 7 + 11 + 7
    assert frame.iloc[0]["Products"] == "Sentinel-2 and Landsat"
    bands = [row[1].text for row in table.rows]
    assert bands[5:7] == ["B11", "B12"], "by wavelength, not by name"
    assert bands[-7:] == ["coastal", "blue", "green", "red", "nir08", "swir16", "swir22"]
    nir = next(row for row in table.rows[:7] if row[1].text == "B8A")
    assert nir[3].value == medians["sentinel2-landsat"]["B8A"]["bias"] < 0
    assert nir[3].text.startswith("−0.0")
    assert nir[6].text == f"{medians['sentinel2-landsat']['B8A']['rma_slope']:.3f}"


def test_notes_say_verdicts_shift_and_what_stood_out(document):
    table = audit(SimpleNamespace(audit=document))
    notes = " ".join(table.notes)
    assert "Verdicts of 2 pairs: pass 1, warn 1." in notes
    assert "Offset of Sentinel-2 by the pixels: as read in 2." in notes
    assert "aspen, pair 1: Landsat has to move" in notes
    assert "before the improved geolocation" in notes


def test_nothing_is_shown_where_nothing_was_compared(tmp_path):
    assert audit(SimpleNamespace(audit={})) is None
    empty = audit_stores([ground_store(tmp_path / "empty.zarr", [])], 960)
    assert audit(SimpleNamespace(audit=empty)) is None


def test_report_reads_the_file(document, linked, config):
    folder = linked()
    (folder / "audit").mkdir()
    (folder / "audit/main.json").write_text(json.dumps(document))
    assert read_data(folder, "main", config.datasets["main"]).audit == json.loads(json.dumps(document))
