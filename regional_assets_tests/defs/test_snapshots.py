"""`regional_snapshot` through Dagster: a real instance, real runs, a real server."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import backfill_policy
from regional_assets.errors import SettingsError
from regional_assets.intelligence.scoring import AXES
from regional_assets.runs.clock import current_time
from regional_assets.store import verification
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS, VERSIONS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    SUMMARY,
    WITH_BRIEFS,
    materialisations,
    run,
    statuses,
    values,
)
from regional_assets_tests.support.stored import CONFIRMATIONS, changed, dump
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY


def test_one_run_materialises_every_partition_once(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    result = run(instance, tags=ALL)
    assert result.success
    found = materialisations(instance, result.run_id)
    assert list(found) == list(REGION_IDS)
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    for region, materialisation in found.items():
        said = values(materialisation)
        assert said["outcome"] == "written"
        assert said["snapshot_id"].encode() == client.get(keys.latest(region or ""))
        assert {*AXES, "regime", "previous_regime", "net_balance", "confidence"} <= set(said)
        assert {"missing_inputs", "stale_inputs", "trigger_reason", "active_triggers"} <= set(said)
        assert said["bytes"] == client.strlen(keys.snapshot_by_id(said["snapshot_id"]))
        assert said["milliseconds"] > 0
        digest = (materialisation.tags or {})["dagster/data_version"]
        assert client.exists(keys.dedup(region or "", digest))
    assert values(found["mena"])["alerts_queued"] == 4
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    assert values(summary)["outcome"] == "written"
    assert [row.data["region"] for row in values(summary)["table"].records] == list(REGION_IDS)


def test_in_a_run_over_many_each_says_little_and_the_run_says_once_what_all_share(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = materialisations(instance, run(instance, tags=ALL).run_id)
    monkeypatch.setattr("regional_assets.dagster_kit.reporting.FEW", len(REGION_IDS) - 1)
    client.delete(keys.latest("mena"))
    client.lpush(keys.latest("mena"), "x")
    result = run(instance, tags=ALL, force=True)
    found = materialisations(instance, result.run_id)
    assert list(found) == [region for region in REGION_IDS if region != "mena"]
    assert statuses(instance) == dict.fromkeys(found, "MATERIALIZED") | {"mena": "FAILED"}
    shared = {*values(full["europe"])} - {*AXES}
    for region, materialisation in found.items():
        said = values(materialisation)
        assert said["outcome"] == "written"
        assert said["snapshot_id"].encode() == client.get(keys.latest(region or ""))
        assert not {"bytes", *AXES, "missing_inputs", "input_problems"} & {*said}
        assert len(dg.serialize_value(materialisation)) < 2_500
        assert materialisation.tags == full[region].tags
        shared -= {*said}
    [observation] = instance.fetch_observations(REGIONAL_SNAPSHOT, limit=2).records
    assert observation.run_id == result.run_id
    assert observation.asset_observation
    once = {*observation.asset_observation.metadata}
    assert once == shared - {"axes_without_data", "defaulted_terms", "bytes"}


def test_a_second_run_is_all_duplicates_and_changes_nothing_but_the_confirmations(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    first = materialisations(instance, run(instance, tags=ALL).run_id)
    before = dump(client)
    second = run(instance, tags=ALL)
    assert second.success
    found = materialisations(instance, second.run_id)
    assert list(found) == list(REGION_IDS)
    for region, materialisation in found.items():
        assert values(materialisation)["outcome"] == "duplicate"
        assert values(materialisation)["duplicate_of"] == values(first[region])["snapshot_id"]
        assert materialisation.tags == first[region].tags
    assert changed(client, before) == CONFIRMATIONS
    [summary] = materialisations(instance, second.run_id, SUMMARY).values()
    assert values(summary)["outcome"] == "stands: no region changed"


def test_force_writes_duplicates(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    run(instance, tags=ALL)
    forced = run(instance, tags=ALL, force=True)
    outcomes = {values(m)["outcome"] for m in materialisations(instance, forced.run_id).values()}
    assert outcomes == {"written"}
    assert client.zcard(keys.index("mena")) == 2


def test_one_region_fails_alone_and_a_retry_repairs_it(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.set(keys.index("europe"), "not a sorted set")
    result = run(instance, tags=ALL)
    assert not result.success
    assert set(materialisations(instance, result.run_id)) == set(REGION_IDS) - {"europe"}
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED") | {"europe": "FAILED"}
    [failure] = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    error = (
        f"WRONGTYPE {keys.index('europe')} holds a string where a zset belongs; nothing was written"
    )
    assert said.description == f"1 of {len(REGION_IDS)} regions failed: europe: {error}"
    assert {name: value.value for name, value in said.metadata.items()} == {"europe": error}
    # The summary is as old as the last run in which all was well.
    assert not client.exists(keys.summary)

    client.delete(keys.index("europe"))
    retried = run(instance, partition_key="europe")
    assert retried.success
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    assert client.exists(keys.summary)


def test_one_partition_alone(instance: dg.DagsterInstance, client: redis.Redis) -> None:
    result = run(instance, partition_key="latam")
    assert result.success
    assert list(materialisations(instance, result.run_id)) == ["latam"]
    assert not client.exists(keys.latest("mena"))


def test_a_region_more_is_two_events_more(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    """Planned and materialised. Each event is a write to Dagster's database, which takes longer
    than to compute the region."""
    one = run(instance, partition_key="mena").run_id
    all_regions = run(instance, tags=ALL).run_id
    assert len(instance.all_logs(all_regions)) - len(instance.all_logs(one)) == 2 * (
        len(REGION_IDS) - 1
    )


def test_a_server_that_is_not_there_is_one_plain_error(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://user:secret@{folder}/nothing.sock")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    result = run(instance, tags=ALL)
    failures = result.get_step_failure_events()
    assert [f.step_key for f in failures] == ["regional_snapshots", "regional_board"]
    for failure in failures:
        said = failure.step_failure_data.user_failure_data
        assert said is not None
        assert f"Redis at unix://{folder}/nothing.sock does not answer" in (said.description or "")
    for entry in instance.all_logs(result.run_id):
        assert "secret" not in str(entry)


def test_what_was_wrong_with_the_inputs_is_in_the_metadata(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.set("economic:spr:v1", "{")
    client.delete("military:flights:v1")
    client.set("risk:scores:sebuf:stale:v8", '{"ciiScores": [1, 2]}')
    signals = [{"theater": "Atlantis"}, {"theater": "Levant", "severity": "LOW"}]
    client.set(KEY["cross_source_signals"], json.dumps({"signals": signals}))
    result = run(instance, partition_key="mena")
    said = values(materialisations(instance, result.run_id)["mena"])
    assert said["missing_inputs"] == ["economic:spr:v1", "military:flights:v1"]
    assert "not JSON" in said["input_problems"]["economic:spr:v1"]
    assert said["skipped_records"] == {"risk_scores": 2}
    assert said["incomplete_records"]["cross_source_signals"] == 1
    assert said["unplaced_records"] == {"cross_source_signals": 1}
    assert said["unplaced_labels"] == {"cross_source_signals": ["Atlantis"]}
    assert "domestic_fragility = 0" in said["defaulted_terms"]
    assert said["confidence"] < 1


def test_the_summary_lists_all_regions_not_only_those_just_written(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run(instance, tags=ALL)
    client.delete("military:flights:v1")
    result = run(instance, partition_key="mena")
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    assert values(summary)["regions"] == len(REGION_IDS)


def test_a_lost_summary_is_written_by_the_next_run_over_all_regions(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run(instance, tags=ALL)
    client.delete(keys.summary, keys.summary_seed_meta)
    run(instance, partition_key="mena")
    assert not client.exists(keys.summary)
    run(instance, tags=ALL)
    assert client.exists(keys.summary, keys.summary_seed_meta) == 2


def test_a_region_that_cannot_be_read_leaves_the_summary_as_it_is(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run(instance, tags=ALL)
    before = client.get(keys.summary)
    client.set(keys.latest("mena"), "gone")
    result = run(instance, partition_key="europe", force=True)
    assert result.success
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    assert values(summary)["outcome"].startswith("stands: mena cannot be read")
    assert client.get(keys.summary) == before


def test_a_number_that_is_none_does_not_come_into_the_summary(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run(instance, tags=ALL)
    before = client.get(keys.summary)
    latest = client.get(keys.latest("mena"))
    assert isinstance(latest, bytes)
    name = keys.snapshot_by_id(latest.decode())
    body = client.get(name)
    assert isinstance(body, bytes)
    client.set(name, re.sub(rb'("snapshot_confidence":)[^,]+', rb"\1NaN", body))
    result = run(instance, partition_key="europe", force=True)
    [summary] = materialisations(instance, result.run_id, SUMMARY).values()
    outcome = values(summary)["outcome"]
    assert outcome.startswith(f"stands: mena cannot be read: {name} is not a snapshot (")
    assert values(summary)["damaged"] == {"mena": outcome.partition("read: ")[2]}
    assert client.get(keys.summary) == before


def test_the_summary_asked_for_by_itself_is_written(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run(instance, tags=ALL)
    client.delete(keys.summary)
    assert run(instance, asset_selection=[SUMMARY]).success
    assert client.exists(keys.summary)


def test_partitions_per_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backfill_policy() == dg.BackfillPolicy.single_run()
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "2")
    assert backfill_policy() == dg.BackfillPolicy.multi_run(2)
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "none")
    with pytest.raises(SettingsError, match="REGIONAL_PARTITIONS_PER_RUN"):
        backfill_policy()


def test_the_assets_explain_themselves() -> None:
    graph = WITH_BRIEFS.resolve_asset_graph()
    assert len(graph.get_all_asset_keys()) == len(MODEL.inputs) + 5
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description
        assert node.kinds
        assert node.owners == ["team:regional-intelligence"]
        assert node.tags["domain"] == "regional-intelligence"
    for key in (REGIONAL_SNAPSHOT, SUMMARY):
        assert len(graph.get(key).description or "") > 200


@pytest.mark.parametrize("after_commit", [False, True], ids=["before commit", "after commit"])
def test_a_cancelled_run_leaves_no_partition_half_written(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    after_commit: bool,
) -> None:
    commit = SnapshotStore.commit

    def interrupted(self: SnapshotStore, *args: Any, **options: Any) -> Any:
        replies = commit(self, *args, **options) if after_commit else None
        # What terminating a run from the UI does.
        [going] = instance.get_runs()
        instance.report_run_canceling(going)
        os.kill(os.getpid(), signal.SIGINT)
        return replies

    monkeypatch.setattr(SnapshotStore, "commit", interrupted)
    run(instance, tags=ALL)
    monkeypatch.setattr(SnapshotStore, "commit", commit)
    [cancelled] = instance.get_runs()
    assert cancelled.status is dg.DagsterRunStatus.CANCELED
    assert statuses(instance) == {}
    problems = verification.verify(client, keys, MODEL, REGION_IDS, current_time())
    assert problems == {region: [] for region in REGION_IDS}
    assert bool(client.exists(keys.latest("mena"))) is after_commit

    again = run(instance, tags=ALL)
    expected = "duplicate" if after_commit else "written"
    found = materialisations(instance, again.run_id).values()
    assert {values(m)["outcome"] for m in found} == {expected}
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    assert client.exists(keys.summary)


def test_a_run_that_was_launched_without_partitions_takes_all(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    result = run(instance)
    assert result.success
    assert list(materialisations(instance, result.run_id)) == list(REGION_IDS)
    assert materialisations(instance, result.run_id, SUMMARY)
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")


def test_of_all_regions_that_were_not_asked_for_one_fails_alone(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    client.set(keys.index("europe"), "wrong")
    result = run(instance)
    assert not result.success
    others = [region for region in REGION_IDS if region != "europe"]
    assert list(materialisations(instance, result.run_id)) == others
    [event] = result.get_step_failure_events()
    assert statuses(instance) == dict.fromkeys(others, "MATERIALIZED") | {"europe": "FAILED"}
    assert f"1 of {len(REGION_IDS)} regions failed: europe" in str(
        event.step_failure_data.user_failure_data
    )


def test_a_run_that_was_requested_with_another_model_fails(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    """As when the code server and the process of the run have different models."""
    here = f"{VERSIONS['scoring_version']}_{VERSIONS['geography_version']}"
    made = run(instance, tags=ALL)
    stored = instance.get_run_by_id(made.run_id)
    assert stored
    assert stored.tags["regional/model"] == here
    before = dump(client)
    result = run(instance, tags={**ALL, "regional/model": "custom-0123_custom-4567"})
    assert not result.success
    (failure,) = result.get_step_failure_events()
    words = failure.step_failure_data.user_failure_data.description or ""  # type: ignore[union-attr]
    assert f"custom-0123_custom-4567, and this process has {here}" in words
    assert dump(client) == before
