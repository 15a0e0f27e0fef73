"""The project's `Definitions`, gathered from the lists that `defs` exports."""

import gc

import dagster as dg

from regional_assets.defs.assets import ASSETS, NARRATED_ASSETS
from regional_assets.defs.checks import ASSET_CHECKS
from regional_assets.defs.input_checks import input_checks
from regional_assets.defs.jobs import JOBS, NARRATED_JOBS
from regional_assets.defs.resources import RESOURCES
from regional_assets.defs.schedules import NARRATED_SCHEDULES, SCHEDULES
from regional_assets.defs.sensors import SENSORS
from regional_assets.settings import NARRATIVE_PROVIDERS


def build(*, narrated: bool) -> dg.Definitions:
    """All definitions; with those that need a language model if `narrated`."""
    return dg.Definitions(
        assets=[*ASSETS, *(NARRATED_ASSETS if narrated else ())],
        asset_checks=[*ASSET_CHECKS, input_checks],
        jobs=[*JOBS, *(NARRATED_JOBS if narrated else ())],
        schedules=[*SCHEDULES, *(NARRATED_SCHEDULES if narrated else ())],
        sensors=SENSORS,
        resources=RESOURCES,
        # In one process: to start another for each step would take longer than the step. The checks
        # depend on no step and run after the snapshots only because this takes one step at a time.
        executor=dg.in_process_executor,
    )


# Without a model, briefs could only fail, and "Materialize all" with them.
defs = build(narrated=bool(NARRATIVE_PROVIDERS.read()))

# What is loaded by now is never garbage. To search it would cost every run a sixth of a second in
# its middle, and as much at its end.
gc.freeze()
