"""`missed_tick_sensor`: what schedules owe, on a real instance whose ticks are written as the
daemon writes them."""

import time

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo

from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import RANGE_TAGS
from regional_assets.replay.replay import ReplayClock
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.dagster_runs import DEFS, a_run

SCHEDULE = "regional_snapshot_schedule"
# 2026-09-21 12:00 UTC.
AT = 1_789_992_000.0
WRONG = SerializableErrorInfo("database is locked", [], "OperationalError")
SENSOR = DEFS.resolve_sensor_def("missed_tick_sensor")
ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(
        InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file="x.py")), "repository"
    ),
    SCHEDULE,
)


@pytest.fixture
def schedule(instance_in_files: dg.DagsterInstance) -> InstigatorState:
    return instance_in_files.add_instigator_state(
        InstigatorState(
            ORIGIN,
            InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData("0 */6 * * *", AT - 1),
        )
    )


def ticked(
    instance: dg.DagsterInstance, schedule: InstigatorState, status: TickStatus, reason: str = ""
) -> None:
    instance.create_tick(
        TickData(
            instigator_origin_id=schedule.instigator_origin_id,
            instigator_name=schedule.name,
            instigator_type=schedule.instigator_type,
            status=status,
            timestamp=AT,
            run_ids=[],
            selector_id=schedule.selector_id,
            skip_reason=reason or None,
            error=WRONG if status == TickStatus.FAILURE else None,
        )
    )


def evaluated(instance: dg.DagsterInstance, later: float = 300) -> tuple[list[dg.RunRequest], str]:
    """What the sensor asks for, or why for nothing, so many seconds after the tick."""
    clock = ReplayClock(at=int((AT + later) * 1000))
    with dg.build_sensor_context(instance=instance, resources={"regional_clock": clock}) as context:
        found = SENSOR.evaluate_tick(context)
    return list(found.run_requests or ()), found.skip_message or ""


NOT_FINISHED = "Run 1 of regional_snapshot_job is not finished (STARTED), so this starts none"


@pytest.mark.parametrize(
    ("status", "reason"), [(TickStatus.FAILURE, ""), (TickStatus.SKIPPED, NOT_FINISHED)]
)
def test_a_tick_that_was_missed_is_made_up(
    instance_in_files: dg.DagsterInstance,
    schedule: InstigatorState,
    status: TickStatus,
    reason: str,
) -> None:
    ticked(instance_in_files, schedule, status, reason)
    [request], _ = evaluated(instance_in_files)
    assert request.job_name == SNAPSHOT_JOB
    assert request.run_key == f"{SCHEDULE} 2026-09-21T12:00:00+00:00"
    assert request.tags["dagster/asset_partition_range_start"] == REGION_IDS[0]
    assert request.tags["dagster/asset_partition_range_end"] == REGION_IDS[-1]


def test_the_daemon_has_the_first_try(
    instance_in_files: dg.DagsterInstance, schedule: InstigatorState
) -> None:
    ticked(instance_in_files, schedule, TickStatus.FAILURE)
    assert evaluated(instance_in_files, 60) == ([], "no tick was missed")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(TickStatus.SUCCESS, ""), (TickStatus.SKIPPED, "no language model"), (TickStatus.STARTED, "")],
)
def test_what_was_not_missed_is_left(
    instance_in_files: dg.DagsterInstance,
    schedule: InstigatorState,
    status: TickStatus,
    reason: str,
) -> None:
    ticked(instance_in_files, schedule, status, reason)
    assert evaluated(instance_in_files) == ([], "no tick was missed")


def test_a_run_that_came_since_stands_for_it(
    instance_in_files: dg.DagsterInstance, schedule: InstigatorState
) -> None:
    ticked(instance_in_files, schedule, TickStatus.SKIPPED, NOT_FINISHED)
    instance_in_files.create_run_for_job(DEFS.resolve_job_def(SNAPSHOT_JOB))
    assert evaluated(instance_in_files) == ([], "no tick was missed")


def owed(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run of two regions that died, and that Dagster is to start again."""
    run = a_run(
        instance,
        SNAPSHOT_JOB,
        dg.DagsterRunStatus.STARTED,
        will_retry="true",
        asset_partition_range_start="mena",
        asset_partition_range_end="east-asia",
        **tags,
    )
    instance.report_run_failed(run, "its process is gone")
    return run


def test_a_retry_that_could_not_be_started_is_made_up(
    instance_in_files: dg.DagsterInstance,
) -> None:
    run = owed(instance_in_files)
    ended = time.time() - AT
    # Dagster has the first try.
    assert evaluated(instance_in_files, ended + 60) == ([], "no tick was missed")
    [request], _ = evaluated(instance_in_files, ended + 200)
    assert (request.job_name, request.run_key) == (SNAPSHOT_JOB, f"retry of {run.run_id}")
    assert [request.tags[tag] for tag in RANGE_TAGS] == ["mena", "east-asia"]
    # Of the day before it is no news.
    assert evaluated(instance_in_files, ended + 100_000) == ([], "no tick was missed")
    later = instance_in_files.create_run_for_job(DEFS.resolve_job_def(SNAPSHOT_JOB))
    assert evaluated(instance_in_files, ended + 200) == ([], "no tick was missed"), later


def test_a_retry_that_was_started_is_not_made_up(instance_in_files: dg.DagsterInstance) -> None:
    owed(instance_in_files, auto_retry_run_id="another")
    assert evaluated(instance_in_files, time.time() - AT + 200) == ([], "no tick was missed")
