"""`dead_run_sensor`: ends the runs whose process is gone."""

from collections.abc import Iterable
from contextlib import suppress

import dagster as dg

from regional_assets.dagster_kit.liveness import end_dead_runs
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import regions_in
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Ends runs whose process on this machine is gone (killed, crashed, terminal closed), as "
        "failed or, where that was requested, as canceled. Their partitions are then tried again: "
        "by Dagster, which starts runs again that it had launched, or by recovery_sensor."
    ),
)
def dead_run_sensor(
    context: dg.SensorEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> dg.SkipReason:
    """Looks at the locks of the runs under the instance's folder."""
    ended = end_dead_runs(context.instance)
    if not ended:
        return dg.SkipReason("every run in progress on this machine has its process")
    # What the store has on record is not what keeps a run from being ended.
    with suppress(*STORE_ERRORS):
        _record(ended, regional_model, regional_store, regional_clock.now())
    runs = ", ".join(f"{run.run_id} of {run.job_name}" for run in ended)
    return dg.SkipReason(f"ended, because their process is gone: {runs}")


def _record(
    ended: Iterable[dg.DagsterRun], model: Model, resource: SnapshotStoreResource, now: int
) -> None:
    """Records the regions that those runs did not come to as failed."""
    from regional_assets.store.health import read_health
    from regional_assets.store.last_runs import record_failures

    with resource.open(model) as store:
        known = read_health(store).runs
        for run in ended:
            if run.job_name == SNAPSHOT_JOB:
                lost = [
                    region
                    for region in regions_in(model, run)
                    if region not in known or known[region].run_id != run.run_id
                ]
                why = f"the process of run {run.run_id} is gone"
                record_failures(store, now, run.run_id, dict.fromkeys(lost, why))
