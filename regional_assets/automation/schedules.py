"""Schedules: runs at fixed times, never one on top of another."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as JobDefinition,
)

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


def _schedule(
    name: str, job: JobDefinition, cron_schedule: str, tags: dict[str, str], description: str
) -> dg.ScheduleDefinition:
    """A schedule in UTC, on by default, that starts one run of `job` a tick."""

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron_schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        key = context.scheduled_execution_time.isoformat()
        return unless_running(context, job.name, [dg.RunRequest(run_key=key, tags=tags)])

    return schedule


def unless_running(
    context: dg.ScheduleEvaluationContext, job_name: str, requests: Sequence[dg.RunRequest]
) -> list[dg.RunRequest] | dg.SkipReason:
    """The runs of this tick, unless another tick's or anybody else's run of the job goes on."""
    keys = {request.run_key for request in requests}
    running = context.instance.get_runs(
        dg.RunsFilter(job_name=job_name, statuses=_UNFINISHED), ascending=True
    )
    for run in running:
        # A daemon that died after requesting this tick's run evaluates the tick again; the run
        # key then finds the run that is there.
        if run.tags.get("dagster/run_key") not in keys:
            return dg.SkipReason(
                f"Run {run.run_id} of {job_name} is not finished ({run.status.value}), so the tick "
                f"of {context.scheduled_execution_time.isoformat()} starts no other. If it hangs, "
                "terminate it on its page."
            )
    return list(requests)


regional_snapshot_schedule = _schedule(
    "regional_snapshot_schedule",
    SNAPSHOT_JOB,
    "0 */6 * * *",
    _ALL,
    "Every six hours (00:00, 06:00, 12:00 and 18:00 UTC) one run over all regions, then the "
    "summary. A tick is skipped while another run of regional_snapshot_job, whoever started "
    "it, is queued or in progress; its reason names that run.",
)

regional_check_schedule = _schedule(
    "regional_check_schedule",
    CHECK_JOB,
    "15 */6 * * *",
    _ALL,
    "A quarter of an hour after each scheduled run of the snapshots, checks what is stored of "
    "every region. A tick is skipped while another run of the checks is queued or in progress.",
)

regional_history_schedule = _schedule(
    "regional_history_schedule",
    HISTORY_JOB,
    "30 */6 * * *",
    _ALL,
    "Half an hour after each scheduled run of the snapshots, brings the tables and charts of "
    "every region's history up to date. A tick is skipped while another such run is queued or "
    "in progress.",
)

observe_inputs_schedule = _schedule(
    "observe_inputs_schedule",
    OBSERVE_INPUTS_JOB,
    "*/15 * * * *",
    {},
    "Every 15 minutes looks at all seventeen inputs in one round trip, so that the page of "
    "each shows its age, size and freshness over time. It starts no snapshots. A tick is "
    "skipped while another observation is queued or in progress; its reason names that run.",
)
