"""The project's `Definitions`, gathered from the lists that `defs` exports."""

import gc

import dagster as dg

from regional_assets.defs.assets import ASSETS
from regional_assets.defs.checks import ASSET_CHECKS
from regional_assets.defs.jobs import JOBS
from regional_assets.defs.resources import RESOURCES
from regional_assets.defs.schedules import SCHEDULES
from regional_assets.defs.sensors import SENSORS

defs = dg.Definitions(
    assets=ASSETS,
    asset_checks=ASSET_CHECKS,
    jobs=JOBS,
    schedules=SCHEDULES,
    sensors=SENSORS,
    resources=RESOURCES,
    # In one process: to start another for each step would take longer than the step. The checks
    # depend on no step and run after the snapshots only because this takes one step at a time.
    executor=dg.in_process_executor,
)

# What is loaded by now is never garbage. To search it would cost every run a sixth of a second in
# its middle, and as much at its end.
gc.freeze()
