"""Clusters of real servers, and what a test does with their nodes."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

import regional_assets
from regional_assets.store import access
from regional_assets.store.connection import connect
from regional_assets.store.keys import Keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL
from regional_assets_tests.support.servers import free_port
from regional_assets_tests.support.stores import OpenStore, WriterStore, settings
from regional_assets_tests.support.waiting import eventually

CONFIGURATION = Path(regional_assets.__file__).parent / "deploy" / "cluster" / "redis.conf"
# Failovers take seconds, not tens of seconds.
NODE_TIMEOUT = 1000


class Node:
    """One server of a cluster, on ports and in a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port, bus = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        # The port of the cluster's bus after the "@", as the servers themselves write it.
        self.whole_address = f"{self.address}@{bus}"
        folder = Path(tempfile.mkdtemp(prefix=f"{self.port}-", dir=folder))
        self._command = [
            *(program, str(CONFIGURATION), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--cluster-port", str(bus), "--cluster-node-timeout", str(NODE_TIMEOUT)),
            *("--dir", str(folder), "--logfile", "node.log"),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.client: Any = redis.Redis(
            port=self.port, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=5
        )

    def start(self, *options: str, alone: bool = False) -> None:
        """`alone`: with these options and no others."""
        command = self._command[:1] if alone else self._command
        self._process = None

        def answers() -> bool:
            # It ends where another process has one of its ports, as a connection may for a moment.
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
            return self._answers()

        eventually(answers)

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL for a machine that is gone, SIGSTOP for one that hangs."""
        assert self._process
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()

    def come_back(self) -> None:
        """After a signal; to a cluster that may have given it up."""
        assert self._process
        if self._process.poll() is None:
            self.signal(signal.SIGCONT)
        else:
            self.start()

    def is_in_step(self) -> bool:
        try:
            state = self.client.cluster("INFO")["cluster_state"]
            replication = self.client.info("replication")
        except redis.ConnectionError:
            return False
        link = replication.get("master_link_status", "up")
        return bool(state == "ok" and link == "up")

    def named(self) -> set[int]:
        """The ports of the nodes by which this one says that slots are served."""
        return {node[1] for _, _, *nodes in self.client.cluster("SLOTS") for node in nodes}

    def serves(self, slot: int) -> bool:
        """Whether this node says that the slot is its own."""
        return any(
            first <= slot <= last and primary[1] == self.port
            for first, last, primary, *_ in self.client.cluster("SLOTS")
        )

    def end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        self.client.close()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class ClusterServers:
    """A cluster of three primaries, each with as many replicas as wanted; all are in step."""

    def __init__(self, nodes: Sequence[Node], replicas: int) -> None:
        self.nodes = nodes
        program = shutil.which("redis-cli")
        assert program, "redis-cli is not installed"
        for node in nodes:
            node.start()
        # As docs/deployment.md has it.
        subprocess.run(
            [
                *(program, "--cluster", "create", *(node.whole_address for node in nodes)),
                *("--cluster-replicas", str(replicas), "--cluster-yes"),
            ],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        eventually(self.is_whole)

    @property
    def url(self) -> str:
        """Of two nodes that need not be the ones with the keys."""
        return f"redis+cluster://{self.nodes[1].address},{self.nodes[-1].address}"

    def is_whole(self) -> bool:
        """Whether all nodes agree that all slots are served, all replicas are in step, and every
        node names them all."""
        return all(
            node.is_in_step() and len(node.named()) == len(self.nodes) for node in self.nodes
        )

    def primaries(self) -> list[Node]:
        return [n for n in self.nodes if n.client.info("replication")["role"] == "master"]

    def flush(self) -> None:
        for node in self.primaries():
            node.client.flushall()

    def create_users(self, rules: Iterable[str]) -> None:
        """On every node: each has users of its own."""
        for rule in map(str.split, rules):
            for node in self.nodes:
                node.client.execute_command(*rule)

    def at(self, address: tuple[str, int]) -> Node:
        return next(node for node in self.nodes if node.port == address[1])

    def begin_move(self, slot: int, source: Node, target: Node) -> None:
        """From here on, keys of the slot that `source` lacks are asked of `target`."""
        target.client.cluster("SETSLOT", slot, "IMPORTING", source.client.cluster("MYID"))
        source.client.cluster("SETSLOT", slot, "MIGRATING", target.client.cluster("MYID"))

    def move_keys(self, slot: int, source: Node, target: Node) -> None:
        """Moves all keys of the slot, while they are used, as `redis-cli --cluster reshard`."""
        while keys := source.client.cluster("GETKEYSINSLOT", slot, 10):
            source.client.migrate("127.0.0.1", target.port, keys, 0, 5000)

    def move(self, slot: int, source: Node, target: Node) -> None:
        """Key by key."""
        self.begin_move(slot, source, target)
        self.move_keys(slot, source, target)
        self.end_move(slot, target)

    def move_whole(self, slot: int, source: Node, target: Node) -> None:
        """At once, as Valkey from 9.0 on can."""
        name = target.client.cluster("MYID")
        source.client.cluster("MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", name)
        eventually(lambda: target.serves(slot))

    def end_move(self, slot: int, target: Node) -> None:
        for node in (target, *self.primaries()):
            node.client.cluster("SETSLOT", slot, "NODE", target.client.cluster("MYID"))


@contextmanager
def cluster(program: str, folder: Path, replicas: int) -> Iterator[ClusterServers]:
    nodes = [Node(program, folder) for _ in range(3 * (1 + replicas))]
    try:
        yield ClusterServers(nodes, replicas)
    finally:
        for node in nodes:
            node.end()


_KINDS = ("intelligence:", "dedup:", "wm:", "seed-meta:intelligence:")


class Unprefixed(redis.Redis):
    """The keys of a store in a cluster, named without its prefix, so that the tests of other stores
    hold for it as they are."""

    prefix = "{regional}:"

    def execute_command(self, *args: Any, **options: Any) -> Any:
        base: Any = super()
        return base.execute_command(*map(self._whole, args), **options)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        found = super().pipeline(transaction, shard_hint)
        send: Any = found.execute_command

        def execute_command(*args: Any, **options: Any) -> Any:
            return send(*map(self._whole, args), **options)

        found.execute_command = execute_command  # type: ignore[method-assign]
        return found

    def scan_iter(self, match: Any = None, *args: Any, **options: Any) -> Iterator[bytes]:
        for key in super().scan_iter(match, *args, **options):
            yield key.removeprefix(self.prefix.encode())

    def _whole(self, argument: Any) -> Any:
        name = argument.decode(errors="replace") if isinstance(argument, bytes) else argument
        if isinstance(name, str) and (
            name.startswith(_KINDS) or name in INPUT_KEYS or name in COMPANION_KEYS
        ):
            return f"{self.prefix}{name}"
        return argument


class ClusterStore(WriterStore):
    """A store in a cluster, used by the writer that `regional-assets acl` makes for it. The inputs
    are in its slot, too, and the tests around it name all keys without the prefix."""

    def __init__(self, url: str, folder: Path) -> None:
        configured = settings(url, folder, input_prefix=Unprefixed.prefix)
        writer, _ = access.users(Keys.of(configured))
        user = f"://{quote(writer, safe='')}:{access.PASSWORD}@"
        self._writer = connect(settings(url.replace("://", user), folder))
        self._writer.ping()
        everything = connect(configured)
        inputs = Unprefixed.from_pool(everything.connection_pool)
        SnapshotStore.__init__(self, inputs, MODEL, configured)


def kind_of_store(url: str) -> type[OpenStore]:
    """The store for a test's server: on Redis and on a cluster the project has the rights of the
    writer that `regional-assets acl` prints."""
    if url.startswith("redis+cluster"):
        return ClusterStore
    return WriterStore if url.endswith("redis.sock") else OpenStore
