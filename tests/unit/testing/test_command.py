"""`python -m anyband.testing` as a process."""

import subprocess
import sys

from make_items import make_item, write_items

ASK = "import urllib.request as u; print(u.urlopen('http://archive.anyband.test/stac/search?limit=9').read())"


def serve(tmp_path, *arguments):
    write_items(tmp_path, "aspen", [make_item("landsat"), make_item("hls_l30"), make_item("hls_s30")])
    command = [sys.executable, "-m", "anyband.testing", str(tmp_path), *arguments, "--", sys.executable, "-c", ASK]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_command_may_meet_a_storm_and_traps(tmp_path):
    """In the storm all files want a token, and a page of a search holds two items."""
    done = serve(tmp_path, "--faults", "storm", "--traps", "tier-2,newest-satellites")
    assert (done.returncode, done.stderr) == (0, "")
    assert "http://anyband.blob.core.windows.net/files/" in done.stdout
    assert '"numberReturned": 2' in done.stdout


def test_unknown_storms_and_traps_are_refused(tmp_path):
    done = serve(tmp_path, "--faults", "gale")
    assert done.returncode == 2
    assert "invalid choice: 'gale' (choose from storm)" in done.stderr.replace("'storm'", "storm")
    done = serve(tmp_path, "--traps", "tier-3")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "unknown trap 'tier-3'" in done.stderr
