"""Chips from folders of three layouts: a file a sensor, a file a band, arrays; labels as map and polygons; mistakes."""

import csv
import json
import sqlite3

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from anyband.audit.gate import audit_stores
from anyband.chips.dataset import load_split
from anyband.chips.store import chip_entries, open_site, read_array
from anyband.config import Split
from anyband.config.schema import Files
from anyband.folder.cutting import cut_folder
from anyband.runtime import UserError
from anyband.splits.division import split_chips, split_table
from anyband.splits.index import survey_stores
from anyband.splits.leakage import certify, summary
from anyband.training.band_moments import measure

CLASSES = {1: "wet", 2: "dry"}
CHIP_M, LEFT, TOP = 240, 500_040.0, 5_000_100.0
S30, L30 = ["B02", "B03", "B04"], ["B02", "B03", "B04", "B05"]


def write_tif(path, pixels, pixel_m, left=LEFT, crs="EPSG:32632", nodata=None):
    """A GeoTIFF of (bands, y, x); without a CRS it has no coordinates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = pixels.shape
    place = {"crs": crs, "transform": from_origin(left, TOP, pixel_m, pixel_m)} if crs else {}
    size = {"count": count, "height": height, "width": width, "dtype": pixels.dtype, "nodata": nodata}
    with rasterio.open(path, "w", driver="GTiff", **size, **place) as file:
        file.write(pixels)


def write_table(path, rows):
    """A CSV of dictionaries."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def pixels(rng, bands, size, dtype="int16"):
    """Numbers of reflectance x 1e4."""
    return rng.integers(100, 4000, (bands, size, size)).astype(dtype)


@pytest.fixture
def one_file_a_sensor(tmp_path):
    """Twelve places in a row, 480 m each; S30 everywhere but in the last two, L30 in every second and in these."""
    rng, rows = np.random.default_rng(1), []
    for number in range(12):
        left, name = LEFT + 30_000 * number, f"p{number:02d}"
        row = {"chip": name, "s": "", "l": "", "label": f"{name}-map.tif"}
        if number < 10:
            row["s"] = f"{name}-s30.tif"
            write_tif(tmp_path / row["s"], pixels(rng, 4, 16), 30, left)
        if number % 2 == 0 or number >= 10:
            row["l"] = f"{name}-l30.tif"
            write_tif(tmp_path / row["l"], pixels(rng, 4, 16), 30, left)
        write_tif(tmp_path / row["label"], rng.integers(1, 3, (1, 48, 48)).astype("uint8"), 10, left)
        rows.append(row)
    write_table(tmp_path / "table.csv", rows)
    return {
        "table": str(tmp_path / "table.csv"),
        "sensors": {
            "hls_s30": {"file": "{s}", "bands": [*S30, "-"]},
            "hls_l30": {"file": "{l}", "bands": L30, "platform": "landsat-9"},
        },
        "labels": {"file": "{label}"},
    }


def cut(spec, path, chip_m=CHIP_M):
    """The store of a description of files."""
    cut_folder(Files.model_validate(spec), "mine", "files", chip_m, 0.8, path)
    return open_site(path)


def test_files_with_coordinates_become_chips_a_split_and_batches(one_file_a_sensor, tmp_path):
    store = cut(one_file_a_sensor, tmp_path / "chips" / "files.zarr")
    entries = chip_entries(store)
    assert len(entries) == 48 and entries[1]["x0"] == LEFT + CHIP_M and entries[0]["epsg"] == 32632
    with rasterio.open(tmp_path / "p00-s30.tif") as file:
        expected = file.read([1, 2, 3])[:, :8, 8:]
    assert (read_array(store, "hls_s30/30m/values", [1])[0] == expected).all()
    assert [set(e["platforms"]) for e in entries[::4]][9:] == [{"hls_s30"}, {"hls_l30"}, {"hls_l30"}]
    assert (read_array(store, "hls_s30/30m/values", [40]) == -9999).all()

    audit = audit_stores([tmp_path / "chips" / "files.zarr"], CHIP_M)
    assert audit["dataset"]["pairs"] == 12

    survey = survey_stores([tmp_path / "chips" / "files.zarr"], [1, 2], CHIP_M)
    settings = Split(regime="folds", folds=3, val_blocks=2)
    block, split = split_chips(survey, CLASSES, settings)
    certificate = certify(survey, block, split, CLASSES, settings)
    assert certificate["passes"] and certificate["by"] == "distance" and certificate["min_distance_m"]["train-test"] > 0
    assert len(set(block[split == "test"])) == 4
    (tmp_path / "split.csv").write_text(split_table(survey, block, split))
    table = load_split(tmp_path / "chips", tmp_path / "split.csv", "train", ["hls_s30", "hls_l30"], CLASSES)
    both = table.having(["hls_s30", "hls_l30"])
    assert 0 < len(both) < len(table) == (split == "train").sum()
    for indices, crop in table.random_batches(3, 120, 40, seed=0):
        seen = {tuple(bool(chips[i]) for chips in table.seen.values()) for i in indices}
        assert len(seen) == 1, "chips of a batch were seen by the same sensors"
        assert table.observation(indices, table.products, crop).products == {
            p for p, chips in table.seen.items() if chips[indices].all()
        }
    assert [band.product for band in measure(table, table.products).bands] == ["hls_s30"] * 3 + ["hls_l30"] * 4
    alone = load_split(tmp_path / "chips", tmp_path / "split.csv", "train", ["hls_l30"], CLASSES)
    assert len(alone) == len(table.having(["hls_l30"]))


def test_one_file_a_band_needs_no_table_and_keeps_its_grids(tmp_path):
    rng = np.random.default_rng(2)
    for name in ("north", "south"):
        write_tif(tmp_path / "in" / name / "B04.tif", pixels(rng, 1, 48, "uint16"), 10)
        write_tif(tmp_path / "in" / name / "B11.tif", pixels(rng, 1, 24, "uint16"), 20)
        write_tif(tmp_path / "in" / name / "map.tif", np.full((1, 16, 16), 7, "uint8"), 30)
    store = cut(
        {
            "folder": str(tmp_path / "in"),
            "sensors": {"sentinel2": {"file": "{chip}/{band}.tif", "bands": ["B04", "B11"], "scale": 0.001}},
            "labels": {"file": "{chip}/map.tif", "codes": {"7": 2}},
        },
        tmp_path / "files.zarr",
    )
    assert [e["chip"] for e in chip_entries(store)][3:5] == ["north-r1c1", "south-r0c0"]
    with rasterio.open(tmp_path / "in" / "north" / "B11.tif") as file:
        raw = file.read(1)[:12, :12]
    stored = read_array(store, "sentinel2/20m/values", [0])[0, 0]
    assert np.allclose(stored * 1e-4 - 0.1, raw * 0.001, atol=1e-4)
    assert (read_array(store, "label") == 2).all() and store["sentinel2/10m"].attrs["bands"] == ["B04"]


def test_arrays_without_coordinates_are_told_apart_by_blocks(tmp_path):
    rng, rows = np.random.default_rng(3), []
    for number in range(6):
        image = np.moveaxis(pixels(rng, 4, 16).astype("float32") / 1e4, 0, -1)  # bands last
        image[:8, :8, 3] = 1  # the layer that tells clouds
        image[8:, 8:, :3] = np.nan
        np.savez(tmp_path / f"{number}.npz", img=image, msk=rng.integers(1, 3, (16, 16)))
        block = f"b{number // 2}"
        rows.append({"chip": f"c{number}", "file": number, "block": block, "split": "test" if number < 2 else ""})
    write_table(tmp_path / "table.csv", rows)
    spec = {
        "table": str(tmp_path / "table.csv"),
        "pixel_m": 30,
        "sensors": {
            "hls_l30": {
                "file": "{file}.npz:img",
                "bands": ["B02", "B03", "B04"],
                "scale": 1,
                "quality": {"band": 4, "clear": [0]},
            }
        },
        "labels": {"file": "{file}.npz:msk"},
    }
    store = cut(spec, tmp_path / "files.zarr")
    names = [e["chip"] for e in chip_entries(store)]
    assert names[:2] == ["c0-r0c1", "c0-r1c0"], "clouds and what is no number are missing"
    assert {d["reason"] for d in store.attrs["dropped"]} == {"cloud or no data"}
    survey = survey_stores([tmp_path / "files.zarr"], [1, 2], CHIP_M)
    settings = Split(regime="given", val_blocks=1)
    block, split = split_chips(survey, CLASSES, settings)
    assert set(block[split == "test"]) == {"b0"} and set(split) == {"train", "val", "test"}
    certificate = certify(survey, block, split, CLASSES, settings)
    assert certificate["by"] == "block" and certificate["min_distance_m"] == {} and certificate["passes"]
    assert any("no coordinates" in line for line in summary(certificate))


def write_geopackage(path, polygons, epsg):
    """The smallest GeoPackage: one layer of polygons with a class."""
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE gpkg_spatial_ref_sys (srs_id INTEGER, organization_coordsys_id INTEGER)")
        base.execute("CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER)")
        base.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (1, ?)", (epsg,))
        base.execute("INSERT INTO gpkg_geometry_columns VALUES ('fields', 'geom', 1)")
        base.execute("CREATE TABLE fields (geom BLOB, kind TEXT)")
        for polygon, kind in polygons:
            header = b"GP\x00\x03" + (1).to_bytes(4, "little") + np.array(polygon.bounds)[[0, 2, 1, 3]].tobytes()
            base.execute("INSERT INTO fields VALUES (?, ?)", (header + shapely.to_wkb(polygon), kind))


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_polygons_with_a_class_are_labels(tmp_path, suffix):
    write_tif(tmp_path / "a.tif", pixels(np.random.default_rng(4), 3, 16), 30)
    polygons = [
        (shapely.box(LEFT, TOP - 480, LEFT + 100, TOP), "wood"),
        (shapely.box(LEFT + 300, TOP - 480, LEFT + 400, TOP), "?"),
    ]
    path = tmp_path / f"fields.{suffix}"
    if suffix == "gpkg":
        write_geopackage(path, polygons, 32632)
    else:
        features = [
            {"type": "Feature", "geometry": shapely.geometry.mapping(shape), "properties": {"kind": kind}}
            for shape, kind in polygons
        ]
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
        path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    store = cut(
        {
            "folder": str(tmp_path),
            "sensors": {"hls_s30": {"file": "{chip}.tif", "bands": S30}},
            "labels": {"file": path.name, "column": "kind", "codes": {"wood": 1}},
        },
        tmp_path / "files.zarr",
    )
    assert [e["chip"] for e in chip_entries(store)] == ["a-r0c0", "a-r1c0"]
    label = read_array(store, "label")
    assert (label[:, :, :10] == 1).all() and not label[:, :, 10:].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"table": "none.csv"}, ["none.csv cannot be read"]),
        (
            {"sensors": {"hls_s30": {"file": "{S}", "bands": S30}}},
            ["line 2", "hls_s30.file", "column 'S'", "known: chip, s"],
        ),
        ({"sensors": {"hls_s30": {"file": "{s}", "bands": ["B4"]}}}, ["hls_s30.bands: 'B4' is no band", "B04"]),
        ({"sensors": {"hls_s30": {"file": "x{s}", "bands": S30}}}, ["line 2", "xp00-s30.tif does not exist"]),
        ({"sensors": {"hls_s30": {"file": "{s}", "bands": [*S30, "B05", "B06"]}}}, ["p00-s30.tif: has 4 bands"]),
        ({"sensors": {"hls_s30": {"file": "{s}", "bands": S30, "date": "label"}}}, ["line 2", "hls_s30.date", "date"]),
        ({"sensors": {"hls_s30": {"file": "{s}", "bands": S30, "platform": "s2"}}}, ["no sensor 'hls_s30' of", "'s2'"]),
        ({"labels": {"file": "{label}", "codes": {"wood": 1}}}, ["p00-map.tif: labels.codes: 'wood'"]),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(one_file_a_sensor, tmp_path, change, words):
    with pytest.raises(UserError) as caught:
        cut(one_file_a_sensor | change, tmp_path / "files.zarr")
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_files_without_coordinates_need_pixel_and_block(tmp_path):
    np.save(tmp_path / "a.npy", pixels(np.random.default_rng(5), 3, 16))
    np.save(tmp_path / "a-map.npy", np.ones((16, 16), "uint8"))
    spec = {
        "folder": str(tmp_path),
        "sensors": {"hls_s30": {"file": "{chip}.npy", "bands": S30}},
        "labels": {"file": "{chip}-map.npy"},
    }
    write_table(tmp_path / "t.csv", [{"chip": "a"}])
    spec["table"] = str(tmp_path / "t.csv")
    with pytest.raises(UserError, match=r"a\.npy: has no coordinates: give files\.pixel_m"):
        cut(spec, tmp_path / "files.zarr")
    with pytest.raises(UserError, match="column 'block' is missing"):
        cut(spec | {"pixel_m": 30}, tmp_path / "files.zarr")
    with pytest.raises(UserError, match=r"a\.npy: is 480 x 480 m, less than a chip"):
        cut(spec | {"pixel_m": 30}, tmp_path / "files.zarr", chip_m=960)
