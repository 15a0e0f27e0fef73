"""Redis and Valkey in cluster mode: what a wrong address, node, user or slot is called."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from redis.crc import key_slot

from regional_assets.cli.doctor import examine
from regional_assets.errors import SettingsError, StoreError
from regional_assets.redis_link import url as redis_url
from regional_assets.redis_link.cluster import Cluster
from regional_assets.redis_link.server import server_of
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store import access
from regional_assets.store.connection import connect
from regional_assets.store.diagnosis import Finding
from regional_assets.store.keys import Keys
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.clusters import ClusterServers, Node
from regional_assets_tests.support.own_servers import program
from regional_assets_tests.support.servers import free_port
from regional_assets_tests.support.stores import OpenStore, settings
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import NOW, sample_values

NOTHING_WRONG: dict[str, list[str]] = {region: [] for region in REGION_IDS}


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
        assert store.server.slot == key_slot(b"staging")  # type: ignore[attr-defined]


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
    assert str(server_of(client)) == "cluster a:1,::1:6379,b:6379 (slot 2953 not found yet)"


# Users and diagnosis.


@pytest.fixture
def users(servers: ClusterServers, folder: Path) -> Iterator[str]:
    """The address with the writer that `regional-assets acl` makes, on every node."""
    keys = Keys.of(settings(servers.url, folder))
    writer, reader = access.users(keys)
    servers.create_users(access.rules(keys, MODEL))
    yield servers.url.replace("://", f"://{quote(writer, safe='')}:{access.PASSWORD}@")
    for node in servers.nodes:
        node.client.acl_deluser(writer, reader)


def found_by_doctor(url: str, folder: Path, deadline: float = 10) -> dict[str, Finding]:
    """`deadline` limits how long it waits for a cluster that does not settle, in seconds."""
    environ = {
        "REDIS_URL": url,
        "REGIONAL_STATE_DIR": str(folder),
        "REGIONAL_REGION_DEADLINE": str(deadline),
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
    primary, _ = nodes.slot_nodes(nodes.slot)
    assert found["cluster"].found == f"slot 2953 on 127.0.0.1:{primary[1]}, 1 replicas"
    checks = ("reachability", "encryption", "cluster", "role", "rights", "key types", "inputs")
    assert {check: found[check].verdict for check in checks} == dict.fromkeys(checks, "ok")


def test_a_node_without_the_user_is_named(
    servers: ClusterServers, store: OpenStore, nodes: Cluster, users: str, folder: Path
) -> None:
    replica = servers.at(nodes.slot_nodes(nodes.slot)[1])
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


@pytest.mark.parametrize("rule", ["resetpass >another", "-cluster"])
def test_a_node_that_refuses_this_user_is_passed_over(
    store: OpenStore,
    nodes: Cluster,
    servers: ClusterServers,
    users: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
) -> None:
    """Each node has users of its own. Of two nodes in the address, the one asked first refuses."""
    monkeypatch.setattr("random.sample", lambda candidates, _count: candidates)
    primary, replica = map(servers.at, nodes.slot_nodes(nodes.slot))
    writer, _ = access.users(store.keys)
    replica.client.execute_command("ACL", "SETUSER", writer, *rule.split())
    login, _ = users.split("@")
    with OpenStore(f"{login}@{replica.address},{primary.address}", folder) as opened:
        assert opened.read(["mena"]).latest["mena"].error is None


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
        found = found_by_doctor(servers.url, folder, deadline=2)["cluster"]
        assert (found.verdict, found.found) == (
            "problem",
            "cluster_state:fail, 16383 of 16384 slots have a node",
        )
        words = refused(servers.url, folder)
        assert "has not settled within 0.3 s (CLUSTERDOWN " in words
        assert "see `redis-cli --cluster check`" in words
    finally:
        servers.at(nodes.slot_nodes(nodes.slot)[0]).client.cluster("ADDSLOTS", slot)
