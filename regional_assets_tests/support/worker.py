"""Runs in processes of their own, which can be killed.

Starting Python and importing Dagster takes seconds; one process that has imported everything
(multiprocessing's fork server) forks a child for each run.
"""

import json
import multiprocessing
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import dagster as dg
from msgspec.structs import replace

from regional_assets.definitions import defs
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import range_tags
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore, StoreRead
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stores import settings
from regional_assets_tests.support.worlds import KEY

PROCESSES = multiprocessing.get_context("forkserver")
# pytest, because a child imports its parent's main module.
PROCESSES.set_forkserver_preload(["regional_assets_tests.support.warm", "pytest"])


JOB = defs().resolve_job_def(SNAPSHOT_JOB)


def snapshot_job(redis_url: str, home: Path, run_id: str) -> None:
    """The whole job, as Dagster's run worker executes it; exits with 1 when it fails."""
    os.environ["REDIS_URL"] = redis_url
    os.environ["REGIONAL_STATE_DIR"] = str(home)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        result = JOB.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=range_tags(REGION_IDS[0], REGION_IDS[-1]),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    sys.exit(0 if result.success else 1)


@dataclass(frozen=True)
class Taken:
    """What became of one region in a process's run."""

    outcome: str
    snapshot_id: str | None
    generated_at: int
    late: bool
    error: str | None


def take_together(
    redis_url: str,
    folder: Path,
    region: str,
    now: int,
    inputs: dict[str, object] | None,
    start: Barrier,
    taken: "SimpleQueue[Taken]",
) -> None:
    """Takes one region's snapshot at the same moment as the others who wait at `start`; with
    `inputs`, as if these (by catalogue name; None: absent) had been stored just then."""
    configured = settings(redis_url, folder, answer_timeout=20.0)
    with connect(configured) as client:
        client.ping()
        store = _Seeing(SnapshotStore(client, MODEL, configured), inputs or {})
        start.wait()
        [result] = take_snapshots(store, [region], now).regions
    taken.put(Taken(result.outcome, result.stored_id, now, result.late, result.error))


@dataclass(frozen=True)
class Measured:
    """What became of each region in a process's run, and the memory (bytes) the run took at its
    peak beyond what the process had."""

    outcomes: dict[str, str]
    peak: int


def take_measured(
    redis_url: str, folder: Path, now: int, seconds: int, measured: "SimpleQueue[Measured]"
) -> None:
    """Takes the snapshots of all regions; the system ends the process after so many seconds of
    computing."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    configured = settings(redis_url, folder, answer_timeout=60.0, region_deadline=60.0)
    with connect(configured) as client:
        before = _peak()
        result = take_snapshots(SnapshotStore(client, MODEL, configured), REGION_IDS, now)
        taken = _peak() - before
    measured.put(Measured({r.region_id: r.error or r.outcome for r in result.regions}, taken))


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class _Seeing(SnapshotStore):
    """A store in which some inputs have other values."""

    def __init__(self, store: SnapshotStore, inputs: dict[str, object]) -> None:
        super().__init__(store.client, store.model, store._settings)
        self._values = {
            KEY[name]: StoredValue(json.dumps(value).encode() if value is not None else None)
            for name, value in inputs.items()
        }

    def read(self, regions: Sequence[str], **options: Any) -> StoreRead:
        found = super().read(regions, **options)
        return replace(found, values={**found.values, **self._values})
