"""What an instance should have done by now and has not, on a real instance whose states and ticks
are written as the daemon writes them."""

import time

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_shared.error import SerializableErrorInfo

from regional_assets.dagster_kit.overdue import Overdue, overdue

# 2026-09-21 14:13:20 UTC; the cron below was last due at 14:00.
NOW = 1_790_000_000.0
DUE = NOW - 800
NAMES = ("hourly", "watching")


REPOSITORY = RemoteRepositoryOrigin(
    InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file="x.py")), "repository"
)


@dg.job
def empty() -> None:
    """A run's job."""


def schedule(
    instance: dg.DagsterInstance, started: float, status: str = "RUNNING"
) -> InstigatorState:
    state = InstigatorState(
        RemoteInstigatorOrigin(REPOSITORY, "hourly"),
        InstigatorType.SCHEDULE,
        InstigatorStatus(status),
        ScheduleInstigatorData("0 * * * *", started),
    )
    return instance.add_instigator_state(state)


def sensor(instance: dg.DagsterInstance, ticked: float) -> InstigatorState:
    data = SensorInstigatorData(min_interval=30, last_tick_start_timestamp=ticked)
    state = InstigatorState(
        RemoteInstigatorOrigin(REPOSITORY, "watching"),
        InstigatorType.SENSOR,
        InstigatorStatus.RUNNING,
        data,
    )
    return instance.add_instigator_state(state)


def tick(
    instance: dg.DagsterInstance, state: InstigatorState, at: float, error: str | None = None
) -> None:
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=state.name,
            instigator_type=state.instigator_type,
            status=TickStatus.FAILURE if error else TickStatus.SUCCESS,
            run_ids=[],
            timestamp=at,
            selector_id=state.selector_id,
            error=SerializableErrorInfo(error, [], "Error") if error else None,
        )
    )


def ticks(instance: dg.DagsterInstance, now: float = NOW) -> list[tuple[str, float | None]]:
    return [
        (found.what, found.since)
        for found in overdue(instance, NAMES, now)
        if "daemon for" not in found.what
    ]


def test_a_schedule_that_has_not_ticked(instance: dg.DagsterInstance) -> None:
    state = schedule(instance, DUE - 10_000)
    assert ticks(instance) == [("hourly has not ticked", DUE)]
    # It gets a minute.
    assert ticks(instance, DUE + 59) == []
    tick(instance, state, DUE)
    assert ticks(instance) == []
    assert ticks(instance, DUE + 3700) == [("hourly has not ticked", DUE + 3600)]


def test_one_that_was_switched_on_since_is_not_late(instance: dg.DagsterInstance) -> None:
    schedule(instance, DUE + 1)
    assert ticks(instance) == []


def test_one_that_is_switched_off_is_not_missed(instance: dg.DagsterInstance) -> None:
    schedule(instance, DUE - 10_000, "STOPPED")
    assert ticks(instance) == []


def test_what_is_not_asked_for_is_not_missed(instance: dg.DagsterInstance) -> None:
    schedule(instance, DUE - 10_000)
    assert all("hourly" not in found.what for found in overdue(instance, ["other"], NOW))


def test_a_sensor_that_has_not_ticked(instance: dg.DagsterInstance) -> None:
    sensor(instance, NOW - 200)
    assert ticks(instance) == [("watching has not ticked", NOW - 110)]
    assert ticks(instance, NOW - 60) == []


def test_a_tick_that_failed(instance: dg.DagsterInstance) -> None:
    state = schedule(instance, DUE - 10_000)
    tick(instance, state, DUE, "Stack\n  database is locked\n")
    assert ticks(instance) == [("the tick of hourly failed: database is locked", DUE)]
    # What came after it counts.
    tick(instance, state, DUE + 1)
    assert ticks(instance) == []


@pytest.mark.parametrize(
    ("event", "status", "seconds"),
    [("PIPELINE_ENQUEUED", "QUEUED", 600), ("PIPELINE_STARTING", "STARTING", 120)],
)
def test_runs_that_wait(
    instance: dg.DagsterInstance, event: str, status: str, seconds: int
) -> None:
    for _ in range(2):
        run = instance.create_run_for_job(
            empty,
            remote_job_origin=RemoteJobOrigin(REPOSITORY, empty.name),
            job_code_origin=dg.reconstructable(empty).get_python_origin(),
        )
        instance.report_dagster_event(dg.DagsterEvent(event, empty.name), run.run_id)
    now = time.time()

    def waiting(later: float) -> list[str]:
        return [f.what for f in overdue(instance, (), now + later) if "for longer" in f.what]

    assert waiting(seconds - 30) == []
    [what] = waiting(seconds + 30)
    assert what == f"2 runs are {status} for longer than {seconds // 60} minutes"


def test_daemons_without_a_heartbeat(instance: dg.DagsterInstance) -> None:
    found: list[Overdue] = list(overdue(instance, (), NOW))
    assert any(one.what == "the daemon for SCHEDULER gives no sign of life" for one in found)
    assert all(one.advice for one in found)
