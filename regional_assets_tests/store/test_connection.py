"""Settings, addresses, retries, and errors that say where and what to do."""

import socket
import time
from pathlib import Path

import pytest
import redis

from regional_assets.errors import SettingsError, StoreError
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings, state_dir
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.proxy import proxy
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import NOW, sample_values


def test_defaults() -> None:
    found = StoreSettings.from_environment({})
    assert found.redis_url is None
    assert (found.connect_timeout, found.answer_timeout, found.retries) == (5, 5, 3)
    assert found.state_dir == Path(__file__).parents[2] / ".state"


def test_the_environment() -> None:
    found = StoreSettings.from_environment(
        {
            "REDIS_URL": "redis://u:p@host:1/2",
            "REGIONAL_STATE_DIR": "/somewhere",
            "REGIONAL_CONNECT_TIMEOUT": "1.5",
            "REGIONAL_ANSWER_TIMEOUT": "2",
            "REGIONAL_RETRIES": "0",
            "REGIONAL_REGION_DEADLINE": "9",
        }
    )
    assert found == StoreSettings(Path("/somewhere"), "redis://u:p@host:1/2", 1.5, 2.0, 0, 9.0)
    assert state_dir({"REGIONAL_STATE_DIR": "~/x"}) == Path.home() / "x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REGIONAL_CONNECT_TIMEOUT", "soon"),
        ("REGIONAL_ANSWER_TIMEOUT", "0"),
        ("REGIONAL_REGION_DEADLINE", "nan"),
        ("REGIONAL_RETRIES", "-1"),
        ("REGIONAL_RETRIES", "many"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        StoreSettings.from_environment({name: value})


@pytest.mark.parametrize(
    "url",
    [
        "http://secret@host",
        "redis://:secret#x@host",
        "redis://user:secret/x@host",
        "redis://:[secret]x@host",
        "redis://user:secret@host/0?no_such_option=1",
    ],
)
def test_a_redis_url_that_is_none_is_not_quoted(folder: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL is not a Redis address") as caught:
        connect(settings(url, folder))
    assert "secret" not in str(caught.value)


def test_tls_is_verified() -> None:
    client = connect(settings("rediss://user:secret@host:6380", Path("/tmp")))
    connection = client.connection_pool.connection_class(**client.get_connection_kwargs())
    assert connection.check_hostname is True
    assert connection.cert_reqs.name == "CERT_REQUIRED"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_server_that_is_not_there(folder: Path) -> None:
    port = closed_port()
    configured = settings(f"redis://user:secret@127.0.0.1:{port}/3", folder)
    store = SnapshotStore(connect(configured), MODEL, configured)
    started = time.monotonic()
    with pytest.raises(StoreError) as caught:
        take_snapshots(store, REGION_IDS, NOW)
    message = str(caught.value)
    assert f"Redis at 127.0.0.1:{port}/3 does not answer" in message
    assert "correct REDIS_URL" in message
    assert "secret" not in message
    # Three retries with pauses of at most 0.2, 0.4 and 0.8 s.
    assert time.monotonic() - started < 5


def test_a_server_that_never_answers(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "silent.sock"))
        silent.listen()
        url = f"unix://{folder}/silent.sock"
        configured = settings(url, folder, answer_timeout=0.1, retries=1)
        store = SnapshotStore(connect(configured), MODEL, configured)
        with pytest.raises(StoreError, match="does not answer"):
            take_snapshots(store, REGION_IDS, NOW)
        store.client.close()


def test_no_attempt_starts_after_the_deadline(folder: Path) -> None:
    configured = settings(
        f"redis://127.0.0.1:{closed_port()}", folder, retries=1_000_000, region_deadline=0.3
    )
    with pytest.raises(StoreError):
        SnapshotStore(connect(configured), MODEL, configured).read(["mena"])


def test_a_wrong_password(valkey_url: str, folder: Path) -> None:
    with redis.Redis.from_url(valkey_url) as admin:
        admin.acl_setuser("someone", enabled=True, passwords=["+right"], categories=["+@all"])
        path = valkey_url.removeprefix("unix://")
        configured = settings(f"unix://someone:wrong@{path}", folder)
        with pytest.raises(StoreError, match="refuses the login") as caught:
            SnapshotStore(connect(configured), MODEL, configured).read(["mena"])
        admin.acl_deluser("someone")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_a_connection_lost_while_reading_is_retried(server_url: str, folder: Path) -> None:
    with proxy(folder, server_url) as between:
        configured = settings(between.url, folder)
        store = SnapshotStore(connect(configured), MODEL, configured)
        between.lose_replies = 3
        assert store.read(["mena"]).latest["mena"].snapshot is None
        assert between.connections == 4
        store.client.close()


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_regions_that_are_not_confirmed_are_failed(server_url: str, folder: Path) -> None:
    with redis.Redis.from_url(server_url) as client:
        client.flushall()
    with proxy(folder, server_url) as between:
        configured = settings(between.url, folder, retries=0)
        store = SnapshotStore(connect(configured), MODEL, configured)
        store.write_inputs(sample_values())
        store.read(REGION_IDS)
        commit = store.commit

        def lose_the_reply(*args: object, **kwargs: object) -> object:
            between.lose_replies = 1
            return commit(*args, **kwargs)  # type: ignore[arg-type]

        store.commit = lose_the_reply  # type: ignore[assignment,method-assign]
        result = take_snapshots(store, REGION_IDS, NOW)
        assert len(result.failed) == len(REGION_IDS)
        assert all("does not answer" in (r.error or "") for r in result.failed)
        # Some were written all the same; a re-run writes the others, and none twice.
        store.commit = commit  # type: ignore[method-assign]
        again = take_snapshots(store, REGION_IDS, NOW + 1)
        assert again.failed == ()
        assert [store.client.zcard(keys.index(region)) for region in REGION_IDS] == [1] * len(
            REGION_IDS
        )
        store.client.close()
