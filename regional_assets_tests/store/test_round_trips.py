"""What a run costs the network: counted on the connection and by the server."""

import math
from typing import Any

import pytest
from redis.connection import AbstractConnection

from regional_assets.board.page import make_board
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store import brief_store, past, verification
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import INPUT_KEYS, NARRATED_REGIONS, REGION_IDS
from regional_assets_tests.support.month import live_through
from regional_assets_tests.support.servers import calls
from regional_assets_tests.support.stores import OneRecord, OpenStore, keys
from regional_assets_tests.support.worlds import NOW, sample_values

# What a cluster costs is in deployment/test_cluster.py.
pytestmark = pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every message a client sends; it waits for the replies of one before it sends the next."""
    messages: list[Any] = []
    send: Any = AbstractConnection.send_packed_command

    def recording(self: AbstractConnection, command: Any, check_health: bool = True) -> None:
        messages.append(command)
        send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", recording)
    return messages


def test_a_warm_run_is_two_round_trips(store: SnapshotStore, sent: list[Any]) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    store.client.config_resetstat()
    sent.clear()
    result = take_snapshots(store, REGION_IDS, NOW + 1, force=True)
    assert [r.outcome for r in result.regions] == ["written"] * len(REGION_IDS)
    assert len(sent) == 2
    counted = calls(store.client)
    # One of the inputs, one of the copies of the latest snapshots.
    assert (counted["mget"], counted["evalsha_ro"]) == (2, 2)
    # The last runs of the regions and the last words of the inputs go with the commits.
    assert counted["evalsha"] == len(REGION_IDS) + 2
    assert not {"eval", "script", "script|exists", "script|load", "hello", "ping"} & set(counted)


def test_a_cold_client_adds_no_greeting(store: SnapshotStore, sent: list[Any]) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    store.client.connection_pool.disconnect()
    sent.clear()
    take_snapshots(store, REGION_IDS, NOW + 1)
    assert len(sent) == 2


def test_a_run_meets_its_store_in_the_read_of_its_inputs(store: OpenStore, sent: list[Any]) -> None:
    store.write_inputs(sample_values())
    record = OneRecord()
    store.meets(record)
    take_snapshots(store, REGION_IDS, NOW)
    assert record.store
    assert record.store.identity.encode() == store.client.get(keys.identity)
    store.meets(record)
    sent.clear()
    take_snapshots(store, REGION_IDS, NOW + 1)
    assert len(sent) == 2


def test_a_server_that_forgot_the_scripts_costs_one_trip_more(
    store: SnapshotStore, sent: list[Any]
) -> None:
    store.write_inputs(sample_values())
    store.client.script_flush()
    sent.clear()
    result = take_snapshots(store, REGION_IDS, NOW)
    assert result.failed == ()
    assert len(sent) == 3


def test_scripts_flushed_between_read_and_commit(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = store.commit

    def flush_first(*args: Any, **kwargs: Any) -> Any:
        store.client.script_flush()
        return commit(*args, **kwargs)

    store.write_inputs(sample_values())
    monkeypatch.setattr(store, "commit", flush_first)
    assert take_snapshots(store, REGION_IDS, NOW).failed == ()


def test_the_body_is_sent_once(store: SnapshotStore, sent: list[Any]) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena"], NOW)
    sent.clear()
    [result] = take_snapshots(store, ["mena"], NOW + 1, force=True).regions
    assert result.snapshot
    message = b"".join(part if isinstance(part, bytes) else part.encode() for part in sent[1])
    body = encode(result.snapshot.body)
    assert message.count(body) == 1
    # And the inputs' names and digests, but not their words, which are stored.
    assert len(message) < len(body) + 4_500


def test_batches_of_commits_are_bounded(store: SnapshotStore, sent: list[Any]) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena"], NOW)
    [result] = take_snapshots(store, ["mena"], NOW + 1).regions
    assert result.snapshot
    sent.clear()
    store.commit([result.snapshot] * 130)
    assert len(sent) == 3


def test_batches_of_reads_are_bounded(store: SnapshotStore, sent: list[Any]) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena", "europe"], NOW)
    many = [*(f"region-{n}" for n in range(128)), "mena"]
    store.client.config_resetstat()
    sent.clear()
    found = store.read(["europe", *many])
    assert len(sent) == 3
    # The inputs all at once and by no script, with the copies of each batch; each pointer once,
    # and of those that are there the confirmation.
    counted = calls(store.client)
    assert (counted["mget"], counted["get"]) == (1 + 3, len(many) + 1 + 2)
    assert list(found.latest) == ["europe", *many]
    assert [region for region, read in found.latest.items() if read.snapshot] == ["europe", "mena"]
    assert all(found.values[key].data for key in INPUT_KEYS)


def test_verifying_is_two_round_trips_per_batch_of_regions(
    store: SnapshotStore, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one more where nothing is stored of a region, for all keys; 10,000 regions are at most
    40 together."""
    batches = math.ceil(10_000 / verification.PER_TRIP)
    # Of a region there may be some ten keys.
    assert 2 * batches + math.ceil(10 * 10_000 / verification._SCANNED) - 2 <= 40
    monkeypatch.setattr(verification, "PER_TRIP", 3)
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    sent.clear()
    assert store.verify(REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
    assert len(sent) == 2 * math.ceil(len(REGION_IDS) / 3)
    sent.clear()
    found = store.verify([*REGION_IDS, "unknown"], NOW)
    assert not any(found[region] for region in REGION_IDS)
    assert len(sent) == 2 * math.ceil((len(REGION_IDS) + 1) / 3) + 1


def test_histories_are_read_in_batches(store: SnapshotStore, sent: list[Any]) -> None:
    """Those of 10,000 regions with a snapshot each are 50 round trips."""
    first = [*REGION_IDS[:-1], *(f"region-{n}" for n in range(400 - len(REGION_IDS) + 1))]
    last = REGION_IDS[-1]
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    take_snapshots(store, ["mena"], NOW + 1, force=True)
    store.client.set(keys.index("latam"), "no index")
    gone = {f"gone-{n:03}": NOW + 2 + n for n in range(500)}
    store.client.zadd(keys.index(last), gone)
    store.client.zadd(keys.index("europe"), gone)
    store.client.config_resetstat()
    sent.clear()
    histories = past.read_histories(store, [*first, last])
    found = dict([next(histories)])
    # Nothing is read before it is wanted: the first batch's indexes and bodies.
    assert len(sent) == 2
    found |= histories
    assert len(REGION_IDS) == 8
    # The regions of the first batch have 507 snapshots, the last one has 501; 400 are a trip, 100 a
    # command.
    assert len(sent) == (1 + 2) + (1 + 2)
    assert calls(store.client)["mget"] == (4 + 2) + (4 + 2)
    assert list(found) == [*first, last]
    for region in ("europe", last):
        *_, absent = (body for _, _, body in found[region].snapshots)
        assert absent is None
        found[region] = past.StoredHistory(found[region].snapshots[: -len(gone)])
    assert not any(found.pop(region).snapshots for region in first if region not in REGION_IDS)
    for region, history in found.items():
        times = [at for _, at, _ in history.snapshots]
        assert times == {"mena": [NOW, NOW + 1], "latam": []}.get(region, [NOW])
        for snapshot_id, _, body in history.snapshots:
            assert body == store.client.get(keys.snapshot_by_id(snapshot_id))
    assert (found["latam"].error or "").startswith(f"{keys.index('latam')}: WRONGTYPE")


def test_the_sources_of_briefs_are_read_by_scripts_over_bounded_numbers_of_regions(
    store: SnapshotStore, sent: list[Any]
) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, NARRATED_REGIONS, NOW)
    briefs = brief_store.BriefStore(store)
    many = [*(f"region-{n}" for n in range(130)), *NARRATED_REGIONS]
    briefs.read(many)
    store.client.config_resetstat()
    sent.clear()
    found = briefs.read(many)
    assert len(sent) == 2
    assert calls(store.client)["evalsha_ro"] == math.ceil(len(many) / 64) == 3
    assert list(found) == many
    for region in NARRATED_REGIONS:
        read = found[region].snapshot
        assert read
        assert read.parsed(region).region_id == region


@pytest.mark.parametrize("copy", ["absent", "of another snapshot"])
def test_without_the_copy_of_its_latest_a_run_fetches_the_snapshot_itself(
    store: SnapshotStore, sent: list[Any], copy: str
) -> None:
    """As after an update of this project, and where another job moved the pointer."""
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    held = store.client.get(keys.latest_body("mena"))
    take_snapshots(store, REGION_IDS, NOW + 1, force=True)
    if copy == "absent":
        store.client.delete(keys.latest_body("mena"))
    else:
        store.client.set(keys.latest_body("mena"), held or b"")
    latest = store.client.get(keys.latest("mena"))
    sent.clear()
    results = take_snapshots(store, REGION_IDS, NOW + 2, force=True).regions
    assert len(sent) == 3
    compared_with = {r.region_id: r.snapshot.previous_id for r in results if r.snapshot}
    assert compared_with["mena"].encode() == latest
    assert store.client.get(keys.latest_body("mena")) == encode(
        next(r.snapshot.body for r in results if r.region_id == "mena" and r.snapshot)
    )
    assert store.verify(REGION_IDS, NOW + 2) == {region: [] for region in REGION_IDS}


def test_the_board_of_a_month_is_three_round_trips(store: SnapshotStore, sent: list[Any]) -> None:
    live_through(store, NOW, runs_a_day=1)
    # Each run has its own snapshot, the last of its day.
    assert all(store.client.zcard(keys.index(region)) == 30 for region in REGION_IDS)
    sent.clear()
    board, _ = make_board(store, REGION_IDS, NOW)
    assert len(sent) == 3
    assert {len(card.record.days) for card in board.cards} == {30}
    assert {card.news for card in board.cards} == {"some", "none"}
