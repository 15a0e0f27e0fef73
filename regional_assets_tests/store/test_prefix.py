"""Key prefixes: stores that share a server, and never a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner
from redis.exceptions import NoPermissionError

from regional_assets.cli.main import main
from regional_assets.errors import SettingsError
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import KEY_PREFIX, StoreSettings
from regional_assets.store import access
from regional_assets.store.keys import Keys
from regional_assets.store.reading import read_waiting_alerts
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL, REGION_IDS
from regional_assets_tests.support.everything import everything
from regional_assets_tests.support.stores import WriterStore
from regional_assets_tests.support.worlds import NOW, sample_values

PREFIX, INPUT_PREFIX = "{staging}:eu/", "feeds@test:"


Tenants = tuple[WriterStore, WriterStore]


@contextmanager
def tenant(url: str, folder: Path, prefix: str) -> Iterator[WriterStore]:
    """A store with prefixes, used by its own writer."""
    keys = Keys(prefix, INPUT_PREFIX)
    with redis.Redis.from_url(url) as admin:
        for rule in access.rules(keys, MODEL):
            admin.execute_command(*rule.split())
        with WriterStore(url, folder, key_prefix=prefix, input_prefix=INPUT_PREFIX) as store:
            yield store
        admin.acl_deluser(*access.users(keys))


@pytest.fixture
def tenants(server_url: str, folder: Path) -> Iterator[Tenants]:
    """Two stores on one server that read the same inputs, which have a prefix of their own."""
    with tenant(server_url, folder, PREFIX) as one, tenant(server_url, folder, "other:") as other:
        yield one, other


def dumped(store: WriterStore) -> dict[bytes, bytes | None]:
    return {key: store.client.dump(key) for key in store.client.scan_iter()}


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
def test_every_key_begins_with_its_prefix(tenants: Tenants, folder: Path) -> None:
    one, _ = tenants
    everything(one, folder)
    names = {key.decode() for key in one.client.scan_iter()}
    inputs = {f"{INPUT_PREFIX}{key}" for key in (*INPUT_KEYS, *COMPANION_KEYS)}
    assert {name for name in names if not name.startswith(PREFIX)} <= inputs
    kinds = {key.removeprefix(PREFIX).split(":v1")[0] for key in names - inputs}
    assert len(kinds) > 10


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_tenants_never_meet(tenants: Tenants) -> None:
    """Each store's run leaves every byte of the other's alone, and so each queues its alerts."""
    one, other = tenants
    one.write_inputs(sample_values())
    assert take_snapshots(one, REGION_IDS, NOW).failed == ()
    before = dumped(one)
    found = take_snapshots(other, REGION_IDS, NOW)
    assert [r.outcome for r in found.regions] == ["written"] * len(REGION_IDS)
    after = dumped(one)
    assert {key: after[key] for key in before} == before
    assert all(key.startswith(b"other:") for key in after.keys() - before.keys())
    queues = [read_waiting_alerts(store, 100).total for store in tenants]
    assert queues[0] == queues[1] > 0
    for store in tenants:
        assert store.verify(REGION_IDS, NOW) == {region: [] for region in REGION_IDS}


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
def test_the_user_of_one_store_is_refused_the_keys_of_another(
    tenants: Tenants,
) -> None:
    one, other = tenants
    one.write_inputs(sample_values())
    take_snapshots(other, REGION_IDS, NOW)
    before = dumped(other)
    writer: Any = one._writer
    names = [key.decode() for key in before if key.startswith(b"other:")]
    assert other.keys.alert_queue in names
    for name in names:
        for command in (f"GET {name}", f"TYPE {name}", f"DEL {name}", f"LPUSH {name} x"):
            with pytest.raises(NoPermissionError):
                writer.execute_command(*command.split())
    assert dumped(other) == before


@pytest.fixture
def environ(valkey_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """The command's environment, with both prefixes; the server of it, emptied."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.setenv("REGIONAL_KEY_PREFIX", PREFIX)
    monkeypatch.setenv("REGIONAL_INPUT_PREFIX", INPUT_PREFIX)
    client = redis.Redis.from_url(valkey_url)
    client.flushall()
    return client


def called(*arguments: str) -> str:
    return CliRunner().invoke(main, arguments).output


def test_messages_name_the_whole_key(environ: redis.Redis) -> None:
    assert "keys loaded" in called("inputs", "load", "--samples", "--yes")
    keys = Keys(PREFIX, INPUT_PREFIX)
    risk_scores = MODEL.input_of["risk_scores"]
    environ.set(f"{INPUT_PREFIX}{risk_scores.companion}", "{")
    forecasts = f"{INPUT_PREFIX}{MODEL.input_of['forecasts'].key}"
    environ.delete(forecasts)
    environ.lpush(forecasts, "x")
    shown = called("inputs", "status")
    assert f"{INPUT_PREFIX}{risk_scores.companion}: " in shown
    assert f"WRONGTYPE {forecasts} holds a list" in shown
    assert f" {INPUT_PREFIX}{risk_scores.key} " in shown
    environ.set(keys.latest("mena"), "gone")
    environ.lpush(keys.brief("mena"), "x")
    environ.lpush(keys.regime_history("mena"), "x")
    environ.set(keys.snapshot_by_id("spoiled"), "{")
    environ.set(keys.latest("europe"), "spoiled")
    assert f"{keys.latest('mena')} names gone" in called("show", "mena")
    assert f"{keys.snapshot_by_id('spoiled')} is not a snapshot" in called("status")
    assert keys.brief("mena") in called("brief", "show", "mena")
    assert f"{keys.regime_history('mena')}: entry 1" in called("history", "mena")
    assert f"wait in {keys.alert_queue}" in called("alerts")
    assert f"{keys.regime_history('mena')}: entry 0" in called("verify")
    environ.set(keys.alert_queue, "x")
    assert f"{keys.alert_queue} holds a string" in called("doctor")
    rules = called("acl").splitlines()
    assert [rule.split()[2] for rule in rules] == [
        f"{PREFIX}regional-writer",
        f"{PREFIX}regional-reader",
    ]


@pytest.mark.parametrize(
    "prefix", ["a b", "a*", "a?", "[a]", "a\\", "a\n", 'a"', "{a", "a}", "{}", "{a{b}}", "x" * 101]
)
def test_a_prefix_that_would_be_misread_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match=r"^REGIONAL_KEY_PREFIX=.*: expected at most"):
        KEY_PREFIX.read({KEY_PREFIX.name: prefix})


@pytest.mark.parametrize("prefix", ["staging:", "{a}:", "a{b}c{d}", "x" * 100, "t1/eu@x-y_z."])
def test_a_prefix_that_is_clear_is_taken(prefix: str) -> None:
    environ = {KEY_PREFIX.name: prefix, "REGIONAL_INPUT_PREFIX": prefix}
    found = StoreSettings.from_environment(environ)
    assert (found.key_prefix, found.input_prefix) == (prefix, prefix)


def test_without_prefixes_the_keys_are_the_readers_own() -> None:
    assert Keys().latest("mena") == "intelligence:snapshot:v1:mena:latest"
    assert Keys.of(StoreSettings.from_environment({})) == Keys()
