"""`last_words_sensor`: looks at the inputs that are there for minutes only."""

import dagster as dg

from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model


@dg.sensor(
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks at the inputs whose keys live under an hour, and keeps their last words: when such "
        "an input is gone at the time of a run, the run goes on with what it said last. Starts no "
        "run."
    ),
)
def last_words_sensor(
    context: dg.SensorEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> dg.SkipReason:
    """One look."""
    from regional_assets.runs.look import look

    try:
        with regional_store.open(regional_model) as store:
            seen = look(store, regional_clock.now())
    except STORE_ERRORS as error:
        return dg.SkipReason(f"nothing was kept: {error}")
    return dg.SkipReason(f"kept what these say: {', '.join(seen) or 'none is there'}")
