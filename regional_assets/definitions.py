"""The one `Definitions` object; it only gathers what the rooms export."""

import gc

import dagster as dg

from regional_assets.defs.assets.briefs import regional_brief
from regional_assets.defs.assets.history import regional_history
from regional_assets.defs.assets.inputs import observe_inputs
from regional_assets.defs.assets.snapshots import regional_snapshots
from regional_assets.defs.checks import regional_snapshot_checks
from regional_assets.defs.jobs import (
    BRIEF_JOB,
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.defs.schedules import (
    observe_inputs_schedule,
    regional_brief_retry_schedule,
    regional_brief_schedule,
    regional_check_schedule,
    regional_history_schedule,
    regional_snapshot_schedule,
)
from regional_assets.defs.sensors.inputs import input_sensor
from regional_assets.defs.sensors.recovery import recovery_sensor

defs = dg.Definitions(
    assets=[observe_inputs, regional_snapshots, regional_history, regional_brief],
    asset_checks=[regional_snapshot_checks],
    jobs=[SNAPSHOT_JOB, CHECK_JOB, HISTORY_JOB, BRIEF_JOB, OBSERVE_INPUTS_JOB],
    schedules=[
        regional_snapshot_schedule,
        regional_check_schedule,
        regional_history_schedule,
        regional_brief_schedule,
        regional_brief_retry_schedule,
        observe_inputs_schedule,
    ],
    sensors=[input_sensor, recovery_sensor],
    resources={
        "snapshot_store": SnapshotStoreResource(),
        "clock": ClockResource(),
        "narrator": NarratorResource(),
    },
    # A process per step would only add its start to what a person waits; and the checks, a step
    # without dependencies, run after the snapshots because this takes one step at a time.
    executor=dg.in_process_executor,
)

# What is loaded by now stays for good. Looking through it for garbage would cost every run a sixth
# of a second in its middle, and as much at its end.
gc.freeze()
