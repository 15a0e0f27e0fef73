"""Signs of life of runs where machines share a storage, and a file of this machine says nothing.

The process of a run writes a new value into a tag of the run every few seconds. Who watches notes
when it saw the value change, by its own clock, and counts only the time between its own looks: when
the storage is away, both stand still, and no healthy run is ended for it.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import dagster as dg

from regional_assets.dagster_kit.liveness import end_run
from regional_assets.dagster_kit.private import is_shared, read_tags, write_tag

TAG = "dagster_kit/heartbeat"

# Seconds. Between two looks no more than `_LONGEST_LOOK` counts as silence.
_BEAT = 10.0
_SILENCE = 90.0
_LONGEST_LOOK = 45.0

_GONE = "Its process has given no sign of life for {:.0f} s: it was killed, or its machine is gone."

# Run → its last value, and for how long (s) it has been that.
Seen = Mapping[str, tuple[str, float]]


@contextmanager
def beating(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Writes signs of life of the run for the length of the block, where the storage is shared."""
    if not is_shared(instance):
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        while True:
            # A storage that is away gets the next one.
            with suppress(Exception):
                write_tag(instance, run_id, TAG, str(time.time_ns()))
            if ended.wait(_BEAT):
                return

    thread = threading.Thread(target=beat, name=f"heartbeat of {run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_BEAT)


def end_silent_runs(
    instance: dg.DagsterInstance, seen: Seen, since_last: float
) -> tuple[list[dg.DagsterRun], Seen]:
    """Ends the runs whose signs of life have stopped, and returns them, with what is now `seen`.
    `since_last` is the time since the last look (s), by the clock of who looks."""
    if not is_shared(instance):
        return [], {}
    counted = min(max(since_last, 0.0), _LONGEST_LOOK)
    found: dict[str, tuple[str, float]] = {}
    ended = []
    going_on = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    runs = instance.get_runs(dg.RunsFilter(statuses=going_on))
    values = read_tags(instance, [run.run_id for run in runs], TAG)
    for run in runs:
        value = values.get(run.run_id)
        # Without one it is of a process that cannot beat.
        if value is None:
            continue
        before, silent = seen.get(run.run_id, (value, 0.0))
        silent = silent + counted if before == value else 0.0
        if silent > _SILENCE:
            end_run(instance, run, _GONE.format(silent))
            ended.append(run)
        else:
            found[run.run_id] = value, silent
    return ended, found
