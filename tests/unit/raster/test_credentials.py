import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from anyband.raster import credentials
from anyband.raster.credentials import sas_token
from anyband.runtime import UserError


def kept(tmp_path):
    """The file of the token."""
    return tmp_path / "cache/anyband/landsateuwest-landsat-c2.token"


def test_one_token_serves_all_threads_and_processes(provider):
    """Every worker with a token of its own is what makes the endpoint answer 429."""
    provider.slow_s = 0.3
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: sas_token("landsateuwest", "landsat-c2"), range(24)))
    code = "from anyband.raster.credentials import sas_token; print(sas_token('landsateuwest', 'landsat-c2'))"
    workers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    tokens |= {worker.communicate(timeout=60)[0].strip() for worker in workers}
    assert len(tokens) == 1
    assert provider.tokens == 1


def test_processes_that_start_together_ask_once(provider):
    provider.slow_s = 1.0
    code = "from anyband.raster.credentials import sas_token; print(sas_token('hls2euwest', 'hls2'))"
    workers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({worker.communicate(timeout=60)[0] for worker in workers}) == 1
    assert provider.tokens == 1


def test_every_container_has_its_own_token(provider):
    assert sas_token("landsateuwest", "landsat-c2") != sas_token("sentinel2l2a01", "sentinel2-l2")
    assert provider.tokens == 2
    paths = [path for path, _ in provider.seen]
    assert paths[0].endswith("/api/sas/v1/token/landsateuwest/landsat-c2")


def test_only_the_user_may_read_the_token(provider, tmp_path):
    os.umask(0)
    try:
        sas_token("landsateuwest", "landsat-c2")
    finally:
        os.umask(0o022)
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(tmp_path).parent.stat().st_mode) == 0o700
    assert not list(kept(tmp_path).parent.glob("*.partial"))


def test_a_token_that_others_may_have_written_is_not_believed(provider, tmp_path):
    first = sas_token("landsateuwest", "landsat-c2")
    kept(tmp_path).chmod(0o666)
    assert sas_token("landsateuwest", "landsat-c2") != first
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"query": 1}', '{"token": "a"}'])
def test_a_damaged_cache_is_replaced(provider, tmp_path, content):
    sas_token("landsateuwest", "landsat-c2")
    kept(tmp_path).write_text(content)
    assert "sig=" in sas_token("landsateuwest", "landsat-c2")
    assert json.loads(kept(tmp_path).read_text())["query"]


def test_a_token_is_renewed_before_it_expires(provider, monkeypatch):
    first = sas_token("landsateuwest", "landsat-c2")
    now = time.time()
    monkeypatch.setattr(credentials.time, "time", lambda: now + 3600 - credentials.RENEW_BEFORE_S - 10)
    assert sas_token("landsateuwest", "landsat-c2") == first
    provider.lives_s = 2 * 3600
    monkeypatch.setattr(credentials.time, "time", lambda: now + 3600 - credentials.RENEW_BEFORE_S + 10)
    assert sas_token("landsateuwest", "landsat-c2") != first


def test_a_short_token_is_not_asked_for_with_every_file(provider):
    provider.lives_s = 200
    assert sas_token("landsateuwest", "landsat-c2") == sas_token("landsateuwest", "landsat-c2")
    assert provider.tokens == 1


def test_a_token_of_another_endpoint_is_not_used(provider, monkeypatch):
    first = sas_token("landsateuwest", "landsat-c2")
    monkeypatch.setenv(
        credentials.ENDPOINT_VARIABLE, f"{provider.url}//api/sas/v1/token".replace("//api", "/api/sas/v1/token/..")
    )
    with pytest.raises(UserError, match="answers 404"):
        sas_token("landsateuwest", "landsat-c2")
    monkeypatch.setenv(credentials.ENDPOINT_VARIABLE, f"{provider.url}/api/sas/v1/token")
    assert sas_token("landsateuwest", "landsat-c2") == first


@pytest.fixture
def pauses(monkeypatch):
    """Seconds that were waited for, without waiting."""
    waited = []
    clock = [time.time()]

    def sleep(seconds):
        waited.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(credentials.time, "sleep", sleep)
    monkeypatch.setattr(credentials.time, "time", lambda: clock[0])
    return waited


def test_a_busy_endpoint_is_left_alone_for_as_long_as_it_asks(provider, pauses):
    busy = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 23 seconds."}
    provider.next_answers = [(429, busy), (503, {}), (429, busy)]
    assert "sig=" in sas_token("landsateuwest", "landsat-c2")
    assert pauses == [23.0, 2.0, 23.0]
    assert provider.tokens == 4


def test_waiting_has_an_end(provider, pauses):
    provider.next_answers = [(429, {"message": "Try again in 50 seconds."})] * 9
    with pytest.raises(UserError, match=r"answers 429: no token for landsateuwest/landsat-c2, run again later$"):
        sas_token("landsateuwest", "landsat-c2")
    assert sum(pauses) <= credentials.PATIENCE_S


def test_a_token_that_has_expired_already_is_asked_for_again(provider, pauses):
    """The endpoint does hand them out (microsoft/PlanetaryComputer issue 463)."""
    expired = {"msft:expiry": "2022-01-01T00:00:00Z", "token": "sig=azure-secret"}
    provider.next_answers = [(200, expired), (200, {"nothing": 1}), (200, ["page"])]
    assert "sig=azure-secret-4" in sas_token("landsateuwest", "landsat-c2")
    assert len(pauses) == 3


def test_no_secret_in_what_is_said(provider, pauses):
    provider.next_answers = [(200, {"msft:expiry": "2022-01-01T00:00:00Z", "token": "sig=azure-secret"})] * 99
    with pytest.raises(UserError) as error:
        sas_token("landsateuwest", "landsat-c2")
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_refusal_ends_at_once(provider, pauses):
    provider.next_answers = [(404, {"detail": "no such container"})]
    with pytest.raises(UserError, match="answers 404: no access to landsateuwest/nowhere"):
        sas_token("landsateuwest", "nowhere")
    assert pauses == []


def test_an_endpoint_that_cannot_be_reached_is_named(provider, pauses, monkeypatch):
    monkeypatch.setenv(credentials.ENDPOINT_VARIABLE, "http://127.0.0.1:9/token")
    with pytest.raises(UserError, match=r"http://127.0.0.1:9/token/a/b does not answer \(ConnectionError\)"):
        sas_token("a", "b")


@pytest.mark.parametrize(("account", "container"), [("..", "x"), ("a", "../b"), ("a", ""), ("a/b", "c")])
def test_only_names_of_containers_become_file_names(account, container):
    with pytest.raises(UserError, match="is not a container"):
        sas_token(account, container)


def test_a_cache_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(UserError, match="file/anyband cannot be used .*: set XDG_CACHE_HOME"):
        sas_token("a", "b")
