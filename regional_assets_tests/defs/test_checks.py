"""The checks through Dagster, on damage that is really in the store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.checks import CHECKS, regional_snapshot_checks
from regional_assets.defs.partitions import range_tags
from regional_assets.errors import SettingsError
from regional_assets.intelligence.readers import HORIZONS
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import CONFIDENCE_FLOOR
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    DEFS,
    SUMMARY,
    materialisations,
    run,
    statuses,
)
from regional_assets_tests.support.stored import latest_id, put_body
from regional_assets_tests.support.stores import OpenStore, keys
from regional_assets_tests.support.worlds import KEY

NAMES = [check.name for check in CHECKS]
NO_SNAPSHOT = {"stored_data_agrees": "is not a snapshot"}
# mena, east-asia, europe: neighbours in the order of partitions.
THREE = range_tags("mena", "europe")


@pytest.fixture
def stored(client: redis.Redis, valkey_url: str, folder: Path) -> redis.Redis:
    """The server with a snapshot of every region, which Dagster knows nothing of."""
    with OpenStore(valkey_url, folder) as store:
        assert not take_snapshots(store, REGION_IDS, current_time()).failed
    return client


def run_checks(
    instance: dg.DagsterInstance, *names: str, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """The checks by themselves, as the UI launches them."""
    job = DEFS.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(),
        asset_check_selection={
            dg.AssetCheckKey(REGIONAL_SNAPSHOT, name) for name in names or NAMES
        },
    )
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def results(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str | None], Any]:
    """(check, partition) → its result in that run; each once."""
    found = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.asset_key == REGIONAL_SNAPSHOT
    ]
    by_partition = {(e.check_name, e.partition): e for e in found}
    assert len(by_partition) == len(found)
    return by_partition


def failing(result: dg.ExecuteInProcessResult) -> set[tuple[str, str | None]]:
    return {key for key, evaluation in results(result).items() if not evaluation.passed}


def body_name(client: redis.Redis, region: str) -> str:
    return keys.snapshot_by_id(latest_id(client, region) or "")


def body(client: redis.Redis, region: str = "europe") -> dict[str, Any]:
    snapshot: dict[str, Any] = json.loads(client.get(body_name(client, region)) or b"")
    return snapshot


def put(client: redis.Redis, snapshot: Any, region: str = "europe") -> None:
    """Puts a body in the place of the stored one, by id and at its time, with their expiry;
    encoded as the store does unless it is text."""
    stored = snapshot.encode() if isinstance(snapshot, str) else encode(snapshot)
    put_body(client, region, latest_id(client, region) or "", stored)


def keys_of(client: redis.Redis, region: str) -> list[bytes]:
    """Every key that a region's commits wrote, but for the alerts."""
    return [*client.scan_iter(f"*:v1:{region}*"), body_name(client, region).encode()]


def materialising() -> dg.JobDefinition:
    """What the UI launches when somebody materialises the snapshots: the checks come with them."""
    return DEFS.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={REGIONAL_SNAPSHOT, SUMMARY}
    )


def materialise(instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    return materialising().execute_in_process(instance=instance, raise_on_error=False, **options)


def test_the_jobs_share_the_work(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    assert not results(run(instance, tags=ALL))
    checked = DEFS.resolve_job_def("regional_check_job").execute_in_process(
        instance=instance, tags=ALL
    )
    assert set(results(checked)) == {(name, region) for name in NAMES for region in REGION_IDS}
    assert not failing(checked)


def test_a_run_over_all_regions_ends_with_its_checks(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    result = materialise(instance, tags=ALL)
    assert result.success
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    found = results(result)
    assert set(found) == {(name, region) for name in NAMES for region in REGION_IDS}
    assert all(evaluation.passed for evaluation in found.values())
    # Each is about the materialisation of this run, so that Dagster takes it for the current one.
    assert {e.target_materialization_data.run_id for e in found.values()} == {result.run_id}
    infos = instance.event_log_storage.get_asset_check_partition_info(
        [dg.AssetCheckKey(REGIONAL_SNAPSHOT, name) for name in NAMES]
    )
    assert len(infos) == len(found)
    assert all(i.is_current and i.latest_execution_status.value == "SUCCEEDED" for i in infos)


def test_one_partition_alone(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    result = materialise(instance, partition_key="latam")
    assert {partition for _, partition in results(result)} == {"latam"}
    assert not failing(result)


def test_a_failing_check_leaves_what_was_committed(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONAL_CONFIDENCE_FLOOR", "1")
    client.delete("military:flights:v1")
    client.lpush(keys.regime_history("europe"), "not a regime change")
    result = materialise(instance, tags=ALL)
    assert result.success
    low = {("confidence_above_floor", region) for region in REGION_IDS}
    assert failing(result) == {("stored_data_agrees", "europe"), *low}
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    assert set(materialisations(instance, result.run_id)) == set(REGION_IDS)
    assert set(materialisations(instance, result.run_id, SUMMARY)) == {None}
    assert all(client.zcard(keys.index(region)) == 1 for region in REGION_IDS)


def test_the_checks_run_when_a_region_failed(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.set(keys.index("europe"), "not a sorted set")
    result = materialise(instance, tags=ALL)
    assert not result.success
    assert {partition for _, partition in results(result)} == set(REGION_IDS)
    assert failing(result) == {(name, "europe") for name in NAMES}
    assert results(result)["axes_in_range", "europe"].description == (
        "europe: has no stored snapshot"
    )


def test_the_steps_run_in_order_because_the_executor_takes_one_at_a_time() -> None:
    """The checks have no dependency that would hold them back (see `checks`)."""
    for job in (
        materialising(),
        DEFS.resolve_implicit_global_asset_job_def(),
    ):
        assert job.executor_def is dg.in_process_executor
    assert regional_snapshot_checks(MODEL).op.tags == {"dagster/priority": "-1"}


def test_by_themselves_without_partitions_they_look_at_all_regions(
    instance: dg.DagsterInstance, stored: redis.Redis
) -> None:
    snapshot = body(stored, "latam")
    snapshot["balance"]["net_balance"] = -2
    put(stored, snapshot, "latam")
    calls = script_calls(stored)
    result = run_checks(instance, "axes_in_range", "lane_probabilities_sum_to_1", "strict_json")
    assert result.success
    assert script_calls(stored) == calls + 1
    assert failing(result) == {("axes_in_range", "latam"), ("axes_in_range", None)}
    whole = results(result)["axes_in_range", None]
    assert whole.description == "latam: net_balance is -2, not from -1 to 1"
    assert {name: value.value for name, value in whole.metadata.items()} == {
        "failing_regions": ["latam"],
        "latam": ["net_balance is -2, not from -1 to 1"],
    }
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(REGIONAL_SNAPSHOT, "strict_json"), limit=20
    )
    assert {record.status.value for record in history} == {"SUCCEEDED"}


def script_calls(client: redis.Redis) -> int:
    said: dict[str, Any] = client.info("commandstats")
    return sum(
        said.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha_ro", "eval")
    )


def lane(client: redis.Redis, value: Any) -> None:
    snapshot = body(client)
    snapshot["scenario_sets"][1]["lanes"][0]["probability"] = value
    put(client, snapshot)


def axis(client: redis.Redis, value: Any) -> None:
    snapshot = body(client)
    snapshot["balance"]["capital_stress"] = value
    put(client, snapshot)


def not_a_number(client: redis.Redis) -> None:
    axis(client, "here")
    put(client, encode(body(client)).decode().replace('"here"', "NaN"))


def field(client: redis.Redis, name: str, value: Any = None) -> None:
    """Puts another value in the place of one, None removes it."""
    snapshot = body(client)
    del snapshot[name]
    put(client, snapshot if value is None else {**snapshot, name: value})


def further(client: redis.Redis, value: str) -> None:
    """Adds a field with this value, which is given as JSON."""
    text = encode(body(client)).decode()
    put(client, f'{text[:-1]},"x":{value}}}')


def twice(client: redis.Redis) -> None:
    text = encode(body(client)).decode()
    put(client, '{"region_id":"mena",' + text[1:])


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda c: lane(c, 5), {"lane_probabilities_sum_to_1": "7d sums to ", **NO_SNAPSHOT}),
        (lambda c: lane(c, "1"), {"lane_probabilities_sum_to_1": "no number", **NO_SNAPSHOT}),
        (
            lambda c: lane(c, 1e308),
            {"lane_probabilities_sum_to_1": "7d sums to 1e+308", **NO_SNAPSHOT},
        ),
        (lambda c: lane(c, 0.9), {"lane_probabilities_sum_to_1": "7d sums to "}),
        (lambda c: field(c, "scenario_sets", []), {"lane_probabilities_sum_to_1": "7d is missing"}),
        (
            lambda c: axis(c, 1.001),
            {"axes_in_range": "capital_stress is 1.001, not from 0 to 1", **NO_SNAPSHOT},
        ),
        (lambda c: axis(c, True), {"axes_in_range": "capital_stress is True", **NO_SNAPSHOT}),
        (
            not_a_number,
            {
                "axes_in_range": "capital_stress is nan",
                "strict_json": "it holds NaN",
                **NO_SNAPSHOT,
            },
        ),
        (lambda c: put(c, json.dumps(body(c))), {"strict_json": "does not round-trip"}),
        (twice, {"strict_json": "does not round-trip"}),
        (
            lambda c: further(c, "-Infinity"),
            {"strict_json": "it holds -Infinity", **NO_SNAPSHOT},
        ),
        (lambda c: further(c, "1e400"), {"strict_json": "it holds 1e400"}),
        (
            lambda c: further(c, '"\\ud83d"'),
            {"strict_json": "surrogates not allowed", **NO_SNAPSHOT},
        ),
        (
            lambda c: field(c, "balance"),
            {"axes_in_range": "is not a snapshot (KeyError: 'balance')", **NO_SNAPSHOT},
        ),
        (lambda c: field(c, "evidence"), {NAMES[4]: "Object missing required field"}),
        (lambda c: c.delete(*keys_of(c, "europe")), dict.fromkeys(NAMES, "has no stored snapshot")),
        (
            lambda c: put(c, "{"),
            dict.fromkeys(NAMES[:4], "is not JSON") | {NAMES[4]: "is not a snapshot"},
        ),
        (
            lambda c: c.delete(body_name(c, "europe")),
            dict.fromkeys(NAMES[:4], "is gone") | {NAMES[4]: "is absent"},
        ),
        (lambda c: c.delete(keys.index("europe")), {"stored_data_agrees": "does not hold"}),
    ],
)  # fmt: skip
def test_damage_is_found_and_the_region_named(
    instance: dg.DagsterInstance,
    stored: redis.Redis,
    damage: Callable[[redis.Redis], object],
    expected: dict[str, str],
) -> None:
    damage(stored)
    result = run_checks(instance, tags=THREE)
    assert result.success
    assert {region for _, region in results(result)} == {"mena", "east-asia", "europe"}
    assert failing(result) == {(name, "europe") for name in expected}
    for name, said in expected.items():
        evaluation = results(result)[name, "europe"]
        assert said in evaluation.description
        assert evaluation.description.startswith("europe: ")
        assert said in "; ".join(evaluation.metadata["europe"].value)
        assert not evaluation.blocking


def test_what_a_description_quotes_is_no_markdown(
    instance: dg.DagsterInstance, stored: redis.Redis
) -> None:
    """The UI renders it; an image would be fetched."""
    snapshot = body(stored)
    snapshot["regime"]["label"] = "![a](http://b/c) <b> `x` | \x1b[2J \u202e"
    put(stored, snapshot)
    result = run_checks(instance, "stored_data_agrees", tags=THREE)
    evaluation = results(result)["stored_data_agrees", "europe"]
    assert r"'\!\[a\](http://b/c) \<b\> \`x\` \| \\x1b\[2J \\u202e'" in evaluation.description
    # In the metadata, which the UI shows as it is.
    assert r"'![a](http://b/c) <b> `x` | \x1b[2J \u202e'" in str(
        evaluation.metadata["europe"].value[0]
    )


def test_small_and_large_numbers_are_no_damage(
    instance: dg.DagsterInstance, client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    confidences = [1e-5, 1e-7, 1e16, 1e22, 5e-324, -0.0]
    rows = [
        {"id": f"f{i}", "region": "Iran", "probability": 0.5, "confidence": confidence}
        for i, confidence in enumerate(confidences)
    ]
    client.set(KEY["forecasts"], json.dumps({"predictions": rows}))
    with OpenStore(valkey_url, folder) as store:
        assert not take_snapshots(store, ["mena"], current_time()).failed
    stored = [item["confidence"] for item in body(client, "mena")["evidence"]]
    assert set(map(str, confidences)) <= set(map(str, stored))
    assert not failing(run_checks(instance, "strict_json", tags=range_tags("mena", "mena")))


def test_what_rounding_takes_from_a_sum_is_no_damage() -> None:
    def found(*probabilities: float) -> list[str]:
        lanes = [{"probability": p} for p in probabilities]
        sets = [{"horizon": horizon, "lanes": lanes} for horizon in HORIZONS]
        assert CHECKS[0].find is not None
        return CHECKS[0].find(b"", {"scenario_sets": sets})

    assert found(0.4, 0.3, 0.2, 0.102) == found(0.4, 0.3, 0.2, 0.098) == []
    assert len(found(0.4, 0.3, 0.2, 0.103)) == len(HORIZONS)


def test_low_confidence_is_a_warning(
    instance: dg.DagsterInstance, stored: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = body(stored)
    snapshot["meta"]["snapshot_confidence"] = 0.4
    put(stored, snapshot)
    result = run_checks(instance, tags=THREE)
    assert failing(result) == {("confidence_above_floor", "europe")}
    found = results(result)["confidence_above_floor", "europe"]
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert "confidence is 0.4, the floor is 0.5" in found.description
    monkeypatch.setenv("REGIONAL_CONFIDENCE_FLOOR", "0.3")
    assert not failing(run_checks(instance, "confidence_above_floor", tags=THREE))


def test_a_floor_that_is_none_fails_its_check_only(
    instance: dg.DagsterInstance, stored: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONAL_CONFIDENCE_FLOOR", "half")
    result = run_checks(instance, tags=range_tags("europe", "europe"))
    assert failing(result) == {("confidence_above_floor", "europe")}
    assert "REGIONAL_CONFIDENCE_FLOOR='half'" in (
        results(result)["confidence_above_floor", "europe"].description
    )


def test_a_server_that_is_not_there_fails_the_checks_with_its_words(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://user:secret@{folder}/nothing.sock")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    result = run_checks(instance, tags=THREE)
    assert result.success
    assert failing(result) == set(results(result))
    assert len(results(result)) == 3 * len(NAMES)
    for evaluation in results(result).values():
        assert f"Redis at unix://{folder}/nothing.sock does not answer" in evaluation.description
    for entry in instance.all_logs(result.run_id):
        assert "secret" not in str(entry)


@pytest.mark.parametrize("text", ["half", "nan", "-0.1", "1.1", "inf"])
def test_the_floor_is_from_0_to_1(text: str) -> None:
    assert CONFIDENCE_FLOOR.read({}) == 0.5
    assert CONFIDENCE_FLOOR.read({"REGIONAL_CONFIDENCE_FLOOR": "0"}) == 0
    with pytest.raises(SettingsError, match="REGIONAL_CONFIDENCE_FLOOR"):
        CONFIDENCE_FLOOR.read({"REGIONAL_CONFIDENCE_FLOOR": text})
