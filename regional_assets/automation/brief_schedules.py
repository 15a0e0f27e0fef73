"""When weekly briefs are written: on Sundays, and again where a week was not covered."""

import dagster as dg

from regional_assets.assets.partitions import contiguous, range_tags
from regional_assets.automation.jobs import BRIEF_JOB
from regional_assets.automation.schedules import unless_running
from regional_assets.intelligence.brief import MAX_LACKING, lacking, written_at
from regional_assets.intelligence.narrative import NARRATED_REGIONS
from regional_assets.resources import NarratorResource, SnapshotStoreResource
from regional_assets.store.errors import STORE_ERRORS


@dg.schedule(
    name="regional_brief_schedule",
    job=BRIEF_JOB,
    cron_schedule="0 0 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every Sunday at 00:00 UTC one run over the weekly briefs of all regions that have one; "
        "briefs younger than 6½ days stand. A tick is skipped while no language model is "
        "configured, or while another run of the briefs is queued or in progress."
    ),
)
def regional_brief_schedule(
    context: dg.ScheduleEvaluationContext, narrator: NarratorResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run over all regions."""
    why_not = narrator.why_not()
    if why_not:
        return dg.SkipReason(why_not)
    key = context.scheduled_execution_time.isoformat()
    tags = range_tags(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])
    return unless_running(context, BRIEF_JOB.name, [dg.RunRequest(run_key=key, tags=tags)])


@dg.schedule(
    name="regional_brief_retry_schedule",
    job=BRIEF_JOB,
    cron_schedule="0 8,20 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Twice a day, at 08:00 and 20:00 UTC, looks whether the week that began last Sunday is "
        "covered: all regions but one at most have a brief of it. When it is not, one run per "
        "range of neighbours over exactly the regions without one. A tick is skipped while no "
        "language model is configured, or while another run of the briefs is queued or in progress."
    ),
)
def regional_brief_retry_schedule(
    context: dg.ScheduleEvaluationContext,
    snapshot_store: SnapshotStoreResource,
    narrator: NarratorResource,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Runs over the regions without a brief of this week, if they are too many."""
    from regional_assets.store.brief_store import BriefStore

    why_not = narrator.why_not()
    if why_not:
        return dg.SkipReason(why_not)
    tick = context.scheduled_execution_time
    now = int(tick.timestamp() * 1000)
    try:
        with snapshot_store.open() as store:
            briefs = BriefStore(store).briefs(NARRATED_REGIONS)
    except STORE_ERRORS as error:
        return dg.SkipReason(str(error))
    without = lacking({region: written_at(region, brief) for region, brief in briefs.items()}, now)
    if len(without) <= MAX_LACKING:
        have = len(briefs) - len(without)
        return dg.SkipReason(
            f"this week is covered: {have} of {len(briefs)} regions have a brief of it"
        )
    requests = [
        # The tick and the regions: evaluating this tick again starts no run again.
        dg.RunRequest(
            run_key=f"{tick.isoformat()} {' '.join(members)}",
            tags=range_tags(members[0], members[-1]),
        )
        for members in contiguous(without)
    ]
    return unless_running(context, BRIEF_JOB.name, requests)
