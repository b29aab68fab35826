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


def test_a_folder_where_a_file_should_be_is_one_line_and_stays(tmp_path):
    path = tmp_path / "table.csv"
    path.mkdir()
    (path / "mine").touch()
    with pytest.raises(runtime.UserError, match=r"table.csv is a folder, and a file is to be written there: move it"):
        runtime.write_text(path, "a\n")
    assert names(tmp_path) == ["table.csv"]
    refused = pytest.raises(runtime.UserError, match=r"mine is a file, and a folder is to be written there")
    with refused, runtime.atomic_path(path / "mine") as temporary:
        temporary.mkdir()
    assert names(path) == ["mine"]


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


def test_what_another_machine_is_writing_is_left_to_it_until_it_is_abandoned(tmp_path, monkeypatch):
    path = tmp_path / "weights.bin"
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(runtime.socket, "gethostname", lambda: "node-7.cluster.local")
        elsewhere.setattr(runtime.os, "getpid", lambda: 2**22 + 1)  # a process that no machine has
        with runtime.atomic_path(path) as theirs:
            theirs.write_text("theirs")
            elsewhere.undo()
            runtime.write_text(path, "ours")
            assert theirs.read_text() == "theirs", "its process cannot be seen from here"
    assert path.read_text() == "theirs"
    theirs.write_text("left by a kill")
    runtime.write_text(path, "ours")
    assert theirs.exists()
    os.utime(theirs, (1, 1))
    runtime.write_text(path, "ours again")
    assert names(tmp_path) == ["weights.bin"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_lets_everybody_pass(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with runtime.file_lock(tmp_path / "a/x.lock"), runtime.file_lock(tmp_path / "a/x.lock"):
        pass


def test_a_lock_keeps_a_second_process_out(tmp_path):
    script = (
        "import sys, pathlib; from anyband.runtime import file_lock; print(0, flush=True)\n"
        "with file_lock(pathlib.Path(sys.argv[1])): print(1)"
    )
    path = tmp_path / "x.lock"
    with runtime.file_lock(path):
        process = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"0\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
    assert process.communicate(timeout=30)[0] == b"1\n"


NAMES = "NA None null nan NaN N/A <NA> inf -inf true False 007 1e5 1_000 0x1f".split()  # noqa: SIM905


def test_names_mean_in_a_table_what_they_meant_before(tmp_path):
    frame = pd.DataFrame({"method": NAMES, "site": NAMES[::-1], "score": [float("nan"), 0.25, *range(13)], "count": 7})
    runtime.write_csv(tmp_path / "table.csv", frame)
    pd.testing.assert_frame_equal(runtime.read_csv(tmp_path / "table.csv"), frame)


def test_missing_numbers_stay_missing_however_they_are_written(tmp_path):
    (tmp_path / "table.csv").write_text("method,score,note\na,,\nb,nan,NA\nc,NaN,x\nd,inf,\n")
    table = runtime.read_csv(tmp_path / "table.csv")
    assert table["score"].isna().tolist() == [True, True, True, False]
    assert table["note"].dropna().tolist() == ["NA", "x"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"method,score\na,0.", "ends in the middle of a line"),
        (b"method,score\na,0.5,7,8\nb,1,2,3,4\n", "is not a readable table"),
        (b"method,score\na,0.5,7\nb,1,2\n", "is not a readable table"),
        (b"\n", "is not a readable table"),
        (b"\x00\xff\x00\xff\n", "is not text"),
        (None, "cannot be read"),
    ],
)
def test_a_damaged_table_is_one_line_that_names_it(tmp_path, content, words):
    path = tmp_path / "table.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(runtime.UserError) as caught:
        runtime.read_csv(path)
    assert str(caught.value).startswith(f"{path} {words}")
    assert "\n" not in str(caught.value)
    with pytest.raises(runtime.UserError, match="table.csv"):
        runtime.read_json(path)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (runtime.UserError("site x: no scenes"), "anyband: site x: no scenes"),
        (OSError(errno.ENOSPC, "No space left on device", "chips.zarr"), "no space left on the disk (chips.zarr)"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "chips.zarr"), "no space left on the disk (chips.zarr)"),
        (OSError(errno.EROFS, "Read-only file system", "a.csv"), "a.csv is closed to you (Read-only"),
    ],
)
def test_expected_failure_is_one_line(error, line):
    def fail():
        raise error

    with pytest.raises(SystemExit) as caught:
        runtime.step_main(fail)
    assert line in str(caught.value.code)
    assert "\n" not in str(caught.value.code)


def test_a_name_with_line_ends_leaves_one_line():
    assert str(runtime.UserError("item a\nb: \r\n no")) == "item a b:   no"


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


@pytest.mark.parametrize(("processes", "expected"), [("1", 8), ("2", 4), ("3", 2), ("16", 1)])
def test_processes_of_one_training_divide_its_threads(monkeypatch, processes, expected):
    pytest.importorskip("torch")
    set_to = []
    monkeypatch.setenv("ANYBAND_CORES", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("torch.set_num_threads", set_to.append)
    assert runtime.set_threads(8) == expected and set_to == [expected]


def test_missing_disk_space_is_named(tmp_path):
    with pytest.raises(runtime.UserError, match="free some space"):
        runtime.check_disk(tmp_path / "later", 10**18)
