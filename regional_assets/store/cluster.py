"""Redis or Valkey in cluster mode: one plain client of the node that has the slot of all this
project's keys, and the inputs, whose keys lie in any slot, from the nodes that have them."""

import random
import re
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import redis
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    MovedError,
    NoPermissionError,
    ResponseError,
)

from regional_assets.errors import StoreError
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.store.errors import one_line
from regional_assets.store.route import Moved, NoRoute, sign_of_move
from regional_assets.store.wire import as_text

Address = tuple[str, int]
# The name of a command, its key, its other arguments.
Command = tuple[str, str] | tuple[str, str, bytes]

# A key that is moved again while it is followed has been moved by hand, or in a loop.
_REDIRECTS = 5


class Cluster:
    """The nodes of a cluster, with a plain client of each, and which of them has which slot.

    `seeds` are clients of the nodes that are asked first. Safe to share between threads.
    """

    def __init__(self, seeds: Sequence[redis.Redis], prefix: str) -> None:
        self.slot = key_slot(prefix.encode())
        self.home: Address | None = None
        self._options = dict(seeds[0].get_connection_kwargs())
        self._class = seeds[0].connection_pool.connection_class
        self._seeds = [_address(seed) for seed in seeds]
        self._clients = dict(zip(self._seeds, seeds, strict=True))
        self._slots: list[tuple[int, int, list[Address]]] = []
        self._suspects: set[Address] = set()
        self._lock = threading.RLock()

    def __str__(self) -> str:
        seeds = ",".join(f"{host}:{port}" for host, port in self._seeds)
        home = f"at {self.home[0]}:{self.home[1]}" if self.home else "not found yet"
        return f"cluster {seeds} (slot {self.slot} {home})"

    def client(self, address: Address) -> redis.Redis:
        """The plain client of one node."""
        with self._lock:
            if address not in self._clients:
                host, port = address
                options = {**self._options, "host": host, "port": port}
                pool = redis.ConnectionPool(connection_class=self._class, **options)
                self._clients[address] = redis.Redis.from_pool(pool)
            return self._clients[address]

    def home_client(self) -> redis.Redis:
        """A client whose connections go to the node that has the slot of this project's keys."""
        kind = _TLSHome if issubclass(self._class, redis.SSLConnection) else _Home
        return redis.Redis.from_pool(HomePool(self, kind, self._options))

    def forget(self, suspect: Address | None = None) -> None:
        """The nodes are asked again before the slots are next needed, the suspect last."""
        with self._lock:
            self._slots = []
            if suspect:
                self._suspects.add(suspect)

    def close(self) -> None:
        """Closes the connections of the nodes' clients that are not in use."""
        with self._lock:
            for client in self._clients.values():
                client.connection_pool.disconnect(inuse_connections=False)

    def locate(self) -> Address:
        """The primary of this project's slot."""
        self.home = self.nodes(self.slot)[0]
        return self.home

    def nodes(self, slot: int) -> list[Address]:
        """The primary of the slot, then its replicas. Raises `StoreError` when what answers is no
        cluster, `NoRoute` when no node answers, `Moved` while the slot has no node."""
        for first, last, nodes in self.slots():
            if first <= slot <= last:
                return nodes
        self.forget()
        raise Moved(f"CLUSTERDOWN no node has slot {slot}")

    def all_nodes(self) -> list[Address]:
        """Every primary and every replica."""
        return list(dict.fromkeys(node for _, _, nodes in self.slots() for node in nodes))

    def slots(self) -> list[tuple[int, int, list[Address]]]:
        """Ranges of slots, each with its primary and then its replicas."""
        with self._lock:
            if not self._slots:
                self._slots = self._ask()
            return self._slots

    def _ask(self) -> list[tuple[int, int, list[Address]]]:
        silent = {}
        refusal: redis.RedisError | None = None
        # In random order, because one of them may be cut off and out of date.
        candidates = random.sample(list(self._clients), len(self._clients))
        for asked in sorted(candidates, key=self._suspects.__contains__):
            try:
                with _named(asked):
                    reply = self.client(asked).cluster("SLOTS")
                self._suspects.discard(asked)
                return [
                    (first, last, [_announced(node, asked) for node in nodes])
                    for first, last, *nodes in reply
                ]
            except (AuthenticationError, NoPermissionError) as error:
                # Each node has users of its own; another may let this one in.
                refusal = refusal or error
            except ResponseError as error:
                # The second is a Sentinel's.
                if re.search("cluster support disabled|unknown command", str(error)):
                    raise StoreError(
                        f"Redis at {asked[0]}:{asked[1]} is no node of a cluster: in REDIS_URL, "
                        "redis:// is for a single server, redis+sentinel:// for Sentinels"
                    ) from None
                raise
            except (redis.RedisError, OSError, UnicodeError) as error:
                # redis-py raises its own error while it handles the socket's.
                if isinstance(error.__context__, ssl.SSLError):
                    raise
                silent[asked] = error
        if refusal:
            raise refusal
        said = "; ".join(f"{host}:{port}: {one_line(e)}" for (host, port), e in silent.items())
        raise NoRoute(f"no node of the {self} answers ({said}): start them, or correct REDIS_URL")

    def values(self, names: Mapping[str, str]) -> dict[str, StoredValue]:
        """The strings under `names`, which are the values, by their keys. They are read from all
        nodes side by side, so that they are no view of one moment."""
        replies = self.each([("GET", name) for name in names.values()])
        found = {}
        for (key, name), reply in zip(names.items(), replies, strict=True):
            error = None
            if isinstance(reply, Exception):
                if not str(reply).startswith("WRONGTYPE"):
                    raise reply
                reply, error = None, f"WRONGTYPE {name} holds something else than a string"
            found[key] = StoredValue(reply, error, name)
        return found

    def write(self, values: Mapping[str, bytes]) -> None:
        """Stores strings, each on the node that has its key; raises the first error."""
        for reply in self.each([("SET", name, value) for name, value in values.items()]):
            if isinstance(reply, Exception):
                raise reply

    def each(self, commands: Sequence[Command]) -> list[Any]:
        """The reply or error to each command of one key, wherever the keys are: one round trip for
        all nodes, and another for keys that have moved meanwhile."""
        replies: list[Any] = [None] * len(commands)
        asked: dict[Address, list[int]] = {}
        for position, command in enumerate(commands):
            primary = self.nodes(key_slot(command[1].encode()))[0]
            asked.setdefault(primary, []).append(position)
        for redirects in range(_REDIRECTS):
            again: dict[Address, list[int]] = {}
            for address, found in self._side_by_side(asked, commands, redirected=redirects > 0):
                for position, reply in found.items():
                    replies[position] = reply
                    if isinstance(reply, MovedError):
                        self.forget()
                    if isinstance(reply, AskError):
                        # A node without a host of its own is on the one that names it.
                        node = reply.host or address[0], reply.port
                        again.setdefault(node, []).append(position)
            if not again:
                break
            asked = again
        for reply in replies:
            if isinstance(reply, ResponseError) and (moved := sign_of_move(reply)):
                self.forget()
                raise moved
        return replies

    def _side_by_side(
        self, asked: Mapping[Address, list[int]], commands: Sequence[Command], redirected: bool
    ) -> Iterator[tuple[Address, dict[int, Any]]]:
        def send(address: Address) -> dict[int, Any]:
            pipeline: Any
            with _named(address), self.client(address).pipeline(transaction=False) as pipeline:
                for position in asked[address]:
                    if redirected:
                        pipeline.execute_command("ASKING")
                    pipeline.execute_command(*commands[position])
                try:
                    replies = pipeline.execute(raise_on_error=False)
                except (redis.ConnectionError, redis.TimeoutError):
                    self.forget(address)
                    raise
            answers = replies[1::2] if redirected else replies
            return dict(zip(asked[address], answers, strict=True))

        with ThreadPoolExecutor(len(asked) or 1) as threads:
            yield from zip(asked, threads.map(send, asked), strict=True)


def cluster_of(client: redis.Redis) -> Cluster | None:
    """The cluster of a client that `Cluster.home_client` made; None for any other."""
    pool = client.connection_pool
    return pool.cluster if isinstance(pool, HomePool) else None


class HomePool(redis.ConnectionPool):
    """Connections to the node that has the slot, each looked up when it connects."""

    def __init__(self, cluster: Cluster, kind: type["_Home"], options: Mapping[str, Any]) -> None:
        self.cluster = cluster
        super().__init__(connection_class=kind, **{**options, "cluster": cluster})

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes the connections to all nodes."""
        super().disconnect(inuse_connections)
        self.cluster.close()
        self.cluster.forget()


def _address(client: redis.Redis) -> Address:
    options = client.get_connection_kwargs()
    return options.get("host", "localhost"), options.get("port", 6379)


def _announced(node: Sequence[Any], asked: Address) -> Address:
    # One that announces no host is on the host by which it was asked.
    return as_text(node[0] or b"") or asked[0], node[1]


@contextmanager
def _named(node: Address) -> Iterator[None]:
    """Notes on an error which node it is from."""
    try:
        yield
    except (redis.RedisError, OSError) as error:
        error.add_note(f"{node[0]}:{node[1]}")
        raise


class _Home(redis.Connection):
    def __init__(self, cluster: Cluster, **options: Any) -> None:
        base: Any = super()
        base.__init__(**options)
        self._cluster = cluster

    def connect(self) -> None:
        if not self.is_connected:
            self.host, self.port = self._cluster.locate()
        base: Any = super()
        with self._suspected():
            base.connect()

    def read_response(self, *args: Any, **options: Any) -> Any:
        base: Any = super()
        try:
            with self._suspected():
                return base.read_response(*args, **options)
        except ResponseError as error:
            moved = sign_of_move(error)
            if not moved:
                raise
            base.disconnect()
            self._cluster.forget()
            raise moved from None

    @contextmanager
    def _suspected(self) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError):
            self._cluster.forget((self.host, self.port))
            raise


class _TLSHome(_Home, redis.SSLConnection):
    pass
