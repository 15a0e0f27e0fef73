"""`regional_brief`: real runs on real servers, with a language model on localhost."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.jobs import BRIEF_JOB
from regional_assets.defs.partitions import brief_partitions, range_tags
from regional_assets.intelligence.brief import STANDS, WEEK
from regional_assets.intelligence.timing import DAY_MS, HOUR_MS
from regional_assets.narrative.narrator import Narrator
from regional_assets.runs.briefs import write_briefs
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.briefs import stored_brief
from regional_assets_tests.support.built_in import MODEL, NARRATED_REGIONS
from regional_assets_tests.support.dagster_runs import (
    WITH_BRIEFS,
    everything_said,
    materialisations,
    outcomes,
    values,
)
from regional_assets_tests.support.model_server import (
    SECRET,
    TOKENS_IN,
    TOKENS_OUT,
    Models,
    configure,
)
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values

ALL_BRIEFS = range_tags(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])


def run(
    instance: dg.DagsterInstance, *, force: bool = False, **options: Any
) -> dg.ExecuteInProcessResult:
    return WITH_BRIEFS.resolve_job_def(BRIEF_JOB).execute_in_process(
        instance=instance,
        run_config={"ops": {"regional_brief": {"config": {"force": force}}}},
        raise_on_error=False,
        **options,
    )


def failure(result: dg.ExecuteInProcessResult) -> str:
    [event] = result.get_step_failure_events()
    said = event.step_failure_data.user_failure_data
    assert said is not None
    return said.description or ""


def stored(client: redis.Redis, name: str) -> Any:
    return json.loads(client.get(name) or b"null")


def test_a_run_writes_all_briefs_and_their_summary(
    instance: dg.DagsterInstance, told: redis.Redis, models: Models
) -> None:
    before = current_time()
    result = run(instance, tags=ALL_BRIEFS)
    assert result.success
    assert outcomes(instance, result.run_id) == dict.fromkeys(NARRATED_REGIONS, "written")
    assert models.regions("good") == sorted(NARRATED_REGIONS)
    for region in NARRATED_REGIONS:
        brief = stored(told, f"intelligence:regional-briefs:v1:weekly:{region}")
        now = brief["generated_at"]
        assert before <= now <= current_time()
        assert brief == {
            "region_id": region,
            "generated_at": now,
            "period_start": now - WEEK,
            "period_end": now,
            "situation_recap": f"The week in {region}.",
            "regime_trajectory": "Steady.",
            "key_developments": ["One thing.", "Another thing."],
            "risk_outlook": "Open.",
            "provider": "good",
            "model": "good-model",
        }
        assert 1_295_000 < told.ttl(keys.brief(region)) <= 1_296_000
    assert not told.exists(keys.brief("global"))
    assert stored(told, "intelligence:regional-briefs:summary:v1") == {
        "generatedAt": now,
        "regionsGenerated": len(NARRATED_REGIONS),
        "regionsSkipped": 0,
        "coverageOk": True,
    }
    assert stored(told, "seed-meta:intelligence:regional-briefs") == {
        "fetchedAt": now,
        "recordCount": len(NARRATED_REGIONS),
    }
    for name in (keys.brief_summary, keys.brief_seed_meta):
        assert 1_295_000 < told.ttl(name) <= 1_296_000


def test_its_metadata(instance: dg.DagsterInstance, told: redis.Redis) -> None:
    result = run(instance, partition_key="mena")
    said = values(materialisations(instance, result.run_id, REGIONAL_BRIEF)["mena"])
    assert said["brief"] == stored(told, keys.brief("mena"))
    assert (said["provider"], said["model"]) == ("good", "good-model")
    assert said["tokens"] == {"in": TOKENS_IN, "out": TOKENS_OUT}
    assert (said["tries"], said["cut"]) == (1, [])
    assert said["regime_changes"] == 1
    assert said["milliseconds"] > 0


def test_what_a_run_costs_in_all(instance: dg.DagsterInstance, told: redis.Redis) -> None:
    result = run(instance, tags=ALL_BRIEFS)
    [event] = instance.get_records_for_run(
        result.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION
    ).records
    dagster_event = event.event_log_entry.dagster_event
    assert dagster_event is not None
    observation = dagster_event.asset_observation_data.asset_observation
    assert observation.asset_key == REGIONAL_BRIEF
    said = {name: found.value for name, found in observation.metadata.items()}
    assert said["tokens"] == {
        "in": len(NARRATED_REGIONS) * TOKENS_IN,
        "out": len(NARRATED_REGIONS) * TOKENS_OUT,
    }
    assert said["tries"] == len(NARRATED_REGIONS)


def test_it_is_asked_from_the_stored_snapshot_and_the_weeks_changes(
    instance: dg.DagsterInstance, told: redis.Redis, models: Models
) -> None:
    told.lpush(keys.regime_history("mena"), "malformed")
    told.rpush(
        keys.regime_history("mena"),
        json.dumps(
            {
                "region_id": "mena",
                "snapshot_id": "old",
                "label": "calm",
                "previous_label": "escalation_ladder",
                "transitioned_at": current_time() - WEEK - HOUR_MS,
                "transition_driver": "",
            }
        ),
    )
    run(instance, partition_key="mena")
    [asked] = models.asked
    [change] = asked.data["regime_changes"]
    assert (change["from"], change["to"]) == ("none", "coercive_stalemate")
    assert asked.data["regime"] == "coercive_stalemate"
    assert asked.data["evidence"]


def test_young_briefs_are_skipped_unless_asked_for(
    instance: dg.DagsterInstance, told: redis.Redis, models: Models
) -> None:
    now = current_time()
    told.set(keys.brief("mena"), stored_brief("mena", now - STANDS + HOUR_MS))
    told.set(keys.brief("europe"), stored_brief("europe", now - STANDS))
    told.set(keys.brief("latam"), "no brief")
    result = run(instance, tags=ALL_BRIEFS)
    assert result.success
    assert outcomes(instance, result.run_id) == dict.fromkeys(NARRATED_REGIONS, "written") | {
        "mena": "skipped"
    }
    assert "mena" not in models.regions("good")
    said = values(materialisations(instance, result.run_id, REGIONAL_BRIEF)["mena"])
    assert said["reason"] == "its brief is younger than 6.5 days"
    assert said["brief"]["generated_at"] == now - STANDS + HOUR_MS
    assert stored(told, keys.brief("mena"))["generated_at"] == now - STANDS + HOUR_MS
    summary = stored(told, keys.brief_summary)
    assert (summary["regionsGenerated"], summary["regionsSkipped"]) == (
        len(NARRATED_REGIONS) - 1,
        1,
    )
    forced = run(instance, partition_key="mena", force=True)
    assert outcomes(instance, forced.run_id) == {"mena": "written"}
    assert stored(told, keys.brief("mena"))["provider"] == "good"


def test_no_valid_answer_is_red_and_told_by_the_coverage(
    instance: dg.DagsterInstance,
    told: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure(monkeypatch, models.environment("refusing", key=SECRET))
    result = run(instance, tags=ALL_BRIEFS)
    assert not result.success
    assert outcomes(instance, result.run_id) == {}
    # In the order in which the answers came.
    verdict, problems = failure(result).split(": ", 1)
    assert (
        verdict == f"{len(NARRATED_REGIONS)} of {len(NARRATED_REGIONS)} regions have no new brief"
    )
    problem = "refusing: HTTP 401: check REGIONAL_NARRATIVE_REFUSING_API_KEY"
    assert set(problems.split("; ")) == {f"{region}: {problem}" for region in NARRATED_REGIONS}
    statuses = instance.get_status_by_partition(
        REGIONAL_BRIEF, list(NARRATED_REGIONS), brief_partitions(MODEL)
    )
    assert {s.value for s in (statuses or {}).values() if s} == {"FAILED"}
    summary = stored(told, keys.brief_summary)
    assert (summary["regionsGenerated"], summary["coverageOk"]) == (0, False)
    assert stored(told, keys.brief_seed_meta)["recordCount"] == 0
    for text in everything_said(instance, result.run_id, caplog, capfd):
        assert SECRET not in text


def test_coverage_counts_all_regions_also_in_a_run_of_one(
    instance: dg.DagsterInstance, told: redis.Redis
) -> None:
    run(instance, partition_key="mena")
    assert stored(told, keys.brief_seed_meta)["recordCount"] == 0
    assert stored(told, keys.brief_summary)["coverageOk"] is False
    run(instance, tags=range_tags(NARRATED_REGIONS[1], NARRATED_REGIONS[-2]))
    assert stored(told, keys.brief_seed_meta)["recordCount"] == len(NARRATED_REGIONS) - 1
    assert stored(told, keys.brief_summary)["coverageOk"] is True


def test_what_cannot_be_read_fails_that_region_alone_and_leaves_the_summary(
    instance: dg.DagsterInstance, told: redis.Redis, models: Models
) -> None:
    history = keys.regime_history("mena")
    told.delete(history)
    told.set(history, "no list")
    result = run(instance, tags=ALL_BRIEFS)
    problem = f"mena: {history}: WRONGTYPE"
    assert failure(result).startswith(
        f"1 of {len(NARRATED_REGIONS)} regions have no new brief: {problem}"
    )
    assert set(outcomes(instance, result.run_id)) == set(NARRATED_REGIONS) - {"mena"}
    assert "mena" not in models.regions("good")
    assert not told.exists(keys.brief_summary, keys.brief_seed_meta)
    told.delete(history)
    assert run(instance, partition_key="mena").success
    assert stored(told, keys.brief_seed_meta)["recordCount"] == len(NARRATED_REGIONS)


@pytest.mark.parametrize("name", [keys.regime_history, keys.latest, keys.confirmed, keys.brief])
def test_a_key_of_a_wrong_type_is_named_and_left_alone(
    store: SnapshotStore, models: Models, name: Callable[[str], str]
) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena", "latam"], NOW)
    store.client.delete(name("mena"))
    store.client.hset(name("mena"), "a", "b")
    narrator = Narrator([models.provider("good")])
    failed, written = write_briefs(BriefStore(store), narrator, ["mena", "latam"], NOW)
    assert (failed.region_id, failed.outcome) == ("mena", "failed")
    assert failed.reason.startswith(f"{name('mena')}: WRONGTYPE")
    assert store.client.type(name("mena")) == b"hash"
    assert (written.region_id, written.outcome) == ("latam", "written")


def test_a_region_without_a_young_snapshot_is_skipped_with_the_reason(
    instance: dg.DagsterInstance, told: redis.Redis, models: Models
) -> None:
    """One region has never had a snapshot, one has an old one and a brief of last month."""
    now = current_time()
    told.delete(keys.latest("latam"))
    latest = told.get(keys.latest("mena"))
    assert isinstance(latest, bytes)
    body = stored(told, keys.snapshot_by_id(latest.decode()))
    body["generated_at"] = now - 40 * DAY_MS
    told.set(keys.snapshot_by_id(body["meta"]["snapshot_id"]), json.dumps(body))
    told.delete(keys.confirmed("mena"))
    told.set(keys.brief("mena"), stored_brief("mena", now - 30 * DAY_MS))
    result = run(instance, tags=ALL_BRIEFS)
    assert result.success
    said = {
        region: values(m)
        for region, m in materialisations(instance, result.run_id, REGIONAL_BRIEF).items()
    }
    assert said["latam"] == {"outcome": "skipped", "reason": "it has no snapshot yet"}
    assert said["mena"] == {"outcome": "skipped", "reason": "its snapshot is 960 hours old"}
    assert [region for region in said if said[region]["outcome"] == "written"]
    assert not {"mena", "latam"} & set(models.regions("good"))
    assert not told.exists(keys.brief("latam"))
    assert stored(told, keys.brief("mena"))["generated_at"] == now - 30 * DAY_MS
    summary = stored(told, keys.brief_summary)
    assert (summary["regionsGenerated"], summary["regionsSkipped"]) == (
        len(NARRATED_REGIONS) - 2,
        2,
    )
    assert summary["coverageOk"] is False
    assert stored(told, keys.brief_seed_meta)["recordCount"] == 0


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "no language model is configured: set REGIONAL_NARRATIVE_PROVIDERS"),
        (
            {"REGIONAL_NARRATIVE_PROVIDERS": "groq"},
            "REGIONAL_NARRATIVE_GROQ_BASE_URL is not set: ",
        ),
    ],
)
def test_without_a_model_a_run_says_so(
    instance: dg.DagsterInstance,
    told: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    problem: str,
) -> None:
    monkeypatch.delenv("REGIONAL_NARRATIVE_PROVIDERS")
    configure(monkeypatch, environment)
    assert failure(run(instance, tags=ALL_BRIEFS)).startswith(problem)
    assert not told.exists(keys.brief_summary)


def test_a_server_that_is_not_there_is_one_plain_error(
    instance: dg.DagsterInstance, told: redis.Redis, monkeypatch: pytest.MonkeyPatch, folder: Any
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{folder}/nothing.sock")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    said = failure(run(instance, tags=ALL_BRIEFS))
    assert said.startswith(f"Redis at unix://{folder}/nothing.sock does not answer")


def test_a_run_that_was_launched_without_partitions_writes_all(
    instance: dg.DagsterInstance, told: redis.Redis
) -> None:
    result = run(instance)
    assert result.success
    assert outcomes(instance, result.run_id) == dict.fromkeys(NARRATED_REGIONS, "written")
