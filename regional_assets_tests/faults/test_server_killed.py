"""The embedded server is killed (SIGKILL) in the middle of commits, or its last write to disk is
torn."""

import os
import signal
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from benchmarks.generated_model import generated
from regional_assets.errors import StoreError
from regional_assets.intelligence.snapshot import Snapshot
from regional_assets.redis_link import embedded
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.commit import CommitReply, Written
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.chains import Chain
from regional_assets_tests.support.own_servers import open_store
from regional_assets_tests.support.stored import (
    bodies,
    indexed,
    should_be_told,
    told,
    unknown_keys,
)
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.waiting import LONG, eventually, sample
from regional_assets_tests.support.worlds import NOW, sample_values

REPETITIONS = 100 if LONG else 3


def kill(client: redis.Redis) -> None:
    os.kill(client.info("server")["process_id"], signal.SIGKILL)


class Writer:
    """Commits one region's snapshots without a pause until the server does not answer."""

    def __init__(self, state: Path, chain: Chain, region: str) -> None:
        self.acknowledged: list[str] = []
        self.unacknowledged = ""
        self._state, self._chain, self._region = state, chain, region
        self.thread = threading.Thread(target=self._commit, daemon=True)

    def _commit(self) -> None:
        store = open_store(self._state)
        while True:
            [snapshot] = self._chain.next([self._region])
            try:
                [reply] = store.commit([snapshot])
            except StoreError:
                self.unacknowledged = snapshot.snapshot_id
                store.client.close()
                return
            assert isinstance(reply, Written)
            self.acknowledged.append(snapshot.snapshot_id)


@pytest.mark.parametrize("repetition", range(REPETITIONS))
def test_killed_in_the_middle_of_commits(state: Path, repetition: int) -> None:
    moments = Random(repetition)
    with open_store(state).client as client:
        chain = Chain()
        writers = {region: Writer(state, chain, region) for region in REGION_IDS}
        for writer in writers.values():
            writer.thread.start()
        least = moments.randrange(1, 30)
        eventually(lambda: all(len(w.acknowledged) >= least for w in writers.values()))
        kill(client)
        for writer in writers.values():
            writer.thread.join()

    with open_store(state).client as client:
        assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
        for region, writer in writers.items():
            found = indexed(client, region)
            sent = [*writer.acknowledged, writer.unacknowledged]
            assert found in (sent, sent[:-1])
            assert told(client, region) == should_be_told(region, [None, *bodies(client, found)])
        assert unknown_keys(client) == set()


def test_what_was_committed_before_the_server_died_is_not_reported_as_failed(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = generated(2 * 64 + 10)
    store = SnapshotStore.open(many, StoreSettings(state, retries=0))
    store.write_inputs(sample_values())
    commit = store.commit
    sizes: list[int] = []

    def dying(pending: list[Snapshot], **options: Any) -> list[CommitReply]:
        sizes.append(len(pending))
        if len(sizes) == 3:
            kill(store.client)
        return commit(pending, **options)

    monkeypatch.setattr(store, "commit", dying)
    found = take_snapshots(store, many.region_ids, NOW).regions
    store.client.close()
    assert sizes == [64, 64, 10]
    assert [region.outcome for region in found] == ["written"] * 128 + ["failed"] * 10
    assert all("does not answer" in (region.error or "") for region in found[128:])
    with open_store(state).client as client:
        for region in found:
            latest = client.get(keys.latest(region.region_id))
            assert latest == (region.stored_id.encode() if region.stored_id else None)


def test_a_torn_write_leaves_no_half_commit(state: Path) -> None:
    """As after a power failure: of the last commit only the first so many bytes are on disk."""
    chain = Chain()
    store = open_store(state)
    store.commit(chain.next(["mena"]))
    [log] = (state / "valkey" / "appendonlydir").glob("*.incr.aof")
    before = log.stat().st_size
    held = dump(store.client)
    store.commit(chain.next(["mena"]))
    whole = log.read_bytes()
    kill(store.client)
    store.client.close()
    eventually(lambda: not embedded.is_running(state))

    for size in sample(range(before, len(whole), 50), 4):
        log.write_bytes(whole[:size])
        with open_store(state).client as client:
            assert dump(client) == held
            assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}
            kill(client)
        eventually(lambda: not embedded.is_running(state))


def dump(client: redis.Redis) -> dict[bytes, bytes | None]:
    """Everything the server holds."""
    return {key: client.dump(key) for key in client.scan_iter()}
