"""The store of all runs, on record in Dagster's instance: the same for every machine that shares
the instance."""

import json
from typing import TYPE_CHECKING

import dagster as dg
from msgspec.structs import asdict

from regional_assets.dagster_kit.private import read_value, write_value

if TYPE_CHECKING:
    from regional_assets.store.identity import MetStore

# In the storage of the instance; and tags of each run, so that its page names the store.
_KEY = STORE_TAG = "regional_assets/store"
EMPTIED_TAG = "regional_assets/store_emptied"
MOVED_TAG = "regional_assets/store_moved"
WENT_BACK_TAG = "regional_assets/store_went_back"
_COMMITS = "regional_assets/commits"


class RunRecord:
    """The record as a run uses it, whose tags then name the store that it met. A tick, which has no
    `context.run`, only compares."""

    def __init__(self, instance: dg.DagsterInstance, context: dg.InitResourceContext) -> None:
        self._instance = instance
        self._run, self._log = context.run, context.log
        self.writable = context.run is not None

    def known(self) -> "MetStore | None":
        """The store on record."""
        return known_store(self._instance)

    def keep(self, store: "MetStore") -> None:
        """Puts the store on record."""
        keep_store(self._instance, store)

    def commits(self) -> int:
        """The count of commits on record."""
        return int(read_value(self._instance, _COMMITS) or 0)

    def met(
        self, store: "MetStore", commits: int, *, emptied: bool, before: str, went_back: bool
    ) -> None:
        """Names the store in the tags of the run; in tags and log, warns that it was emptied,
        moved, or went back in time."""
        if self._run is None:
            return
        write_value(self._instance, _COMMITS, str(commits))
        warnings = {}
        if emptied:
            warnings[EMPTIED_TAG] = (
                f"Redis at {store} had lost its identity: it was emptied, or restored from before "
                "the first run. This run gave it back; histories and baselines begin anew. If it "
                "should not be empty, restore it and run again."
            )
        if before:
            warnings[MOVED_TAG] = (
                f"Redis at {store} is the store that was at {before} until now: moved, or a copy "
                "of it. From now on it is on record here. If it is a copy, correct REDIS_URL and "
                "run `regional-assets adopt`."
            )
        if went_back:
            warnings[WENT_BACK_TAG] = (
                f"Redis at {store} went back in time: it was restored from an older dump. This run "
                "compares with nothing that is stored and raises no alert. Alerts that wait in the "
                "queue may have been delivered before: see `regional-assets alerts`, and take "
                "those away with `regional-assets alerts drop --before TIME`."
            )
        if self._log:
            for words in warnings.values():
                self._log.warning(words)
        self._instance.add_run_tags(self._run.run_id, {STORE_TAG: str(store), **warnings})


def known_store(instance: dg.DagsterInstance) -> "MetStore | None":
    """The store on record, None before the first run."""
    from regional_assets.store.identity import MetStore

    stored = read_value(instance, _KEY)
    return MetStore(**json.loads(stored)) if stored else None


def keep_store(instance: dg.DagsterInstance, store: "MetStore") -> None:
    """Puts the store on record, in the place of any other."""
    write_value(instance, _KEY, json.dumps(asdict(store)))
