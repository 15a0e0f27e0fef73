"""One store for all runs of a Dagster instance, or an error."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redis
from click.testing import CliRunner

from regional_assets.cli.doctor import examine
from regional_assets.cli.main import main
from regional_assets.defs.jobs import (
    BRIEF_JOB,
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets.defs.known_store import (
    EMPTIED_TAG,
    MOVED_TAG,
    STORE_TAG,
    WENT_BACK_TAG,
    keep_store,
    known_store,
)
from regional_assets.defs.partitions import range_tags
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.defs.sensors.inputs import input_sensor
from regional_assets.redis_link import embedded
from regional_assets.runs.clock import current_time
from regional_assets.store.identity import MetStore, identified
from regional_assets.store.keys import Keys
from regional_assets_tests.support.built_in import MODEL, NARRATED_REGIONS
from regional_assets_tests.support.dagster_runs import ALL, WITH_BRIEFS, reason
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import quiet_values, sample_values

JOBS = [
    SNAPSHOT_JOB,
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    BRIEF_JOB,
]


@pytest.fixture
def elsewhere(folder: Path) -> Iterator[Path]:
    """The state folder of another machine, whose embedded server nobody has started yet."""
    yield folder / "elsewhere"
    embedded.stop(folder / "elsewhere")


def take(instance: dg.DagsterInstance, job: str = SNAPSHOT_JOB) -> dg.ExecuteInProcessResult:
    partitions = {} if job == OBSERVE_INPUTS_JOB else ALL
    if job == BRIEF_JOB:
        partitions = range_tags(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])
    resolved = WITH_BRIEFS.resolve_job_def(job)
    return resolved.execute_in_process(instance=instance, tags=partitions, raise_on_error=False)


def tags(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    run = instance.get_run_by_id(result.run_id)
    assert run
    return dict(run.tags)


def words(result: dg.ExecuteInProcessResult) -> str:
    """Each step that failed says the same."""
    failures = [event.step_failure_data for event in result.get_step_failure_events()]
    [said] = {
        str((f.user_failure_data and f.user_failure_data.description) or f.error) for f in failures
    }
    return said


def move(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    """To a machine without REDIS_URL."""
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(elsewhere))


def stored_elsewhere(elsewhere: Path) -> int:
    with redis.Redis.from_url(embedded.ensure_running(elsewhere), username=embedded.ADMIN) as admin:
        return int(admin.dbsize())


def test_the_first_run_puts_the_store_on_record_and_each_run_names_it(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    assert known_store(instance) is None
    for _ in range(2):
        result = take(instance)
        assert result.success
        known = known_store(instance)
        assert known
        assert known.identity.encode() == client.get(keys.identity)
        assert client.get_connection_kwargs()["path"] in known.address
        assert tags(instance, result)[STORE_TAG] == f"{known.address} ({known.identity})"


def test_a_store_that_has_an_identity_keeps_it(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    """An instance without a record, as after its storage was made anew."""
    client.set(keys.identity, "of-the-store")
    assert take(instance).success
    known = known_store(instance)
    assert known
    assert known.identity == "of-the-store"
    assert client.get(keys.identity) == b"of-the-store"


def test_a_store_that_was_moved_is_on_record_at_its_new_place(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    assert take(instance).success
    known = known_store(instance)
    assert known
    keep_store(instance, MetStore("redis-1.example:6379/0", known.identity))
    result = take(instance)
    assert result.success
    assert known_store(instance) == known
    warning = tags(instance, result)[MOVED_TAG]
    assert "was at redis-1.example:6379/0 until now: moved, or a copy of it" in warning
    assert MOVED_TAG not in tags(instance, take(instance))
    # There, it may also be emptied.
    client.delete(keys.identity)
    again = take(instance)
    assert again.success
    assert EMPTIED_TAG in tags(instance, again)


def test_an_identity_of_any_length_is_quoted_in_part(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    assert take(instance).success
    client.set(keys.identity, b"x" * 2_000_000)
    assert len(words(take(instance))) < 1000


def test_something_else_under_the_key_of_the_identity_is_named(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.hset(keys.identity, "no", "identity")
    said = words(take(instance))
    assert f"{keys.identity} holds no identity of a store: delete it" in said
    assert known_store(instance) is None


@pytest.mark.parametrize("job", JOBS)
def test_a_run_of_any_job_fails_with_another_store_and_names_both(
    told: redis.Redis,
    instance: dg.DagsterInstance,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
) -> None:
    assert take(instance).success
    known = known_store(instance)
    move(monkeypatch, elsewhere)
    result = take(instance, job)
    assert known
    if job == CHECK_JOB:
        # A store that does not serve is what the checks find, in each region.
        said = str([e.metadata for e in result.get_asset_check_evaluations()])
    else:
        assert not result.success
        said = words(result)
    assert f"Redis at unix://{elsewhere}/valkey/valkey.sock" in said
    assert f"(without an identity) is not the store of the runs before, {known}: correct" in said
    assert "`regional-assets adopt`" in said
    assert stored_elsewhere(elsewhere) == 0
    assert known_store(instance) == known


def test_another_prefix_is_another_store(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert take(instance).success
    monkeypatch.setenv("REGIONAL_KEY_PREFIX", "staging:")
    said = words(take(instance))
    assert " with the prefix staging: (without an identity) is not the store" in said
    assert [*client.scan_iter("staging:*")] == []


def test_a_tick_compares_and_keeps_nothing(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tick() -> dg.SensorResult:
        resources = {
            "regional_model": MODEL,
            "regional_store": SnapshotStoreResource(),
            "regional_clock": ClockResource(),
        }
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            result = input_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    assert "is not the store" not in reason(tick())
    assert known_store(instance) is None
    assert not client.exists(keys.identity)
    assert take(instance).success
    assert "is not the store" not in reason(tick())
    client.delete(keys.identity)
    assert "is not the store" not in reason(tick())
    assert not client.exists(keys.identity)
    move(monkeypatch, elsewhere)
    assert "is not the store of the runs before" in reason(tick())


def test_an_emptied_store_gets_its_identity_back_and_the_run_warns(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    assert take(instance).success
    known = known_store(instance)
    client.flushall()
    client.mset(dict(sample_values(current_time())))
    result = take(instance)
    assert result.success
    assert known
    assert client.get(keys.identity) == known.identity.encode()
    assert known_store(instance) == known
    warning = tags(instance, result)[EMPTIED_TAG]
    assert warning.startswith(f"Redis at {known} had lost its identity: it was emptied")
    logged = [e.user_message for e in instance.all_logs(result.run_id) if e.level == 30]
    assert warning in logged
    assert EMPTIED_TAG not in tags(instance, take(instance))


def test_adopt_makes_the_present_store_that_of_all_runs(
    client: redis.Redis, folder: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))

    def call(*arguments: str, answer: str = "") -> Any:
        return CliRunner().invoke(main, arguments, input=answer)

    assert call("run", "mena").exit_code == 0
    here = call("adopt").output
    assert f"({client.get(keys.identity).decode()})" in here  # type: ignore[union-attr]
    assert "Shall" not in here
    url = os.environ["REDIS_URL"]
    move(monkeypatch, elsewhere)
    failed = call("run", "mena")
    assert failed.exit_code == 1
    assert "is not the store of the runs before" in failed.output
    assert call("inputs", "load").exit_code == 0
    declined = call("adopt", answer="n\n")
    assert declined.exit_code == 1
    assert call("run", "mena").exit_code == 1
    for line in ("on record: unix://", f"present:   unix://{elsewhere}/", "(without an identity)"):
        assert line in declined.output
    assert "on record now: unix://" in call("adopt", "--yes").output
    assert call("run", "mena").exit_code == 0
    monkeypatch.setenv("REDIS_URL", url)
    assert call("run", "mena").exit_code == 1


def test_the_command_warns_of_an_emptied_store(
    client: redis.Redis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    assert "warning:" not in CliRunner().invoke(main, ["run", "mena"]).output
    client.flushall()
    client.mset(dict(sample_values(current_time())))
    said = CliRunner().invoke(main, ["run", "mena"])
    assert said.exit_code == 0
    assert "warning: Redis at unix://" in said.output


def test_doctor_says_whether_the_store_is_that_of_the_runs(
    client: redis.Redis, folder: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder / "state"))

    def found() -> tuple[str, str]:
        [finding] = [f for f in examine(os.environ, current_time) if f.check == "store"]
        return finding.verdict, f"{finding.found} {finding.advice}"

    assert found()[0] == "ok"
    assert "no run has put a store on record yet" in found()[1]
    assert CliRunner().invoke(main, ["run", "mena"]).exit_code == 0
    verdict, said = found()
    assert (verdict, "that of the runs before" in said) == ("ok", True)
    assert client.get(keys.identity).decode() in said  # type: ignore[union-attr]
    client.flushall()
    assert found()[0] == "warning"
    move(monkeypatch, elsewhere)
    verdict, said = found()
    assert (verdict, "`regional-assets adopt`" in said) == ("problem", True)


def test_many_who_give_a_store_its_identity_at_once_find_the_same(server_url: str) -> None:
    with redis.Redis.from_url(server_url) as client, ThreadPoolExecutor(20) as pool:
        names = Keys("once:")
        found = set(pool.map(lambda _: identified(client, names, MetStore("a", "")), range(100)))
        assert len(found) == 1
        [store] = found
        assert client.get(names.identity) == store.identity.encode()


def test_a_store_that_went_back_in_time_is_no_ground_for_news(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.mset(dict(quiet_values(current_time())))
    assert take(instance).success
    old = {key: (client.dump(key), client.pttl(key)) for key in client.scan_iter()}
    client.mset(dict(sample_values(current_time())))
    assert take(instance).success
    assert client.llen(keys.alert_queue)
    # The record is of a run's start.
    assert WENT_BACK_TAG not in tags(instance, take(instance))
    client.flushall()
    for key, (value, left) in old.items():
        client.restore(key, max(0, int(left)), value or b"")
    client.mset(dict(sample_values(current_time())))
    before = client.lrange(keys.alert_queue, 0, -1)
    result = take(instance)
    assert result.success
    assert "went back in time" in tags(instance, result)[WENT_BACK_TAG]
    assert client.lrange(keys.alert_queue, 0, -1) == before
    again = take(instance)
    assert again.success
    assert WENT_BACK_TAG not in tags(instance, again)


def test_old_alerts_are_dropped_and_others_stay(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    assert take(instance).success
    waiting = int(client.llen(keys.alert_queue))
    assert waiting
    client.lpush(keys.alert_queue, b'{"eventType": "another"}', b"no JSON")
    kept = CliRunner().invoke(main, ["alerts", "drop", "--before", "2000-01-01"])
    assert kept.output == f"0 regional alerts taken out of {keys.alert_queue}\n"
    dropped = CliRunner().invoke(main, ["alerts", "drop", "--before", "2100-01-01"])
    assert dropped.output == f"{waiting} regional alerts taken out of {keys.alert_queue}\n"
    left = client.lrange(keys.alert_queue, 0, -1)
    assert left == [b"no JSON", b'{"eventType": "another"}']
    assert CliRunner().invoke(main, ["alerts", "drop"]).exit_code == 2
