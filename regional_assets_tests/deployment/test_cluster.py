"""Redis and Valkey in cluster mode: three primaries with a replica each, whose nodes fail and whose
slots move while runs go on."""

import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest
import redis
from click.testing import CliRunner
from redis.connection import AbstractConnection
from redis.crc import key_slot

from regional_assets.cli.doctor import examine
from regional_assets.cli.main import main
from regional_assets.intelligence.catalogue import COMPANION_KEYS, INPUT_KEYS
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import SettingsError
from regional_assets.store import access, redis_url
from regional_assets.store.cluster import Cluster, cluster_of
from regional_assets.store.connection import address, connect
from regional_assets.store.diagnosis import Finding
from regional_assets.store.errors import StoreError
from regional_assets.store.keys import REGIME_HISTORY_LENGTH, Keys
from regional_assets.store.reading import read_waiting_alerts
from regional_assets_tests.support.clusters import ClusterServers, Node, Unprefixed, cluster
from regional_assets_tests.support.dagster_runs import ALL, run
from regional_assets_tests.support.own_servers import program
from regional_assets_tests.support.servers import calls, free_port
from regional_assets_tests.support.stored import (
    bodies,
    indexed,
    should_be_told,
    told,
    unknown_keys,
)
from regional_assets_tests.support.stores import OpenStore, settings
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import NOW, sample_values
from regional_assets_tests.support.writers import Writer, writing

NOTHING_WRONG: dict[str, list[str]] = {region: [] for region in REGION_IDS}


@pytest.fixture(scope="module", params=["redis", "valkey"])
def servers(request: pytest.FixtureRequest, session_folder: Path) -> Iterator[ClusterServers]:
    with cluster(program(request.param), session_folder, replicas=1) as running:
        yield running


@pytest.fixture
def store(servers: ClusterServers, folder: Path) -> Iterator[OpenStore]:
    """A store in the cluster, which is whole and empty."""
    eventually(servers.is_whole)
    servers.flush()
    with OpenStore(servers.url, folder) as opened:
        yield opened


@pytest.fixture
def nodes(store: OpenStore) -> Cluster:
    found = cluster_of(store.client)
    assert found
    return found


@pytest.fixture
def home(servers: ClusterServers, nodes: Cluster) -> Node:
    """The node with the keys of the store."""
    return servers.at(nodes.locate())


@pytest.fixture
def environ(servers: ClusterServers, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REDIS_URL", servers.url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.setattr("regional_assets.cli.render._TABLE_WIDTH", 1000)


def called(*arguments: str) -> str:
    return CliRunner().invoke(main, arguments).output


# Runs.


@pytest.mark.usefixtures("environ")
def test_a_run_and_a_backfill(store: OpenStore, folder: Path) -> None:
    assert " keys loaded into cluster 127.0.0.1:" in called("inputs", "load")
    assert "missing" not in called("inputs", "status")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
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
    source = servers.at(nodes.nodes(slot)[0])
    target = next(node for node in servers.primaries() if node is not source)
    servers.begin_move(slot, source, target)
    servers.move_keys(slot, source, target)
    # Every key of the slot is asked of the other node (ASK), which has only been promised it.
    assert store.read([]).values == before
    servers.end_move(slot, target)
    assert store.read([]).values == before
    assert servers.at(nodes.nodes(slot)[0]) is target


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
        history = expected.history[-REGIME_HISTORY_LENGTH:]
        assert told(view, writer.region) == replace(expected, history=history)
    assert unknown_keys(view) == set()


def test_a_slot_that_moves_under_two_writers_loses_and_doubles_nothing(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path, home: Node
) -> None:
    target = next(node for node in servers.primaries() if node is not home)
    with writing(servers.url, folder, ["mena", "europe"], replicas=0) as writers:
        goes_on(*writers)
        for source, aim in ((home, target), (target, home)):
            servers.begin_move(nodes.slot, source, aim)
            servers.move_keys(nodes.slot, source, aim)
            servers.end_move(nodes.slot, aim)
            goes_on(*writers)
    all_are_there_once(store, writers)


@pytest.mark.parametrize("servers", ["valkey"], indirect=True)
def test_a_slot_that_moves_as_a_whole_loses_and_doubles_nothing(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path, home: Node
) -> None:
    target = next(node for node in servers.primaries() if node is not home)
    with writing(servers.url, folder, ["mena", "europe"], replicas=0) as writers:
        goes_on(*writers)
        for source, aim in ((home, target), (target, home)):
            name = aim.client.cluster("MYID")
            where = ("SLOTSRANGE", nodes.slot, nodes.slot, "NODE", name)
            source.client.cluster("MIGRATESLOTS", *where)
            eventually(lambda: aim.serves(nodes.slot))  # noqa: B023
            goes_on(*writers)
    all_are_there_once(store, writers)


# Nodes that fail.


def test_a_planned_failover_under_two_writers_loses_and_doubles_nothing(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path
) -> None:
    replica = servers.at(nodes.nodes(nodes.slot)[1])
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
    replica = servers.at(nodes.nodes(nodes.slot)[1])
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
    found = ([servers.at(node) for node in nodes.nodes(slot)] for slot in slots)
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


# Words.


def refused(url: str, folder: Path, **changes: Any) -> str:
    with (
        pytest.raises((StoreError, SettingsError)) as caught,
        OpenStore(url, folder, **{"region_deadline": 0.3, **changes}) as store,
    ):
        store.read(["mena"])
    return str(caught.value)


@pytest.mark.parametrize("options", [["--cluster-enabled", "no"], ["--sentinel"]])
def test_what_is_no_node_of_a_cluster(folder: Path, options: list[str]) -> None:
    node = Node(program("redis"), folder)
    if options == ["--sentinel"]:
        options = [str(folder / "sentinel.conf"), *options, "--port", str(node.port)]
        (folder / "sentinel.conf").touch()
    try:
        node.start(*options, alone="--sentinel" in options)
        words = refused(f"redis+cluster://{node.address}", folder)
    finally:
        node.end()
    assert words == (
        f"Redis at {node.address} is no node of a cluster: in REDIS_URL, redis:// is for a single "
        "server, redis+sentinel:// for Sentinels"
    )


def test_a_plain_address_of_a_node_is_advised_of_the_other(
    servers: ClusterServers, folder: Path
) -> None:
    words = refused(f"redis://{servers.nodes[1].address}", folder)
    assert "it is part of a cluster" in words
    assert "name its nodes in REDIS_URL, as redis+cluster://host:port,host:port" in words


def test_nodes_that_are_all_silent_are_all_named(folder: Path) -> None:
    ports = free_port(), free_port()
    seeds = f"127.0.0.1:{ports[0]},localhost:{ports[1]}"
    words = refused(f"redis+cluster://user:secret@{seeds}", folder)
    assert words.startswith(f"no node of the cluster {seeds} (slot 2953 not found yet) answers (")
    assert words.endswith("): start them, or correct REDIS_URL")
    assert all(f":{port}: Error 111" in words for port in ports)
    assert "secret" not in words


@pytest.mark.usefixtures("store")
def test_one_node_that_answers_is_enough(servers: ClusterServers, folder: Path) -> None:
    replica = next(node for node in servers.nodes if node not in servers.primaries())
    url = f"redis+cluster://127.0.0.1:{free_port()},{replica.address}"
    with OpenStore(url, folder) as store:
        assert store.read(["mena"]).latest["mena"].snapshot is None


def test_a_prefix_without_hash_tag_is_refused(servers: ClusterServers, folder: Path) -> None:
    words = refused(servers.url, folder, key_prefix="staging:")
    assert words == (
        "REGIONAL_KEY_PREFIX='staging:' has no hash tag, so that the keys of one commit would lie "
        "on several nodes of the cluster: put a part of it in braces, as in {staging}:"
    )
    with OpenStore(servers.url, folder, key_prefix="{staging}:") as store:
        assert cluster_of(store.client).slot == key_slot(b"staging")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://", "is followed by host:port"),
        ("redis+cluster://a:1,,b:2", "is followed by host:port"),
        ("redis+cluster://a:1,b:2/3", "a cluster has database 0 alone"),
        ("redis+cluster://a:1,b:2?db=3", "a cluster has database 0 alone"),
        ("redis+cluster://:sec/ret@a:1,b:2", "have to be percent-encoded"),
        ("redis+cluster://a:1,b:secret", "its host, its port"),
        ("unix+cluster://a:1", "expected redis://"),
    ],
)
def test_addresses_that_would_be_misread(folder: Path, url: str, words: str) -> None:
    said = refused(url, folder)
    assert words in said
    assert "secret" not in said


def test_the_address_names_the_nodes_and_no_password(folder: Path) -> None:
    url = "rediss+cluster://user:secret@a:1,[::1],b:2/0?ssl_ca_certs=ca.pem"
    assert redis_url.checked(url).startswith("rediss+cluster://user:secret@a:1,[::1],b:2/0?ssl_ca")
    client = connect(settings("redis+cluster://user:secret@a:1,[::1],b", folder))
    assert address(client) == "cluster a:1,::1:6379,b:6379 (slot 2953 not found yet)"


# Users and diagnosis.


@pytest.fixture
def users(servers: ClusterServers, folder: Path) -> Iterator[str]:
    """The address with the writer that `regional-assets acl` makes, on every node."""
    keys = Keys.of(settings(servers.url, folder))
    writer, reader = access.users(keys)
    servers.create_users(access.rules(keys))
    yield servers.url.replace("://", f"://{quote(writer, safe='')}:{access.PASSWORD}@")
    for node in servers.nodes:
        node.client.acl_deluser(writer, reader)


def found_by_doctor(url: str, folder: Path) -> dict[str, Finding]:
    environ = {
        "REDIS_URL": url,
        "REGIONAL_STATE_DIR": str(folder),
        "REGIONAL_REGION_DEADLINE": "0.3",
    }
    return {finding.check: finding for finding in examine(environ, current_time)}


def test_the_writers_rights_are_enough(
    store: OpenStore, nodes: Cluster, users: str, folder: Path
) -> None:
    store.write_inputs(sample_values(current_time()))
    with OpenStore(users, folder) as written:
        for now in (NOW, NOW + 1):
            assert take_snapshots(written, REGION_IDS, now).failed == ()
        assert written.verify(REGION_IDS, NOW) == NOTHING_WRONG
    found = found_by_doctor(users, folder)
    primary, _ = nodes.nodes(nodes.slot)
    assert found["cluster"].found == f"slot 2953 on 127.0.0.1:{primary[1]}, 1 replicas"
    checks = ("reachability", "encryption", "cluster", "role", "rights", "key types", "inputs")
    assert {check: found[check].verdict for check in checks} == dict.fromkeys(checks, "ok")


def test_a_node_without_the_user_is_named(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, users: str, folder: Path
) -> None:
    replica = servers.at(nodes.nodes(nodes.slot)[1])
    writer, _ = access.users(store.keys)
    replica.client.execute_command("ACL", "SETUSER", writer, "-evalsha")
    rights = found_by_doctor(users, folder)["rights"]
    assert rights.verdict == "problem"
    assert rights.found == f"{replica.address}/0: this user may not run EVALSHA"
    replica.client.acl_setuser(writer, enabled=True, passwords=["+another"], reset_passwords=True)
    found = found_by_doctor(users, folder)["cluster"]
    assert found.verdict == "problem"
    assert f"; {replica.address}: " in found.found
    assert "invalid username-password pair" in found.found
    assert "give every node the users of `regional-assets acl`" in found.advice


def test_a_login_that_fails_names_its_node(
    servers: ClusterServers, store: OpenStore, users: str, folder: Path
) -> None:
    words = refused(users.replace(access.PASSWORD, "wrong-one"), folder)
    assert re.search("Redis at 127.0.0.1:[0-9]+ of cluster .* refuses the login", words)
    assert "wrong-one" not in words
    for node in servers.nodes:
        node.client.acl_setuser("default", enabled=False, reset_passwords=True)
    try:
        assert "wants a password" in refused(servers.url, folder)
    finally:
        for node in servers.nodes:
            node.client.acl_setuser("default", enabled=True, nopass=True)


def test_a_node_without_replicas_that_announces_no_host(folder: Path) -> None:
    """As one does that has not met another."""
    node = Node(program("valkey"), folder)
    try:
        node.start()
        node.client.cluster("ADDSLOTSRANGE", 0, 16383)
        eventually(node.is_in_step)
        [[*_, [host, port, *_]]] = node.client.cluster("SLOTS")
        assert (host, port) == (b"", node.port)
        found = found_by_doctor(f"redis+cluster://localhost:{node.port}", folder)["cluster"]
    finally:
        node.end()
    assert (found.verdict, found.found) == (
        "warning",
        f"slot 2953 on localhost:{node.port}, 0 replicas",
    )


def test_a_slot_without_a_node(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, folder: Path
) -> None:
    slot = nodes.slot + 1

    def is_lost() -> bool:
        # A node that has not heard of it yet may tell the others that the slot is served.
        for node in servers.nodes:
            with suppress(redis.ResponseError):
                node.client.cluster("DELSLOTS", slot)
        infos = [node.client.cluster("INFO") for node in servers.nodes]
        return all(info["cluster_slots_assigned"] == "16383" for info in infos)

    try:
        eventually(is_lost)
        found = found_by_doctor(servers.url, folder)["cluster"]
        assert (found.verdict, found.found) == (
            "problem",
            "cluster_state:fail, 16383 of 16384 slots have a node",
        )
        words = refused(servers.url, folder)
        assert "has not settled within 0.3 s (CLUSTERDOWN " in words
        assert "see `redis-cli --cluster check`" in words
    finally:
        servers.at(nodes.nodes(nodes.slot)[0]).client.cluster("ADDSLOTS", slot)
