"""The sensor that puts on record what `regional-assets health` tells, through Dagster."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.defs.sensors.health import health_sensor
from regional_assets.replay.replay import ReplayClock
from regional_assets.runs.clock import current_time
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY

Tick = Callable[[int, str | None], dg.SensorResult]


@pytest.fixture
def tick(instance_in_files: dg.DagsterInstance, client: redis.Redis) -> Tick:
    """A tick so many seconds later, with that cursor."""
    start = current_time()

    def tick(seconds: int, cursor: str | None) -> dg.SensorResult:
        resources = {
            "regional_model": MODEL,
            "regional_store": SnapshotStoreResource(),
            "regional_clock": ReplayClock(at=start + 1000 * seconds),
        }
        with dg.build_sensor_context(
            instance=instance_in_files, resources=resources, cursor=cursor
        ) as context:
            result = health_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    return tick


def record(client: redis.Redis) -> dict[str, Any]:
    stored: Any = client.hget(keys.health, "daemon")
    return dict(json.loads(stored))


def test_daemons_that_give_no_sign_of_life_are_problems(tick: Tick, client: redis.Redis) -> None:
    result = tick(0, None)
    assert not result.run_requests
    found = record(client)
    whats = [problem["what"] for problem in found["problems"]]
    assert "the daemon for SENSOR gives no sign of life" in whats


def test_inputs_are_looked_at_every_five_minutes(tick: Tick, client: redis.Redis) -> None:
    first = tick(0, None)
    assert record(client)["inputs"]["stress_index"] == "fresh"
    client.delete(KEY["stress_index"])
    second = tick(30, first.cursor)
    assert record(client)["inputs"]["stress_index"] == "fresh"
    tick(300, second.cursor)
    assert record(client)["inputs"]["stress_index"] == "missing"


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"at": "x"}', '{"at": 1e300}'])
def test_any_cursor(tick: Tick, client: redis.Redis, cursor: str) -> None:
    tick(0, cursor)
    assert record(client)["inputs"]["stress_index"] == "fresh"


def test_a_server_that_is_away_is_a_reason(tick: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert (tick(0, None).skip_reason.skip_message or "").startswith("not on record: Redis at")  # type: ignore[union-attr]
