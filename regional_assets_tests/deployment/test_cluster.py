"""Redis and Valkey in cluster mode: three primaries with a replica each, whose nodes fail and whose
slots move while runs go on."""

import re
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from redis.connection import AbstractConnection
from redis.crc import key_slot

from regional_assets.cli.main import main
from regional_assets.errors import StoreError
from regional_assets.redis_link.cluster import Cluster
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.reading import read_waiting_alerts
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, REGION_IDS
from regional_assets_tests.support.clusters import ClusterServers, Node, Unprefixed
from regional_assets_tests.support.dagster_runs import ALL, run
from regional_assets_tests.support.servers import calls
from regional_assets_tests.support.stored import (
    bodies,
    indexed,
    should_be_told,
    told,
    unknown_keys,
)
from regional_assets_tests.support.stores import OpenStore
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import NOW, sample_values
from regional_assets_tests.support.writers import Writer, writing

NOTHING_WRONG: dict[str, list[str]] = {region: [] for region in REGION_IDS}


@pytest.fixture
def environ(servers: ClusterServers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REDIS_URL", servers.url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))


def called(*arguments: str) -> str:
    return CliRunner().invoke(main, arguments).output


# Runs.


@pytest.mark.usefixtures("environ")
def test_a_run_and_a_backfill(store: OpenStore, folder: Path) -> None:
    refused = called("inputs", "load")
    assert "samples are not loaded into cluster 127.0.0.1:" in refused
    loaded = called("inputs", "load", "--samples", "--yes")
    assert " keys loaded into cluster 127.0.0.1:" in loaded
    assert "missing" not in called("inputs", "status")
    with dg.DagsterInstance.ephemeral(str(folder)) as instance:
        assert run(instance, partition_key="mena").success
        assert run(instance, tags=ALL).success
    assert store.verify(REGION_IDS, current_time()) == NOTHING_WRONG
    assert store.verify_summary() == []
    assert read_waiting_alerts(store, 100).total > 0
    # No other key lies on the node, and none of the project's on another.
    inputs = {*INPUT_KEYS, *COMPANION_KEYS}
    names = {key.decode() for key in store.client.scan_iter()}
    assert all(name.startswith("{regional}:") for name in names - inputs)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """Messages by connection: it waits for the replies to one before the next."""
    messages: Counter[Any] = Counter()
    send: Any = AbstractConnection.send_packed_command

    def counting(self: AbstractConnection, command: Any, check_health: bool = True) -> None:
        messages[self] += 1
        send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counting)
    return messages


def test_a_warm_run_waits_for_two_round_trips(
    servers: ClusterServers, store: OpenStore, sent: Counter[Any]
) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    for node in servers.nodes:
        node.client.config_resetstat()
    sent.clear()
    result = take_snapshots(store, REGION_IDS, NOW + 1, force=True)
    assert [r.outcome for r in result.regions] == ["written"] * len(REGION_IDS)
    # The store reads and commits; beside its reading, each node is asked for its inputs.
    assert sorted(sent.values()) == [1, 1, 1, 2]
    asked = [calls(node.client) for node in servers.nodes]
    assert sum(found.get("get", 0) for found in asked) >= len({*INPUT_KEYS, *COMPANION_KEYS})
    names = {name for found in asked for name in found}
    assert not {name for name in names if name.startswith(("command", "cluster|slots", "hello"))}


def test_an_input_of_a_wrong_type_is_one_problem(store: OpenStore, nodes: Cluster) -> None:
    store.write_inputs(sample_values())
    [wrong, *others] = INPUT_KEYS
    [gone, pushed] = nodes.each([("DEL", wrong), ("LPUSH", wrong, b"x")])
    assert (gone, pushed) == (1, 1)
    values = store.read([]).values
    assert values[wrong].error == f"WRONGTYPE {wrong} holds something else than a string"
    assert all(values[key].data for key in others)


# Slots that move.


def test_inputs_are_followed_while_and_after_their_slot_moves(
    servers: ClusterServers, store: OpenStore, nodes: Cluster
) -> None:
    store.write_inputs(sample_values())
    before = store.read([]).values
    slot = key_slot(INPUT_KEYS[0].encode())
    source = servers.at(nodes.slot_nodes(slot)[0])
    target = next(node for node in servers.primaries() if node is not source)
    servers.begin_move(slot, source, target)
    servers.move_keys(slot, source, target)
    # Every key of the slot is asked of the other node (ASK), which has only been promised it.
    assert store.read([]).values == before
    servers.end_move(slot, target)
    assert store.read([]).values == before
    assert servers.at(nodes.slot_nodes(slot)[0]) is target


def goes_on(*writers: Writer) -> None:
    """Returns when each has committed some more."""
    aims = [len(writer.acknowledged) + 20 for writer in writers]
    for writer, aim in zip(writers, aims, strict=True):
        eventually(lambda: len(writer.acknowledged) >= aim or writer.unexpected)  # noqa: B023


def all_are_there_once(store: OpenStore, writers: Sequence[Writer]) -> None:
    """Whether the store holds what it acknowledged, and told its readers each change once."""
    view = Unprefixed(connection_pool=store.client.connection_pool)
    assert store.verify(REGION_IDS, NOW) == NOTHING_WRONG
    for writer in writers:
        ids = indexed(view, writer.region)
        # The last one may have come back without an answer.
        assert ids[: len(writer.acknowledged)] == writer.acknowledged
        assert len(ids) <= len(writer.acknowledged) + 1
        expected = should_be_told(writer.region, [None, *bodies(view, ids)])
        assert told(view, writer.region) == expected
    assert unknown_keys(view) == set()


Move = Callable[[ClusterServers, int, Node, Node], None]


def there_and_back(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path, move: Move
) -> None:
    """The slot of the store's keys moves to another node and returns, while two writers commit."""
    home = servers.at(nodes.locate())
    target = next(node for node in servers.primaries() if node is not home)
    with writing(servers.url, folder, ["mena", "europe"], replicas=0) as writers:
        goes_on(*writers)
        for source, aim in ((home, target), (target, home)):
            move(servers, nodes.slot, source, aim)
            goes_on(*writers)
    all_are_there_once(store, writers)


def test_a_slot_that_moves_under_two_writers_loses_and_doubles_nothing(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path
) -> None:
    there_and_back(servers, store, nodes, folder, ClusterServers.move)


@pytest.mark.parametrize("servers", ["valkey"], indirect=True)
def test_a_slot_that_moves_as_a_whole_loses_and_doubles_nothing(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path
) -> None:
    there_and_back(servers, store, nodes, folder, ClusterServers.move_whole)


# Nodes that fail.


def test_a_planned_failover_under_two_writers_loses_and_doubles_nothing(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path
) -> None:
    replica = servers.at(nodes.slot_nodes(nodes.slot)[1])
    with writing(servers.url, folder, ["mena", "europe"], replicas=0) as writers:
        goes_on(*writers)
        replica.client.cluster("FAILOVER")
        eventually(lambda: replica in servers.primaries())
        goes_on(*writers)
    nodes.forget()
    assert servers.at(nodes.locate()) is replica
    all_are_there_once(store, writers)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
def test_a_home_node_that_fails_under_two_writers(
    servers: ClusterServers,
    store: OpenStore,
    nodes: Cluster,
    home: Node,
    folder: Path,
    number: signal.Signals,
) -> None:
    replica = servers.at(nodes.slot_nodes(nodes.slot)[1])
    with writing(servers.url, folder, ["mena", "europe"], replicas=1) as writers:
        goes_on(*writers)
        home.signal(number)
        try:
            eventually(lambda: replica.client.info("replication")["role"] == "master")
        finally:
            home.come_back()
        goes_on(*writers)
    all_are_there_once(store, writers)


@pytest.fixture
def inputs_nodes(servers: ClusterServers, nodes: Cluster, home: Node) -> list[Node]:
    """The primary of a slot with inputs that is not the home node, and its replica."""
    slots = [key_slot(key.encode()) for key in INPUT_KEYS]
    found = ([servers.at(node) for node in nodes.slot_nodes(slot)] for slot in slots)
    return next(pair for pair in found if pair[0] is not home)


def test_inputs_whose_nodes_are_away_are_not_missing(
    servers: ClusterServers, store: OpenStore, folder: Path, inputs_nodes: list[Node]
) -> None:
    store.write_inputs(sample_values())
    with OpenStore(servers.url, folder, region_deadline=0.3) as impatient:
        # From here on it knows all nodes, and not those of its address alone.
        impatient.read([])
        for node in inputs_nodes:
            node.signal(signal.SIGKILL)
        try:
            with pytest.raises(StoreError) as caught:
                take_snapshots(impatient, REGION_IDS, NOW)
        finally:
            for node in inputs_nodes:
                node.come_back()
    # Or, once the others have given it up, the cluster serves nobody.
    failing = f"^Redis at {inputs_nodes[0].address} of cluster .* does not answer"
    assert re.search(f"{failing}|has not settled within .*CLUSTERDOWN", str(caught.value))


def test_inputs_are_read_where_a_replica_has_taken_over(
    store: OpenStore, inputs_nodes: list[Node]
) -> None:
    store.write_inputs(sample_values())
    primary, replica = inputs_nodes
    primary.signal(signal.SIGKILL)
    try:
        assert take_snapshots(store, REGION_IDS, NOW).failed == ()
        assert all(value.data for value in store.read([]).values.values())
        assert replica.client.info("replication")["role"] == "master"
    finally:
        primary.come_back()
