"""`health_sensor`: writes what `regional-assets health` reads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import msgspec

from regional_assets.dagster_kit.overdue import Overdue, overdue
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import MINUTE_MS

if TYPE_CHECKING:
    from regional_assets.store.health import Problem

# All inputs are read for their states, which is not to be done every half minute.
_INPUTS_EVERY_MS = 5 * MINUTE_MS


class _Inputs(msgspec.Struct, frozen=True):
    """The states of the inputs by name, and when they were looked at (ms)."""

    at: int = 0
    states: Mapping[str, str] = msgspec.field(default_factory=dict)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Puts on record in Redis what `regional-assets health` tells: schedules and sensors that "
        "have not ticked in time or failed, daemons without a sign of life, runs that wait for "
        "too long, and, every five minutes, the states of the inputs. Starts no run."
    ),
)
def health_sensor(
    context: dg.SensorEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> dg.SensorResult:
    """One look."""
    from regional_assets.intelligence.inputs import read_inputs
    from regional_assets.store.health import HealthRecord, write_record

    now = regional_clock.now()
    repository = context.repository_def
    names = set()
    if repository:
        names = {s.name for s in repository.schedule_defs} | {
            s.name for s in repository.sensor_defs
        }
    found = overdue(context.instance, names, now / 1000)
    problems = [problem(one) for one in found]
    inputs = _kept(context.cursor)
    try:
        with regional_store.open(regional_model) as store:
            if not inputs.at <= now < inputs.at + _INPUTS_EVERY_MS:
                states = read_inputs(store.model.inputs, store.read([]).values, now)
                inputs = _Inputs(now, {name: s.freshness for name, s in states.items()})
            record = HealthRecord(now, problems, inputs.states, inputs.at)
            write_record(store, "daemon", record)
        reason = f"{len(problems)} problems on record"
    except STORE_ERRORS as error:
        reason = f"not on record: {error}"
    return dg.SensorResult(skip_reason=reason, cursor=msgspec.json.encode(inputs).decode())


def problem(found: Overdue) -> "Problem":
    """The same as the record has it."""
    from regional_assets.runs.health import iso
    from regional_assets.store.health import Problem

    return Problem(found.what, iso(found.since * 1000) if found.since else None, found.advice)


def _kept(cursor: str | None) -> _Inputs:
    try:
        return msgspec.json.decode(cursor or "{}", type=_Inputs)
    except msgspec.DecodeError:
        return _Inputs()
