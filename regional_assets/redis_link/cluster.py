"""Redis or Valkey in cluster mode: one plain client of the node that has the slot of the keys that
belong together, and the others, whose keys lie in any slot, from the nodes that have them.

redis-py's own cluster client does not serve: its nodes take no parser of replies, so that a server
that quotes a password would be quoted; it asks for COMMAND, a right that users do not have; a node
that hangs costs it one timeout for each key; and its error names one of many silent nodes.
"""

import random
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, repeat
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

from regional_assets.redis_link.errors import LinkError
from regional_assets.redis_link.refusals import UNREACHABLE, refusal
from regional_assets.redis_link.results import Result, ok, problem, warning
from regional_assets.redis_link.server import Address, Command, Moved, NoRoute, Routed, Server
from regional_assets.redis_link.text import as_text, one_line

_SLOTS = 16_384
# A key that is moved again while it is followed has been moved by hand, or in a loop.
_REDIRECTS = 5

# By slot: its primary and then its replicas.
Table = list[list[Address]]


class Cluster(Routed):
    """The nodes of a cluster, with a plain client of each, and which of them has which slot. Its
    own client is of the node with the slot of `hash_tag`; `seeds` are those of the nodes that are
    asked first. Safe to share between threads."""

    unsettled = (
        "has not settled within {deadline:g} s ({error}): see `redis-cli --cluster check`, and run "
        "again when its nodes agree and no slot is on the move"
    )

    def __init__(self, seeds: Sequence[redis.Redis], hash_tag: str) -> None:
        super().__init__(seeds[0])
        self.slot = key_slot(hash_tag.encode())
        self._like = seeds[0].connection_pool
        self._seeds = [Address.of(seed) for seed in seeds]
        self._clients = dict(zip(self._seeds, seeds, strict=True))
        self._slots: Table = []
        self._suspects: set[Address] = set()
        self._lock = threading.RLock()

    def __str__(self) -> str:
        home = f"at {self.home}" if self.home else "not found yet"
        return f"cluster {','.join(map(str, self._seeds))} (slot {self.slot} {home})"

    def locate(self) -> Address:
        return self.slot_nodes(self.slot)[0]

    def others(self) -> Sequence[redis.Redis]:
        with self._lock:
            return list(self._clients.values())

    def start_over(self, error: Exception) -> None:
        super().start_over(error)
        self.forget(None if isinstance(error, Moved) else self.home)

    def forget(self, suspect: Address | None = None) -> None:
        """The nodes are asked again before the slots are next needed, the suspect last."""
        with self._lock:
            self._slots = []
            if suspect:
                self._suspects.add(suspect)

    def slot_nodes(self, slot: int) -> list[Address]:
        """The primary of the slot, then its replicas. Raises `LinkError` when what answers is no
        cluster, `NoRoute` when no node answers, `Moved` while the slot has no node."""
        if nodes := self._table()[slot]:
            return nodes
        self.forget()
        raise Moved(f"CLUSTERDOWN no node has slot {slot}")

    def nodes(self) -> Mapping[str, redis.Redis]:
        """Every primary and every replica: each has users of its own."""
        return {f"{node}/0": self._client(node) for node in self._nodes()}

    def apart(self, names: Sequence[str]) -> Sequence[str]:
        return names

    def each(self, commands: Iterable[Command]) -> list[Any]:
        """In one round trip for all nodes, which work side by side, and another for keys that have
        moved meanwhile."""
        wanted = list(commands)
        replies: list[Any] = [None] * len(wanted)
        asked: dict[Address, list[int]] = defaultdict(list)
        for position, command in enumerate(wanted):
            asked[self.slot_nodes(key_slot(command[1].encode()))[0]].append(position)
        for redirects in range(_REDIRECTS):
            moved: dict[Address, list[int]] = defaultdict(list)
            sent = [[wanted[at] for at in positions] for positions in asked.values()]
            with ThreadPoolExecutor(max(1, len(sent))) as threads:
                found = threads.map(self._replies, asked, sent, repeat(redirects > 0))
            for (node, positions), of_node in zip(asked.items(), found, strict=True):
                for position, reply in zip(positions, of_node, strict=True):
                    replies[position] = reply
                    if isinstance(reply, MovedError):
                        self.forget()
                    # Also of a key that has moved.
                    if isinstance(reply, AskError):
                        # A node without a host of its own is on the one that names it.
                        moved[Address(reply.host or node.host, reply.port)].append(position)
            if not moved:
                break
            asked = moved
        for reply in replies:
            if isinstance(reply, ResponseError) and (sign := Moved.by(reply)):
                self.forget()
                raise sign
        return replies

    def write(self, values: Mapping[str, bytes]) -> None:
        for reply in self.each([("SET", name, value) for name, value in values.items()]):
            if isinstance(reply, Exception):
                raise reply

    def mode(self, announced: str) -> Result:
        """Whether the cluster serves all slots, whether the node of the client's slot has replicas,
        and whether every node lets this user in."""
        served = sum(map(bool, self._table()))
        primary, *replicas = self.slot_nodes(self.slot)
        info: Any = self._client(primary).cluster("INFO")
        if info["cluster_state"] != "ok" or served < _SLOTS:
            return problem(
                f"cluster_state:{info['cluster_state']}, {served} of {_SLOTS} slots have a node",
                "see `redis-cli --cluster check`",
            )
        found = f"slot {self.slot} on {primary}, {len(replicas)} replicas"
        barred = []
        for node in self._nodes():
            try:
                self._client(node).ping()
            except (redis.RedisError, *UNREACHABLE) as error:
                barred.append(f"{node}: {refusal(error)}")
        if barred:
            return problem(
                "; ".join([found, *barred]),
                "a node may become the one with the keys at any time: start it, and give every "
                "node the users of `regional-assets acl`",
            )
        if not replicas:
            return warning(
                found,
                "give that node a replica (redis-cli --cluster add-node ... --cluster-slave): "
                "without one, its loss stops all runs",
            )
        return ok(found)

    def _replies(self, node: Address, commands: Sequence[Command], asking: bool) -> list[Any]:
        # A node that a key is on its way to has to be told that this is known.
        before: list[Any] = [("ASKING",)] if asking else []
        words = [word for command in commands for word in (*before, command)]
        with self._at(node):
            return Server(self._client(node)).each(words)[len(before) :: len(before) + 1]

    def _client(self, address: Address) -> redis.Redis:
        with self._lock:
            if address not in self._clients:
                options = {**self._like.connection_kwargs, **address._asdict()}
                pool = redis.ConnectionPool(self._like.connection_class, **options)
                self._clients[address] = redis.Redis.from_pool(pool)
            return self._clients[address]

    def _nodes(self) -> list[Address]:
        return list(dict.fromkeys(chain.from_iterable(self._table())))

    def _table(self) -> Table:
        with self._lock:
            if not self._slots:
                self._slots = self._ask()
            return self._slots

    def _ask(self) -> Table:
        silent = []
        barred: redis.RedisError | None = None
        # In random order, because one of them may be cut off and out of date.
        candidates = random.sample(list(self._clients), len(self._clients))
        for asked in sorted(candidates, key=self._suspects.__contains__):
            try:
                with self._at(asked):
                    reply = self._client(asked).cluster("SLOTS")
            except (AuthenticationError, NoPermissionError) as error:
                # Each node has users of its own; another may let this one in.
                barred = barred or error
            except ResponseError as error:
                # The second is a Sentinel's.
                if re.search("cluster support disabled|unknown command", str(error)):
                    raise LinkError(
                        f"Redis at {asked} is no node of a cluster: in REDIS_URL, redis:// "
                        "is for a single server, redis+sentinel:// for Sentinels"
                    ) from None
                raise
            except (redis.RedisError, *UNREACHABLE) as error:
                # redis-py raises its own error while it handles the socket's.
                if isinstance(error.__context__, ssl.SSLError):
                    raise
                silent.append(f"{asked}: {one_line(error)}")
            else:
                self._suspects.discard(asked)
                found: Table = [[]] * _SLOTS
                for first, last, *nodes in reply:
                    # A node that announces no host is on the host by which it was asked.
                    at = [Address(as_text(n[0] or b"") or asked.host, n[1]) for n in nodes]
                    found[first : last + 1] = [at] * (last + 1 - first)
                return found
        if barred:
            raise barred
        raise NoRoute(
            f"no node of the {self} answers ({'; '.join(silent)}): start them, or correct REDIS_URL"
        )

    @contextmanager
    def _at(self, node: Address) -> Iterator[None]:
        """Notes on an error which node it is from. One that does not answer is a suspect."""
        try:
            yield
        except (redis.RedisError, OSError) as error:
            if isinstance(error, redis.ConnectionError | redis.TimeoutError):
                self.forget(node)
            error.add_note(str(node))
            raise
