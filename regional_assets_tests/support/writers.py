"""Writers who commit one snapshot after another, and what they were told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from regional_assets.intelligence.snapshot import Snapshot
from regional_assets.store.commit import CommitReply, Duplicate, Superseded, Unreplicated, Written
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.chains import Chain
from regional_assets_tests.support.stores import settings


class Writer(threading.Thread):
    """Commits a region's snapshots without a pause, each until it counts as done."""

    def __init__(self, url: str, folder: Path, region: str, replicas: int) -> None:
        super().__init__(daemon=True)
        self.region = region
        self.acknowledged: list[str] = []
        self.unexpected: CommitReply | BaseException | None = None
        self._settings = settings(
            url, folder, replicas=replicas, answer_timeout=2.0, region_deadline=60.0
        )
        self._ending = threading.Event()

    def run(self) -> None:
        chain = Chain()
        try:
            with connect(self._settings) as client:
                store = SnapshotStore(client, MODEL, self._settings)
                while not self._ending.is_set() and not self.unexpected:
                    [snapshot] = chain.next([self.region])
                    self._commit(store, snapshot)
        except Exception as error:
            self.unexpected = error

    def _commit(self, store: SnapshotStore, snapshot: Snapshot) -> None:
        while True:
            [reply] = store.commit([snapshot])
            match reply:
                case Written():
                    self.acknowledged.append(snapshot.snapshot_id)
                    return
                case Duplicate():
                    # A failover has lost the one before, and this one says what was said before it.
                    return
                case Unreplicated() if self._ending.is_set():
                    return
                case Unreplicated():
                    continue
                case Superseded():
                    # A failover has lost the one before, as a run would find, too.
                    latest = store.read([self.region], inputs=False).latest[self.region].snapshot
                    snapshot = replace(snapshot, previous_id=latest.snapshot_id if latest else "")
                case _:
                    self.unexpected = reply
                    return


@contextmanager
def writing(url: str, folder: Path, regions: list[str], replicas: int) -> Iterator[list[Writer]]:
    """A writer for each region, ended with the context; nothing else than expected befell them."""
    writers = [Writer(url, folder, region, replicas) for region in regions]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer._ending.set()
        for writer in writers:
            writer.join(90)
    assert [writer.unexpected for writer in writers] == [None] * len(writers)
    assert not any(writer.is_alive() for writer in writers)
