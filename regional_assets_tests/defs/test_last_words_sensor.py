"""The sensor that keeps what inputs say which are there for minutes only, through Dagster."""

from collections.abc import Callable

import dagster as dg
import pytest
import redis

from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.defs.sensors.last_words import last_words_sensor
from regional_assets.replay.replay import ReplayClock
from regional_assets.runs.clock import current_time
from regional_assets_tests.support.built_in import INPUT_KEYS, MODEL
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY

SHORT = ("chokepoints", "cross_source_signals", "military_flights")


@pytest.fixture
def tick(instance: dg.DagsterInstance, client: redis.Redis) -> Callable[[int], str]:
    """The reason of a tick so many seconds later."""
    start = current_time()

    def tick(seconds: int) -> str:
        resources = {
            "regional_model": MODEL,
            "regional_store": SnapshotStoreResource(),
            "regional_clock": ReplayClock(at=start + 1000 * seconds),
        }
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            result = last_words_sensor(context)
        assert isinstance(result, dg.SkipReason)
        return result.skip_message or ""

    return tick


def test_a_tick_keeps_what_is_there_and_starts_no_run(
    tick: Callable[[int], str], client: redis.Redis
) -> None:
    assert tick(0) == f"kept what these say: {', '.join(SHORT)}"
    kept = {key for key in INPUT_KEYS if client.exists(keys.last_words(key))}
    assert kept == {KEY[name] for name in SHORT}
    client.delete(KEY["chokepoints"])
    assert tick(120) == f"kept what these say: {', '.join(SHORT[1:])}"
    assert client.exists(keys.last_words(KEY["chokepoints"]))
    client.delete(*(KEY[name] for name in SHORT))
    assert tick(240) == "kept what these say: none is there"


def test_a_server_that_is_away_is_a_reason(
    tick: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert tick(0).startswith("nothing was kept: Redis at 127.0.0.1:1")
