"""The project's `Definitions`. Dagster loads `defs`: those of the model that `REGIONAL_MODEL`
chooses."""

import gc

import dagster as dg

from regional_assets.defs.assets import assets
from regional_assets.defs.checks import regional_snapshot_checks
from regional_assets.defs.input_checks import input_checks
from regional_assets.defs.jobs import jobs
from regional_assets.defs.resources import resources
from regional_assets.defs.schedules import schedules
from regional_assets.defs.sensors import SENSORS
from regional_assets.defs.sensors.missed_ticks import missed_tick_sensor
from regional_assets.intelligence.model import Model
from regional_assets.runs.models import chosen_model
from regional_assets.settings import NARRATIVE_PROVIDERS

__all__ = ["definitions", "defs"]


def definitions(model: Model, *, narrated: bool = False) -> dg.Definitions:
    """All definitions of the model; with those that need a language model if `narrated`."""
    made_jobs = jobs(model, narrated=narrated)
    made_schedules = schedules(model, narrated=narrated)
    missed = missed_tick_sensor(made_schedules, made_jobs, lambda: resources(model))
    return dg.Definitions(
        assets=assets(model, narrated=narrated),
        asset_checks=[regional_snapshot_checks(model), input_checks(model)],
        jobs=made_jobs,
        schedules=made_schedules,
        sensors=[*SENSORS, missed],
        resources=resources(model),
        # In one process: to start another for each step would take longer than the step. The checks
        # depend on no step and run after the snapshots only because this takes one step at a time.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this process. Raises `SettingsError`."""
    # Dagster's objects live as long as the process. Left unfrozen, they are searched for garbage
    # many times while the definitions are made, which takes longer than making them.
    gc.freeze()
    # Without a language model, briefs could only fail, and "Materialize all" with them.
    made = definitions(chosen_model(), narrated=bool(NARRATIVE_PROVIDERS.read()))
    # What is loaded by now is never garbage, either. To search it would cost every run a sixth of a
    # second in its middle, and as much at its end.
    gc.freeze()
    return made
