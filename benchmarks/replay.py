"""The whole series of 2026 through the real job, against the same runs without Dagster."""

import tempfile
import time
from pathlib import Path

from benchmarks.measuring import Figure, server, show
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.redis_link import embedded
from regional_assets.replay.replay import Replay, expire
from regional_assets.replay.series import PORTWATCH_2026, feeds, read_series
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.reading import read_waiting_alerts
from regional_assets.store.snapshot_store import SnapshotStore


def figures() -> list[Figure]:
    """One replay each way: they are long enough to compare once."""
    series = read_series(PORTWATCH_2026)
    # A short path: it holds a Unix socket.
    with tempfile.TemporaryDirectory(prefix="ra-", dir="/tmp") as name:
        whole = Replay(BUILT_IN, series, list(series.index), Path(name) / "replay")
        started = time.perf_counter()
        whole.run(lambda: None)
        job = time.perf_counter() - started
        with whole.open() as store:
            alerts = read_waiting_alerts(store, 1).total
        embedded.stop(whole.folder)
    activations, bare = _without_dagster(whole)
    runs = len(whole.ticks)
    return [
        Figure(
            f"replay of {len(series)} days, {runs} runs of {len(BUILT_IN.region_ids)} regions",
            f"{job:.0f} s, {1000 * job / runs:.0f} ms a run; {job / bare:.0f} times the "
            f"{1000 * bare / runs:.0f} ms a run without Dagster's records",
        ),
        Figure(
            "alerts of the replay per activation of a trigger",
            f"{alerts / activations:g} ({alerts} of {activations})",
            "1",
            alerts == activations,
        ),
    ]


def _without_dagster(whole: Replay) -> tuple[int, float]:
    """How often a trigger became active, and the seconds that the runs alone take."""
    activations = 0
    active: set[str] = set()
    with server() as settings:
        store = SnapshotStore.open(BUILT_IN, settings)
        started = time.perf_counter()
        for day, now in whole.ticks:
            expire(store)
            store.write_inputs(feeds(BUILT_IN, whole.series, day, now))
            before, active = active, set()
            for region in take_snapshots(store, BUILT_IN.region_ids, now).regions:
                assert region.snapshot is not None
                readings = region.snapshot.content.triggers
                active |= {r.trigger.id for r in readings if r.state == "active"}
            activations += len(active - before)
        taken = time.perf_counter() - started
        store.client.close()
    return activations, taken


if __name__ == "__main__":
    show(figures())
