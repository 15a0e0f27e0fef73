"""The schedules through Dagster: ticks on a real instance, and the runs they ask for."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.definitions import defs
from regional_assets.defs.assets.history import REGIONAL_HISTORY
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY
from regional_assets.defs.jobs import (
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    DEFS,
    INPUT_NAMES,
    a_run,
    materialisations,
    observations,
    run,
    statuses,
)
from regional_assets_tests.support.stores import keys

SNAPSHOTS, CHECKS, HISTORIES, OBSERVATIONS = map(
    DEFS.resolve_schedule_def,
    (
        "regional_snapshot_schedule",
        "regional_check_schedule",
        "regional_history_schedule",
        "observe_inputs_schedule",
    ),
)
SIX = datetime(2026, 8, 22, 6, tzinfo=UTC)
SCHEDULES = [
    (SNAPSHOTS, SNAPSHOT_JOB),
    (CHECKS, CHECK_JOB),
    (HISTORIES, HISTORY_JOB),
    (OBSERVATIONS, OBSERVE_INPUTS_JOB),
]
each_schedule = pytest.mark.parametrize(
    ("schedule", "job"), SCHEDULES, ids=[schedule.name for schedule, _ in SCHEDULES]
)


@pytest.fixture
def instance(instance_in_files: dg.DagsterInstance) -> dg.DagsterInstance:
    """A schedule's context opens it by its folder."""
    return instance_in_files


def tick(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, moment: datetime) -> Any:
    """What became of the tick; Dagster does not export the type."""
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=moment)
    return schedule.evaluate_tick(context)


def all_requested(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, moment: datetime = SIX
) -> list[dg.RunRequest]:
    """The runs that the tick requests."""
    outcome = tick(schedule, instance, moment)
    assert outcome.run_requests
    return list(outcome.run_requests)


def requested(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, moment: datetime = SIX
) -> dg.RunRequest:
    """The one run that the tick requests."""
    [request] = all_requested(schedule, instance, moment)
    return request


def skipped(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance, moment: datetime = SIX
) -> str:
    """Why the tick requests no run."""
    outcome = tick(schedule, instance, moment)
    assert not outcome.run_requests
    return outcome.skip_message or ""


def evaluations(result: dg.ExecuteInProcessResult) -> list[Any]:
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return [e.asset_check_evaluation_data for e in result.all_events if e.event_type == kind]


@each_schedule
def test_they_run_by_default_in_utc_and_explain_themselves(
    schedule: dg.ScheduleDefinition, job: str
) -> None:
    assert schedule.name in {found.name for found in defs().schedules or []}
    assert schedule.job_name == job
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.execution_timezone == "UTC"
    assert len(schedule.description or "") > 150


def test_their_times() -> None:
    assert SNAPSHOTS.cron_schedule == "0 */6 * * *"
    assert OBSERVATIONS.cron_schedule == "*/15 * * * *"


def test_a_tick_is_one_run_over_all_regions_with_the_summary(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    request = requested(SNAPSHOTS, instance)
    assert request.run_key == "2026-08-22T06:00:00+00:00"
    assert request.tags.items() >= ALL.items()
    result = DEFS.resolve_job_def(SNAPSHOT_JOB).execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags
    )
    assert list(materialisations(instance, result.run_id)) == list(REGION_IDS)
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    assert materialisations(instance, result.run_id, REGIONAL_SUMMARY)
    assert client.exists(keys.summary)


def test_a_tick_is_one_observation_of_all_inputs(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    request = requested(OBSERVATIONS, instance)
    result = DEFS.resolve_job_def(OBSERVE_INPUTS_JOB).execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags
    )
    assert list(observations(instance, result.run_id)) == INPUT_NAMES


@pytest.mark.parametrize("schedule", [CHECKS, HISTORIES])
def test_checks_and_histories_follow_over_all_regions(
    instance: dg.DagsterInstance, client: redis.Redis, schedule: dg.ScheduleDefinition
) -> None:
    run(instance, tags=ALL)
    request = requested(schedule, instance)
    result = DEFS.resolve_job_def(schedule.job_name).execute_in_process(
        instance=instance, tags=request.tags
    )
    assert result.success
    if schedule is HISTORIES:
        assert set(materialisations(instance, result.run_id, REGIONAL_HISTORY)) == set(REGION_IDS)
    else:
        # Those of the inputs have no partition.
        by_region = [e.partition for e in evaluations(result) if e.asset_key.path[0] != "inputs"]
        assert set(by_region) == set(REGION_IDS)


@each_schedule
def test_each_tick_has_its_own_run_key(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, job: str
) -> None:
    again = requested(schedule, instance).run_key
    assert again == requested(schedule, instance).run_key
    assert again != requested(schedule, instance, SIX.replace(hour=12)).run_key


@each_schedule
@pytest.mark.parametrize("status", ["QUEUED", "STARTING", "STARTED", "CANCELING"])
def test_a_tick_that_overlaps_a_run_is_skipped_and_says_which(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, job: str, status: str
) -> None:
    run = a_run(instance, job, dg.DagsterRunStatus[status])
    said = skipped(schedule, instance)
    assert said.startswith(f"Run {run.run_id} of {job} is not finished ({status}), so the tick")


@each_schedule
def test_runs_that_ended_or_are_of_another_job_hold_nothing_up(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, job: str
) -> None:
    for status in ("SUCCESS", "FAILURE", "CANCELED"):
        a_run(instance, job, dg.DagsterRunStatus[status])
    for other in {name for _, name in SCHEDULES} - {job}:
        a_run(instance, other, dg.DagsterRunStatus.STARTED)
    assert requested(schedule, instance)


@each_schedule
def test_a_run_that_nobody_will_start_does_not_block_for_ever(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, job: str
) -> None:
    a_run(instance, job, dg.DagsterRunStatus.NOT_STARTED)
    assert requested(schedule, instance)


@each_schedule
def test_a_tick_evaluated_again_after_a_crash_finds_its_own_run(
    instance: dg.DagsterInstance, schedule: dg.ScheduleDefinition, job: str
) -> None:
    key = requested(schedule, instance).run_key or ""
    a_run(instance, job, dg.DagsterRunStatus.QUEUED, run_key=key)
    assert requested(schedule, instance).run_key == key


def test_a_tick_is_cut_into_runs_of_so_many_partitions(
    instance: dg.DagsterInstance, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "3")
    done = [
        list(materialisations(instance, run(instance, tags=request.tags).run_id))
        for request in all_requested(SNAPSHOTS, instance)
    ]
    assert done == [list(REGION_IDS[at : at + 3]) for at in range(0, len(REGION_IDS), 3)]
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    # The inputs have no partitions.
    observed = requested(OBSERVATIONS, instance).tags
    assert not any(name.startswith("dagster/asset_partition") for name in observed)


@pytest.mark.parametrize("schedule", [SNAPSHOTS, CHECKS, HISTORIES])
def test_none_of_the_runs_of_a_tick_is_swallowed_or_doubled(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, schedule: dg.ScheduleDefinition
) -> None:
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "3")
    requests = all_requested(schedule, instance)
    keys = [request.run_key or "" for request in requests]
    assert len(set(keys)) == len(keys) == -(-len(REGION_IDS) // 3)
    # The daemon died after the second run: the tick finds it and the first by their keys.
    first = a_run(instance, schedule.job_name, dg.DagsterRunStatus.SUCCESS, run_key=keys[0])
    a_run(instance, schedule.job_name, dg.DagsterRunStatus.STARTED, run_key=keys[1])
    assert all_requested(schedule, instance) == requests
    # The next tick waits for the last of them.
    last = a_run(instance, schedule.job_name, dg.DagsterRunStatus.QUEUED, run_key=keys[-1])
    instance.delete_run(first.run_id)
    noon = SIX.replace(hour=12)
    [going_on] = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    for unfinished in (going_on, last):
        said = skipped(schedule, instance, noon)
        assert said.startswith(f"Run {unfinished.run_id} of {schedule.job_name} is not finished")
        instance.delete_run(unfinished.run_id)
    later = all_requested(schedule, instance, noon)
    assert not {request.run_key for request in later} & set(keys)
