"""`missed_tick_sensor`: makes up the ticks of schedules that failed, or were skipped for a run that
has ended since."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from regional_assets.dagster_kit.overdue import latest_ticks
from regional_assets.dagster_kit.private import Tick, TickStatus
from regional_assets.defs.resources import ClockResource
from regional_assets.defs.schedules import NOT_FINISHED

# Seconds. The daemon itself tries a tick that failed again.
_LEAVE = 120


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
            "job came after it, the sensor starts the runs of that tick."
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
        return requests or dg.SkipReason("; ".join(reasons) or "no tick was missed")

    return sensor


def _is_missed(tick: Tick, now: float) -> bool:
    if tick.status == TickStatus.FAILURE:
        return now - tick.timestamp > _LEAVE
    return tick.status == TickStatus.SKIPPED and NOT_FINISHED in (tick.skip_reason or "")
