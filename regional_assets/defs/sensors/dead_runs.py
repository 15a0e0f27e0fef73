"""`dead_run_sensor`: ends the runs whose process is gone."""

import dagster as dg

from regional_assets.dagster_kit.liveness import end_dead_runs


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Ends runs whose process on this machine is gone (killed, crashed, terminal closed), as "
        "failed or, where that was requested, as canceled. Their partitions are then tried again: "
        "by Dagster, which starts runs again that it had launched, or by recovery_sensor."
    ),
)
def dead_run_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Looks at the locks of the runs under the instance's folder."""
    ended = end_dead_runs(context.instance)
    if not ended:
        return dg.SkipReason("every run in progress on this machine has its process")
    runs = ", ".join(f"{run.run_id} of {run.job_name}" for run in ended)
    return dg.SkipReason(f"ended, because their process is gone: {runs}")
