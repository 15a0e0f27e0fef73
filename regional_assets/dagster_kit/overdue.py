"""What an instance should have done by now and has not: ticks that did not come or failed, daemons
without a heartbeat, runs that wait. Ticks are looked at, because a process that is there proves
nothing."""

from collections.abc import Collection, Iterator
from datetime import UTC
from typing import Any, NamedTuple

import dagster as dg

from regional_assets.dagster_kit.private import (
    Instigator,
    InstigatorType,
    Tick,
    daemon_statuses,
    latest_cron_time,
)

# Seconds. A daemon looks at its schedules every few seconds, at its sensors every five.
_TICK_GRACE = 60
_LONGEST_STARTING = 120
_LONGEST_QUEUED = 600


class Overdue(NamedTuple):
    """A thing that should have happened, since when (s since the epoch; None: not known) it has
    not, and what to do."""

    what: str
    since: float | None
    advice: str


def overdue(instance: dg.DagsterInstance, names: Collection[str], now: float) -> Iterator[Overdue]:
    """What is overdue at `now` (s): of the schedules and sensors of these names that are switched
    on, of the daemons and of the runs."""
    for name, state in sorted(_switched_on(instance, names).items()):
        at = _last_tick(instance, state)
        due = _due(state, at, now)
        if due is not None and now > due + _TICK_GRACE:
            yield Overdue(f"{name} has not ticked", due, "start daemon and code server anew")
        elif failed := _failure(instance, state):
            yield failed
    for status in daemon_statuses(instance, now):
        if status.required and not status.healthy:
            beat = status.last_heartbeat
            yield Overdue(
                f"the daemon for {status.daemon_type} gives no sign of life",
                beat.timestamp if beat else None,
                "start `dagster-daemon run`, or `regional-assets ui`",
            )
    yield from _waiting(instance, now)


def latest_ticks(instance: dg.DagsterInstance, names: Collection[str]) -> dict[str, Tick]:
    """The latest tick of each schedule and sensor of these names that is switched on."""
    found = {}
    for name, state in _switched_on(instance, names).items():
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
            found[name] = tick
    return found


def _switched_on(instance: dg.DagsterInstance, names: Collection[str]) -> dict[str, Instigator]:
    """A location that was renamed has left states of the same names behind: the newest counts."""
    newest: dict[str, tuple[float, Instigator]] = {}
    for state in instance.all_instigator_state():
        if state.is_running and state.name in names:
            at = _last_tick(instance, state)
            if state.name not in newest or newest[state.name][0] < at:
                newest[state.name] = at, state
    return {name: state for name, (_, state) in newest.items()}


def _last_tick(instance: dg.DagsterInstance, state: Instigator) -> float:
    """When it last ticked (s), or was switched on, if that was later."""
    data: Any = state.instigator_data
    if data is None:
        return 0.0
    if state.instigator_type == InstigatorType.SCHEDULE:
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        return max(data.start_timestamp or 0.0, ticks[0].timestamp if ticks else 0.0)
    return max(data.last_sensor_start_timestamp or 0.0, data.last_tick_start_timestamp or 0.0)


def _due(state: Instigator, at: float, now: float) -> float | None:
    """When the tick after that of `at` was or is due; None where that is not known."""
    data: Any = state.instigator_data
    if data is None or not at:
        return None
    if state.instigator_type == InstigatorType.SCHEDULE:
        expected = latest_cron_time(data.cron_schedule, now)
        return expected if expected > at else None
    # A tick takes its time, and the next one is counted from its start.
    return at + 3 * float(data.min_interval or 30)


def _failure(instance: dg.DagsterInstance, state: Instigator) -> Overdue | None:
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if not ticks or not ticks[0].is_failure:
        return None
    [tick] = ticks
    why = (tick.error.message if tick.error else "").strip().splitlines()
    shown = why[-1].strip()[:300] if why else "see its page"
    return Overdue(
        f"the tick of {state.name} failed: {shown}", tick.timestamp, "see its page in the UI"
    )


def _waiting(instance: dg.DagsterInstance, now: float) -> Iterator[Overdue]:
    """The runs that wait for longer than they should, by what they wait for."""
    longest = {
        dg.DagsterRunStatus.QUEUED: _LONGEST_QUEUED,
        dg.DagsterRunStatus.STARTING: _LONGEST_STARTING,
    }
    records = instance.get_run_records(dg.RunsFilter(statuses=list(longest)))
    for status, seconds in longest.items():
        since = [
            record.update_timestamp.replace(tzinfo=UTC).timestamp()
            for record in records
            if record.dagster_run.status == status
        ]
        late = [at for at in since if now - at > seconds]
        if late:
            runs = "a run is" if len(late) == 1 else f"{len(late)} runs are"
            yield Overdue(
                f"{runs} {status.value} for longer than {seconds // 60} minutes",
                min(late),
                "see the runs in the UI: what runs before them, and the daemon's log",
            )
