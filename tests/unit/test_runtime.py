"""Atomic writes, one-line errors, thread shares."""

import errno
import os
import subprocess
import sys

import pandas as pd
import pytest

from anyband import runtime


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_equal_content_is_not_rewritten_so_that_nothing_reruns(tmp_path):
    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"a": [1, 2]})
    assert runtime.write_csv(path, frame)
    os.utime(path, (1, 1))
    assert not runtime.write_csv(path, frame)
    assert path.stat().st_mtime == 1
    assert runtime.write_csv(path, frame * 2)


def test_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "file.txt"
    runtime.write_text(path, "old")
    with pytest.raises(RuntimeError), runtime.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "folder"
    for name in ("first", "second"):
        with runtime.atomic_path(path) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert names(path) == ["second"]


def test_killed_writer_leaves_no_output(tmp_path):
    script = (
        "import sys, time, pathlib; from anyband.runtime import atomic_path\n"
        "with atomic_path(pathlib.Path(sys.argv[1])) as t:\n"
        "    t.write_text('half'); print('writing', flush=True); time.sleep(60)\n"
    )
    path = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        process.kill()
    assert not path.exists()
    runtime.write_text(path, "whole")
    assert names(tmp_path) == ["out"], "what the killed writer left is swept"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (runtime.UserError("site x: no scenes"), "anyband: site x: no scenes"),
        (OSError(errno.ENOSPC, "No space left on device", "chips.zarr"), "no space left on the disk (chips.zarr)"),
    ],
)
def test_expected_failure_is_one_line(error, line):
    def fail():
        raise error

    with pytest.raises(SystemExit) as caught:
        runtime.step_main(fail)
    assert line in str(caught.value.code)
    assert "\n" not in str(caught.value.code)


def test_unexpected_failure_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        runtime.step_main(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("named", "visible", "requested", "expected"),
    [(8, 2, 4, 1), (8, 2, 8, 2), (2, 2, 2, 2), (8, 8, 4, 4), (1, 2, 4, 2)],
)
def test_eight_named_cores_on_a_two_core_machine_do_not_oversubscribe(monkeypatch, named, visible, requested, expected):
    monkeypatch.setenv("ANYBAND_CORES", str(named))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(visible)))
    assert runtime.usable_threads(requested) == expected


def test_missing_disk_space_is_named(tmp_path):
    with pytest.raises(runtime.UserError, match="free some space"):
        runtime.check_disk(tmp_path / "later", 10**18)
