"""The embedded server is its owner's alone, and may not do what nobody needs it to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from regional_assets.redis_link import embedded
from regional_assets.redis_link.errors import EmbeddedServerError
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.worlds import NOW, sample_values

NOBODY = 65534


@pytest.fixture
def state(folder: Path) -> Iterator[Path]:
    yield folder / "state"
    embedded.stop(folder / "state")


def client(state: Path, user: str | None = None) -> Any:
    return redis.Redis.from_url(embedded.url(state), username=user)


def test_folder_socket_and_files_are_the_owners(state: Path) -> None:
    before = os.umask(0)
    try:
        store = SnapshotStore.open(MODEL, StoreSettings(state))
    finally:
        os.umask(before)
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    store.client.close()
    with client(state, embedded.ADMIN) as admin:
        admin.bgrewriteaof()
    found = {path: path.stat().st_mode for path in (state, *state.rglob("*"))}
    assert {path.name for path in found} >= {"valkey.sock", "valkey.log", "valkey.pid"}
    assert any(path.suffix == ".aof" for path in found)
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}


def test_a_folder_that_was_open_is_closed(state: Path) -> None:
    (state / "valkey").mkdir(parents=True)
    (state / "valkey").chmod(0o777)
    embedded.ensure_running(state)
    assert (state / "valkey").stat().st_mode & 0o777 == 0o700
    # What holds other things, too, is left as its owner has it.
    assert state.stat().st_mode & 0o777 == 0o777 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.skipif(os.geteuid() != 0, reason="only a superuser can try as another user")
def test_another_user_cannot_connect(state: Path) -> None:
    embedded.ensure_running(state)
    for path in (state.parent, state):
        path.chmod(0o755)
    code = (
        "import os, socket, sys; os.setgroups([]); os.setegid(65534); os.seteuid(65534)\n"
        "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
        "except PermissionError: print('refused')"
    )
    command = [sys.executable, "-c", code, str(embedded.socket_path(state))]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "refused\n"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="/proc is Linux's")
def test_it_listens_on_no_port(state: Path) -> None:
    embedded.ensure_running(state)
    with client(state) as connected:
        process = Path(f"/proc/{connected.info('server')['process_id']}")
    sockets = set()
    for descriptor in (process / "fd").iterdir():
        # The server closes some while they are looked at.
        with suppress(FileNotFoundError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    assert sockets
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = (process / "net" / table).read_text().splitlines()[1:]
        assert sockets & {row.split()[9] for row in rows} == set()


# Each as it is typed.
DENIED = (
    *("FLUSHALL", "FLUSHDB", "SWAPDB 0 0", "KEYS *", "SHUTDOWN NOSAVE", "DEBUG SLEEP 0"),
    *("CONFIG SET maxmemory 1", "CONFIG SET appendonly no", "CONFIG REWRITE", "CONFIG RESETSTAT"),
    *("ACL SETUSER default allcommands", "ACL LIST", "ACL DELUSER admin", "MODULE LOAD /x.so"),
    *("REPLICAOF localhost 1", "SLAVEOF localhost 1", "FAILOVER", "CLUSTER RESET", "PSYNC ? -1"),
    *("MIGRATE localhost 1 key 0 1", "RESTORE key 0 x", "SAVE", "BGSAVE", "BGREWRITEAOF"),
    *("MONITOR", "CLIENT LIST", "CLIENT KILL TYPE normal", "SORT key", "SLOWLOG RESET"),
)
# Ways out of the server, which not even its own administrator has.
DENIED_TO_ALL = (
    *("CONFIG SET dir /tmp", "CONFIG SET dbfilename x", "MODULE LOAD /x.so", "DEBUG SLEEP 0"),
    "CONFIG SET enable-debug-command yes",
    "CONFIG SET enable-protected-configs yes",
)


def test_what_nobody_needs_is_denied(state: Path) -> None:
    store = SnapshotStore.open(MODEL, StoreSettings(state))
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    before = {key: store.client.dump(key) for key in store.client.scan_iter()}
    assert [c for c in DENIED if not refused(store.client, c)] == []
    with client(state, embedded.ADMIN) as admin:
        assert [c for c in DENIED_TO_ALL if not refused(admin, c)] == []
    assert {key: store.client.dump(key) for key in store.client.scan_iter()} == before
    store.client.close()


def refused(connected: Any, command: str) -> bool:
    try:
        connected.execute_command(*command.split())
    except redis.ResponseError as error:
        return any(
            words in str(error)
            for words in ("no permissions to run", "command not allowed", "set protected config",
                          "set immutable config")
        )  # fmt: skip
    return False


def test_what_the_administrator_may_do(state: Path) -> None:
    embedded.ensure_running(state)
    with client(state, embedded.ADMIN) as admin:
        admin.set("key", 1)
        admin.flushall()
        assert admin.config_set("maxmemory", 100_000_000)


def test_a_link_in_the_folders_place_is_not_followed(folder: Path, state: Path) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    state.mkdir()
    (state / "valkey").symlink_to(elsewhere)
    with pytest.raises(EmbeddedServerError, match="is no folder of yours"):
        embedded.ensure_running(state)
    assert list(elsewhere.iterdir()) == []
    (state / "valkey").unlink()


def test_a_link_in_the_locks_place_is_not_followed(folder: Path, state: Path) -> None:
    (state / "valkey").mkdir(parents=True)
    (state / "valkey" / "valkey.lock").symlink_to(folder / "other")
    with pytest.raises(EmbeddedServerError, match="cannot be written"):
        embedded.ensure_running(state)
    assert not (folder / "other").exists()
    (state / "valkey" / "valkey.lock").unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only a superuser can give a folder away")
def test_another_users_folder_is_not_used(state: Path) -> None:
    (state / "valkey").mkdir(parents=True)
    os.chown(state / "valkey", NOBODY, NOBODY)
    with pytest.raises(EmbeddedServerError, match="REGIONAL_STATE_DIR to a folder of yours"):
        embedded.ensure_running(state)
    assert list((state / "valkey").iterdir()) == []
