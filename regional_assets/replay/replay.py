"""Runs the snapshot job over a past series, as often as it is scheduled, on a server of its own."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import msgspec

from regional_assets.definitions import definitions
from regional_assets.defs.instance import open_instance
from regional_assets.defs.jobs import HISTORY_JOB, SNAPSHOT_JOB
from regional_assets.defs.partitions import range_tags
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.errors import ReplayError
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import HOUR_MS, SCHEDULE_HOURS
from regional_assets.redis_link import embedded
from regional_assets.replay.series import feeds
from regional_assets.settings import StoreSettings
from regional_assets.store.keys import DAY
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.state_folder import dagster_home

if TYPE_CHECKING:
    import pandas as pd

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class ReplayStore(SnapshotStoreResource):
    """The embedded server in the replay's own folder, whatever the environment names. It keeps the
    snapshots of the whole series, however long that is."""

    state_dir: str
    days: int

    def settings(self) -> StoreSettings:
        return StoreSettings(Path(self.state_dir))

    def snapshot_expiry(self) -> int:
        return max(super().snapshot_expiry(), self.days * DAY)


class ReplayClock(ClockResource):
    """A clock that stands still at a time in ms."""

    at: int

    def now(self) -> int:
        return self.at


class ReplayNarrator(NarratorResource):
    """No narratives of the past, whatever the environment names."""

    def open(self) -> None:
        return None


class Replay(msgspec.Struct, frozen=True):
    """A replay of some `days` of `series` (see `read_series`) under `model` in `folder`. The folder
    holds a server, a Dagster instance and the files of the history; afterwards it can be the
    `REGIONAL_STATE_DIR`."""

    model: Model
    series: "pd.DataFrame"
    days: Sequence["pd.Timestamp"]
    folder: Path

    @property
    def ticks(self) -> list[tuple["pd.Timestamp", int]]:
        """The days and times (ms) at which the job runs."""
        hours = range(0, 24, SCHEDULE_HOURS)
        return [
            (day, int(day.timestamp()) * 1000 + h * HOUR_MS) for day in self.days for h in hours
        ]

    def run(self, done: Callable[[], None]) -> None:
        """Empties `folder`, runs the snapshot job once per tick, calling `done` after each, and
        then the job of the history. Raises `ReplayError` and the errors of the store."""
        embedded.stop(self.folder)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        home = dagster_home(self.folder)
        jobs = definitions(self.model)
        with open_instance(home) as instance, self.open() as store:
            for day, now in self.ticks:
                expire(store)
                store.write_inputs(feeds(self.model, self.series, day, now))
                self._execute(instance, jobs.resolve_job_def(SNAPSHOT_JOB), now)
                done()
            self._execute(instance, jobs.resolve_job_def(HISTORY_JOB), now)

    def open(self) -> AbstractContextManager[SnapshotStore]:
        return self._store.open(self.model)

    @property
    def _store(self) -> ReplayStore:
        return ReplayStore(state_dir=str(self.folder), days=len(self.days))

    def _execute(self, instance: dg.DagsterInstance, job: dg.JobDefinition, now: int) -> None:
        result = job.execute_in_process(
            instance=instance,
            tags=range_tags(*self.model.region_ids),
            resources={
                "regional_model": self.model,
                "regional_store": self._store,
                "regional_clock": ReplayClock(at=now),
                "regional_narrator": ReplayNarrator(),
            },
            run_config=_QUIET,
            raise_on_error=False,
        )
        for event in result.get_step_failure_events():
            data = event.step_failure_data
            reason = data.user_failure_data and data.user_failure_data.description
            raise ReplayError(f"{job.name} failed at {now}: {reason or data.error_display_string}")


def expire(store: SnapshotStore) -> None:
    """Deletes what would have expired since the last tick: the server does not follow the clock of
    the replay."""
    for pattern in (store.keys.dedup("*", "*"), store.keys.alert_guard("*", "*")):
        names = list(store.client.scan_iter(pattern, count=1000))
        if names:
            store.client.delete(*names)
