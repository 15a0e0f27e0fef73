"""The connection is cut, or falls silent, at every byte of what is asked and answered."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from regional_assets.errors import StoreError
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.brief_store import BriefStore
from regional_assets.store.commit import Written
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore, Summary
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.chains import Chain
from regional_assets_tests.support.proxy import Proxy, Stop, proxy
from regional_assets_tests.support.stored import bodies, indexed, should_be_told, told
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.waiting import sample
from regional_assets_tests.support.worlds import KEY, NOW, sample_values

COMMITS = 3
# Seconds to wait for an answer that does not come.
SILENCE = 0.2


@pytest.fixture
def between(server_url: str, folder: Path) -> Iterator[Proxy]:
    with proxy(folder, server_url) as running:
        yield running


@pytest.fixture
def client(server_url: str) -> Iterator[redis.Redis]:
    """The server without the proxy."""
    with redis.Redis.from_url(server_url) as connected:
        yield connected


@pytest.fixture
def through(between: Proxy, folder: Path) -> Iterator[SnapshotStore]:
    """A store behind the proxy, patient with a busy machine."""
    configured = settings(between.url, folder)
    with connect(configured) as behind:
        yield SnapshotStore(behind, MODEL, configured)


@pytest.fixture
def impatient(between: Proxy, folder: Path) -> Iterator[SnapshotStore]:
    configured = settings(between.url, folder, answer_timeout=SILENCE, region_deadline=4 * SILENCE)
    with connect(configured) as behind:
        yield SnapshotStore(behind, MODEL, configured)


@pytest.fixture
def persistent(between: Proxy, folder: Path) -> Iterator[SnapshotStore]:
    """It waits as briefly for an answer, and asks again for as long as a busy machine may need."""
    configured = settings(between.url, folder, answer_timeout=SILENCE, region_deadline=60.0)
    with connect(configured) as behind:
        yield SnapshotStore(behind, MODEL, configured)


class Size(NamedTuple):
    """Bytes on the connection."""

    requests: int
    replies: int


def size_of(between: Proxy, command: Callable[[], object]) -> Size:
    before = between.request_bytes, between.reply_bytes
    command()
    return Size(between.request_bytes - before[0], between.reply_bytes - before[1])


def commit_size(between: Proxy, store: SnapshotStore, chain: Chain) -> Size:
    """Of the smaller of two commits; the first of all brings the script along."""
    sizes = [size_of(between, lambda: store.commit(chain.next())) for _ in range(COMMITS)]
    return Size(*map(min, *sizes[1:]))


def assert_chain(client: redis.Redis, commits: int) -> None:
    """So many commits are stored, each once, with their alerts and history."""
    assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
    for region in REGION_IDS:
        ids = indexed(client, region)
        assert sorted(ids) == sorted(f"{region}-{number}" for number in range(commits))
        assert told(client, region) == should_be_told(region, [None, *bodies(client, ids)])


@pytest.mark.parametrize(("frozen", "positions"), [(False, 12), (True, 4)])
def test_the_answer_to_a_commit_cut_or_frozen_at_every_byte(
    between: Proxy,
    through: SnapshotStore,
    persistent: SnapshotStore,
    client: redis.Redis,
    frozen: bool,
    positions: int,
) -> None:
    chain = Chain()
    size = commit_size(between, through, chain).replies
    store = persistent if frozen else through
    commits = COMMITS
    for after in sample(range(size), positions):
        stop = between.stop = Stop(after, frozen=frozen)
        replies = store.commit(chain.next())
        assert stop.reached.is_set()
        assert all(isinstance(reply, Written) and not reply.late for reply in replies)
        commits += 1
    assert_chain(client, commits)


def test_a_commit_cut_at_any_byte_it_sends(
    between: Proxy, through: SnapshotStore, client: redis.Redis
) -> None:
    chain = Chain()
    size = commit_size(between, through, chain).requests
    commits = COMMITS
    whole = 0
    for after in sample(range(0, size, 101), 12):
        stop = between.stop = Stop(after, in_replies=False)
        replies = through.commit(chain.next())
        assert stop.reached.is_set()
        # Those that had reached the server whole are written, the others only now.
        queued = [reply.alerts_queued for reply in replies if isinstance(reply, Written)]
        assert len(queued) == len(REGION_IDS)
        whole += queued.count(None)
        commits += 1
    assert whole
    assert_chain(client, commits)


def read_case(client: redis.Redis) -> None:
    """Every kind of reply that a read can get, in few bytes."""
    client.set(KEY["macro_signals"], '{"verdict": "CASH"}')
    client.lpush(KEY["stress_index"], "of a wrong type")
    client.set(keys.latest("mena"), "p")
    client.set(keys.snapshot_by_id("p"), "body")
    client.set(keys.latest("latam"), "gone")


def test_the_answer_to_a_read_cut_at_every_byte(
    between: Proxy, through: SnapshotStore, client: redis.Redis
) -> None:
    read_case(client)
    expected = through.read(REGION_IDS)
    size = size_of(between, lambda: through.read(REGION_IDS)).replies
    for after in sample(range(size), 12):
        stop = between.stop = Stop(after)
        assert through.read(REGION_IDS) == expected
        assert stop.reached.is_set()


def test_the_answer_to_a_read_frozen_at_every_byte(
    between: Proxy, through: SnapshotStore, impatient: SnapshotStore, client: redis.Redis
) -> None:
    """Nothing is at stake yet: a silent server is reported at once."""
    read_case(client)
    through.read(REGION_IDS)
    size = size_of(between, lambda: through.read(REGION_IDS)).replies
    for after in sample(range(size), 4):
        stop = between.stop = Stop(after, frozen=True)
        with pytest.raises(StoreError, match="does not answer"):
            impatient.read(REGION_IDS)
        assert stop.reached.is_set()


@pytest.mark.parametrize("frozen", [False, True], ids=["cut", "frozen"])
@pytest.mark.parametrize("in_replies", [False, True], ids=["requests", "replies"])
def test_a_connection_that_never_lets_a_commit_through(
    between: Proxy,
    through: SnapshotStore,
    impatient: SnapshotStore,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    in_replies: bool,
    frozen: bool,
) -> None:
    """The run ends within its deadline and one answer, every region failed; the next one makes
    up for it."""
    client.mset(dict(sample_values()))
    through.commit(Chain(NOW - 1000).next())
    commit = impatient.commit

    def stopped_commit(*args: Any, **options: Any) -> object:
        between.stop = Stop(100, in_replies=in_replies, frozen=frozen, always=True)
        return commit(*args, **options)

    monkeypatch.setattr(impatient, "commit", stopped_commit)
    # Before that the connection is sound, and the machine may be busy.
    monkeypatch.setattr(impatient, "read", through.read)
    started = time.monotonic()
    failed = take_snapshots(impatient, REGION_IDS, NOW, force=True).failed
    assert time.monotonic() - started < impatient.region_deadline + 4 * SILENCE + 5
    assert len(failed) == len(REGION_IDS)
    assert all(str(between.url) in (region.error or "") for region in failed)
    assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}

    between.stop = None
    again = take_snapshots(through, REGION_IDS, NOW + 1)
    assert not again.failed
    for region in REGION_IDS:
        # Its answers lost, it was written by the first run; else by the second.
        assert len(indexed(client, region)) == 2
        assert told(client, region) == should_be_told(
            region, [None, *bodies(client, indexed(client, region))]
        )


class Stored(NamedTuple):
    """A summary: how it is stored, and its keys."""

    update: Callable[[SnapshotStore, Callable[..., Summary]], None]
    keys: tuple[str, str]


SUMMARIES = {
    "snapshots": Stored(
        lambda store, summarise: store.update_summary(REGION_IDS, summarise),
        (keys.summary, keys.summary_seed_meta),
    ),
    "briefs": Stored(
        lambda store, summarise: BriefStore(store).update_summary(REGION_IDS, summarise),
        (keys.brief_summary, keys.brief_seed_meta),
    ),
}


@pytest.mark.parametrize("frozen", [False, True], ids=["cut", "frozen"])
@pytest.mark.parametrize("stored", SUMMARIES.values(), ids=SUMMARIES)
def test_a_summary_whose_connection_is_lost(
    between: Proxy,
    through: SnapshotStore,
    persistent: SnapshotStore,
    impatient: SnapshotStore,
    client: redis.Redis,
    stored: Stored,
    frozen: bool,
) -> None:
    """Once, at EXEC: it is stored all the same. Each time: one error, after the deadline, and not a
    storm of connections."""
    through.commit(Chain().next())

    def summarise(*_: object) -> Summary:
        return Summary({"regions": []}, {"recordCount": 0})

    once = between.stop = Stop(0, in_replies=False, frozen=frozen, at=b"EXEC")
    stored.update(persistent, summarise)
    assert once.reached.is_set()
    assert client.get(stored.keys[0]) == b'{"regions":[]}'
    between.stop = Stop(0, in_replies=False, frozen=frozen, at=b"EXEC", always=True)
    client.delete(*stored.keys)
    before = between.connections
    started = time.monotonic()
    # On a busy machine the last thing before the deadline may be a late answer.
    with pytest.raises(StoreError, match=r"the summary was not stored within 0\.8 s|\(Timeout"):
        stored.update(impatient, summarise)
    assert time.monotonic() - started >= impatient.region_deadline
    assert between.connections - before < 200
    assert not client.exists(*stored.keys)
