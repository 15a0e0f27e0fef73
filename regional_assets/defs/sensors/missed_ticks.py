"""`missed_tick_sensor`: makes up the ticks of schedules that failed, or were skipped for a run that
has ended since, and the retries of runs that could not be started."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from regional_assets.dagster_kit.overdue import latest_ticks
from regional_assets.dagster_kit.private import Tick, TickStatus
from regional_assets.defs.partitions import RANGE_TAGS
from regional_assets.defs.resources import ClockResource
from regional_assets.defs.schedules import NOT_FINISHED

# Seconds. The daemon itself tries a tick that failed again.
_LEAVE = 120
_RETRIED_WITHIN = 86_400


def missed_tick_sensor(
    schedules: Sequence[dg.ScheduleDefinition],
    jobs: Sequence[Any],
    resources: Callable[[], Mapping[str, Any]],
) -> dg.SensorDefinition:
    """The sensor for these schedules, which start these jobs and need these resources."""

    @dg.sensor(
        name="missed_tick_sensor",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Looks at the latest tick of each schedule. Where it failed (the storage or the code "
            "server was away), or was skipped for a run that has ended since, and no run of the "
            "job came after it, the sensor starts the runs of that tick. It also starts a run "
            "again that Dagster was to retry and could not, because the code server was away."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext, regional_clock: ClockResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        ticks = latest_ticks(context.instance, {schedule.name for schedule in schedules})
        for schedule in schedules:
            tick = ticks.get(schedule.name)
            at = datetime.fromtimestamp(tick.timestamp, UTC) if tick else None
            if tick is None or at is None or not _is_missed(tick, regional_clock.now() / 1000):
                continue
            later = dg.RunsFilter(job_name=schedule.job_name, created_after=at)
            if context.instance.get_runs(later, limit=1):
                continue
            with dg.build_schedule_context(
                instance=context.instance, scheduled_execution_time=at, resources=resources()
            ) as evaluation:
                found = schedule.evaluate_tick(evaluation)
            if found.skip_message:
                reasons.append(f"{schedule.name}: {found.skip_message}")
            requests += [
                request.with_replaced_attrs(
                    job_name=schedule.job_name, run_key=f"{schedule.name} {request.run_key}"
                )
                for request in found.run_requests or ()
            ]
        names = {schedule.job_name for schedule in schedules}
        requests += _retries(context.instance, names, regional_clock.now() / 1000)
        return requests or dg.SkipReason("; ".join(reasons) or "no tick was missed")

    return sensor


def _retries(
    instance: dg.DagsterInstance, jobs: Collection[str], now: float
) -> Iterator[dg.RunRequest]:
    """The retries of the last day that Dagster owes these jobs, unless a run came since."""
    owed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={"dagster/will_retry": "true"},
        updated_after=datetime.fromtimestamp(now - _RETRIED_WITHIN, UTC),
    )
    for record in instance.get_run_records(owed):
        run, ended = record.dagster_run, record.end_time or now
        since = dg.RunsFilter(
            job_name=run.job_name, created_after=datetime.fromtimestamp(ended, UTC)
        )
        if (
            run.job_name in jobs
            and "dagster/auto_retry_run_id" not in run.tags
            and now - ended > _LEAVE
            and not instance.get_runs(since, limit=1)
        ):
            yield dg.RunRequest(
                run_key=f"retry of {run.run_id}",
                job_name=run.job_name,
                run_config=run.run_config,
                tags={
                    **{tag: run.tags[tag] for tag in RANGE_TAGS if tag in run.tags},
                    "regional/retry_of": run.run_id,
                },
                asset_selection=list(run.asset_selection or ()) or None,
            )


def _is_missed(tick: Tick, now: float) -> bool:
    if tick.status == TickStatus.FAILURE:
        return now - tick.timestamp > _LEAVE
    return tick.status == TickStatus.SKIPPED and NOT_FINISHED in (tick.skip_reason or "")
