"""`anyband predict` and `anyband harmonise` on the scenes and the runs of a finished workflow."""

import subprocess
import sys

import rasterio

from tiny_workflow import environment


def anyband(folder, *arguments):
    command = [sys.executable, "-m", "anyband.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


def test_a_scene_of_the_archive_is_mapped_by_a_run_of_the_workflow(tiny_run, tmp_path):
    """The item's addresses are those of the embedded archive, which is served while the command runs."""
    (site, *_) = sorted(path for path in (tiny_run.folder / "results/archive/main").iterdir() if path.is_dir())
    items = [sorted((site / "items" / name).glob("*.json"))[0] for name in ("sentinel-2-l2a", "landsat-c2-l2")]
    out, model = tmp_path / "map.tif", tiny_run.folder / "results/runs/main/anyband/seed-0"
    done = anyband(tiny_run.folder, "predict", *items, "--model", model, "--out", out)
    assert done.returncode == 0, done.stderr
    with rasterio.open(out) as file:
        assert done.stdout == f"{out}: {file.width} x {file.height} pixels of 10 m, {file.crs}\n"
        assert (file.read(1) > 0).any()
        assert file.tags()["items"] == " ".join(item.stem for item in items)
    as_landsat = tmp_path / "as-landsat.tif"
    done = anyband(tiny_run.folder, "harmonise", items[0], "--to", "landsat-9", "--out", as_landsat)
    assert done.returncode == 0, done.stderr
    with rasterio.open(as_landsat) as file:
        assert file.count == 7
    done = anyband(tiny_run.folder, "harmonise-score", "--converter", "bandpass")
    assert done.returncode == 0, done.stderr
    assert "shared" in done.stdout
