"""The one `Definitions` object; it only gathers what the rooms export."""

import dagster as dg

from regional_assets.assets.history import regional_history
from regional_assets.assets.inputs import observe_inputs
from regional_assets.assets.snapshots import regional_snapshots
from regional_assets.automation.input_sensor import input_sensor
from regional_assets.automation.jobs import (
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets.automation.recovery_sensor import recovery_sensor
from regional_assets.automation.schedules import (
    observe_inputs_schedule,
    regional_check_schedule,
    regional_history_schedule,
    regional_snapshot_schedule,
)
from regional_assets.checks import regional_snapshot_checks
from regional_assets.resources import ClockResource, SnapshotStoreResource

defs = dg.Definitions(
    assets=[observe_inputs, regional_snapshots, regional_history],
    asset_checks=[regional_snapshot_checks],
    jobs=[SNAPSHOT_JOB, CHECK_JOB, HISTORY_JOB, OBSERVE_INPUTS_JOB],
    schedules=[
        regional_snapshot_schedule,
        regional_check_schedule,
        regional_history_schedule,
        observe_inputs_schedule,
    ],
    sensors=[input_sensor, recovery_sensor],
    resources={"snapshot_store": SnapshotStoreResource(), "clock": ClockResource()},
    # A process per step would only add its start to what a person waits; and the checks, a step
    # without dependencies, run after the snapshots because this takes one step at a time.
    executor=dg.in_process_executor,
)
