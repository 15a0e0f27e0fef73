"""Schedules: runs at fixed times, never one on top of another."""

import dagster as dg

from regional_assets.assets.partitions import range_tags
from regional_assets.automation.jobs import (
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets.intelligence.geography import REGION_IDS

_ALL = range_tags(REGION_IDS[0], REGION_IDS[-1])

# Not NOT_STARTED: between that and the queue lie milliseconds. A run that is found so was left
# by a process that died in them, nobody will start it, and it would block the schedule for ever.
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.schedule(
    name="regional_snapshot_schedule",
    job=SNAPSHOT_JOB,
    cron_schedule="0 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every six hours (00:00, 06:00, 12:00 and 18:00 UTC) one run over all regions, then the "
        "summary. A tick is skipped while another run of regional_snapshot_job, whoever started "
        "it, is queued or in progress; its reason names that run."
    ),
)
def regional_snapshot_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """One run over the whole range of partitions."""
    return _unless_running(context, SNAPSHOT_JOB.name, _ALL)


@dg.schedule(
    name="regional_check_schedule",
    job=CHECK_JOB,
    cron_schedule="15 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "A quarter of an hour after each scheduled run of the snapshots, checks what is stored of "
        "every region. A tick is skipped while another run of the checks is queued or in progress."
    ),
)
def regional_check_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """The checks of the whole range of partitions."""
    return _unless_running(context, CHECK_JOB.name, _ALL)


@dg.schedule(
    name="regional_history_schedule",
    job=HISTORY_JOB,
    cron_schedule="30 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Half an hour after each scheduled run of the snapshots, brings the tables and charts of "
        "every region's history up to date. A tick is skipped while another such run is queued or "
        "in progress."
    ),
)
def regional_history_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """The history of the whole range of partitions."""
    return _unless_running(context, HISTORY_JOB.name, _ALL)


@dg.schedule(
    name="observe_inputs_schedule",
    job=OBSERVE_INPUTS_JOB,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every 15 minutes looks at all seventeen inputs in one round trip, so that the page of "
        "each shows its age, size and freshness over time. It starts no snapshots. A tick is "
        "skipped while another observation is queued or in progress; its reason names that run."
    ),
)
def observe_inputs_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """One observation of all inputs."""
    return _unless_running(context, OBSERVE_INPUTS_JOB.name, {})


def _unless_running(
    context: dg.ScheduleEvaluationContext, job_name: str, tags: dict[str, str]
) -> dg.RunRequest | dg.SkipReason:
    """The run of this tick, unless another tick's or anybody else's run of the job goes on."""
    key = context.scheduled_execution_time.isoformat()
    running = context.instance.get_runs(
        dg.RunsFilter(job_name=job_name, statuses=_UNFINISHED), ascending=True
    )
    for run in running:
        # A daemon that died after requesting this tick's run evaluates the tick again; the run
        # key then finds the run that is there.
        if run.tags.get("dagster/run_key") != key:
            return dg.SkipReason(
                f"Run {run.run_id} of {job_name} is not finished ({run.status.value}), so the tick "
                f"of {key} starts no other. If it hangs, terminate it on its page."
            )
    return dg.RunRequest(run_key=key, tags=tags)
