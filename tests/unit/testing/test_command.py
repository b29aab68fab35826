"""`python -m anyband.testing`, in this process."""

import signal
import sys

import pytest

from anyband.runtime import UserError
from anyband.testing.__main__ import main
from make_items import make_item, write_items

ASK = "import urllib.request as u; print(u.urlopen('http://archive.anyband.test/stac/search?limit=9').read())"


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Runs the command line, and gives signals back to this process."""
    write_items(tmp_path, "aspen", [make_item("landsat"), make_item("hls_l30"), make_item("hls_s30")])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments):
        command = ["testing", str(tmp_path), *arguments, "--", sys.executable, "-S", "-c", ASK]
        monkeypatch.setattr("sys.argv", command)
        main()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_command_may_meet_a_storm_and_traps(serve, capfd):
    """In the storm all files want a token, and a page of a search holds two items."""
    with pytest.raises(SystemExit, match="0"):
        serve("--faults", "storm", "--traps", "tier-2,newest-satellites")
    out, err = capfd.readouterr()
    assert err == ""
    assert "http://anyband.blob.core.windows.net/files/" in out
    assert '"numberReturned": 2' in out


def test_unknown_storms_and_traps_are_refused(serve, capsys):
    with pytest.raises(SystemExit, match="2"):
        serve("--faults", "gale")
    assert "invalid choice: 'gale' (choose from storm)" in capsys.readouterr().err.replace("'storm'", "storm")
    with pytest.raises(UserError, match="unknown trap 'tier-3'"):
        serve("--traps", "tier-3")
