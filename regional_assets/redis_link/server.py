"""What is asked of a server, whichever kind it is of: the class of a single one, and that of one
whose place another can take, from which the other kinds differ by a method or two."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partialmethod
from ipaddress import ip_address
from typing import Any, NamedTuple

import redis
from redis.connection import DefaultParser
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection

from regional_assets.redis_link.results import Result, ok, problem
from regional_assets.redis_link.tried import VERSION_ADVICE

# The name of a command, its key, its other arguments.
Command = tuple[str, str] | tuple[str, str, bytes]


class Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def of(cls, client: redis.Redis) -> "Address":
        options = client.get_connection_kwargs()
        return cls(options.get("host", "localhost"), options.get("port", 6379))


# The mode in the reply to HELLO → what such a server is, and what it asks for.
OTHER_MODES = {
    "cluster": (
        "part of a cluster, where the keys of one commit lie on several nodes",
        "name its nodes in REDIS_URL, as redis+cluster://host:port,host:port",
    ),
    "sentinel": (
        "a Sentinel, which holds no data",
        "name the Sentinels and the service in REDIS_URL, as "
        "redis+sentinel://host:port,host:port/service/0",
    ),
}
# By the first word of a server's error: it did not carry out the command, or no longer stands by
# it, and another server will.
_SIGNS_OF_MOVE = "ASK CLUSTERDOWN MASTERDOWN MOVED NOREPLICAS READONLY TRYAGAIN UNBLOCKED".split()


class Server:
    """A single server. Its text is its address, without user or password."""

    # Whether another server can take its place, by itself and within seconds.
    can_move = False
    # What to do when no server has taken a command within the deadline.
    unsettled = ""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        pool: Any = client.connection_pool
        pool.server = self

    def __str__(self) -> str:
        if "path" in self._options:
            return f"unix://{self._options['path']}"
        return f"{Address.of(self.client)}/{self._options.get('db', 0)}"

    @property
    def _options(self) -> dict[str, Any]:
        return self.client.get_connection_kwargs()

    @property
    def silent(self) -> str:
        """What to do when it does not answer."""
        return "start it, or correct REDIS_URL (without REDIS_URL an embedded server is used)"

    @property
    def host(self) -> str:
        return Address.of(self.client).host

    @property
    def is_on_this_machine(self) -> bool:
        """Whether its address means this machine, whichever that is."""
        if "path" in self._options or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def has_tls(self) -> bool:
        return issubclass(self.client.connection_pool.connection_class, redis.SSLConnection)

    def start_over(self, error: Exception) -> None:
        """Prepares, after an error, for another server that takes its place."""

    def apart(self, names: Sequence[str]) -> Sequence[str]:
        """Those of these keys that may not be used in one command or script with others."""
        return ()

    def each(self, commands: Iterable[Command]) -> list[Any]:
        """The reply or error to each command of one key, wherever it lies, in one round trip."""
        pipeline: Any
        with self.client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute(raise_on_error=False))

    def write(self, values: Mapping[str, bytes]) -> None:
        """Stores strings: all or none, where they all lie on one server."""
        self.client.mset(dict(values))

    def nodes(self) -> Mapping[str, redis.Redis]:
        """A client of each server with users of its own that may get the keys, by its address."""
        return {str(self): self.client}

    def mode(self, announced: str) -> Result:
        """Whether it is of the kind that its address names; `announced` is its mode by HELLO."""
        if announced == "standalone":
            return ok("no cluster")
        return problem(*OTHER_MODES.get(announced, (announced, VERSION_ADVICE)))

    def failover(self) -> Result | None:
        """Whether another server can take its place now; None where none ever does so."""
        return None


class Moved(redis.ConnectionError):
    """The server did not carry out the command, because another one is to do so now or soon. The
    words are the server's. The connection is closed; the next one looks the address up anew."""

    @classmethod
    def by(cls, error: redis.RedisError) -> "Moved | None":
        """What that error of a server comes to on a route that can change; None for any other."""
        # redis-py takes the first word off where it knows it.
        words = f"{error.status_code} {error}" if error.status_code else str(error)
        return cls(words) if words.partition(" ")[0] in _SIGNS_OF_MOVE else None


class NoRoute(redis.ConnectionError):
    """Nobody gives the server's address. The words are whole."""


class Routed(Server):
    """A server whose place another one can take. Its client's connections look the address up when
    they connect, by the ways that redis-py has for Sentinels. `like` has their options."""

    can_move = True

    def __init__(self, like: redis.Redis) -> None:
        options = dict(like.get_connection_kwargs())
        options["parser_class"] = parser_with(
            lambda error: Moved.by(error) or error, options["parser_class"]
        )
        kind = _TLSConnection if Server(like).has_tls else _Connection
        pool: Any = _Pool
        self._pool = pool("", self, connection_class=kind, **options)
        super().__init__(redis.Redis.from_pool(self._pool))

    @property
    def home(self) -> Address | None:
        """The address that was found last."""
        found: Address | None = self._pool.master_address
        return found

    def discover_master(self, service: str) -> Address:
        """The address now, by those who know it. The name and the service are redis-py's."""
        return self.locate()

    def locate(self) -> Address:
        raise NotImplementedError

    def others(self) -> Sequence[redis.Redis]:
        """The clients of those who are asked."""
        raise NotImplementedError

    def start_over(self, error: Exception) -> None:
        """Closes all connections that are not in use, so that the address is looked up anew."""
        for client in (self.client, *self.others()):
            client.connection_pool.disconnect(inuse_connections=False)


class _Pool(SentinelConnectionPool):
    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        # The client is closed, and closes all.
        if inuse_connections:
            for client in self.sentinel_manager.others():
                client.close()


class _Connection(SentinelManagedConnection):
    # As of any other connection: one with half of a reply in it may not be used again.
    read_response = partialmethod(SentinelManagedConnection.read_response, disconnect_on_error=True)


class _TLSConnection(_Connection, redis.SSLConnection):
    pass


def parser_with(
    change: Callable[[redis.RedisError], redis.RedisError], parser: Any = DefaultParser
) -> type:
    """A parser of replies that puts other errors in the place of the server's. redis-py raises one
    of connections as soon as it is read, and closes the connection."""

    def parse_error(response: str) -> redis.RedisError:
        try:
            return change(parser.parse_error(response))
        # A redirection that is malformed.
        except ValueError:
            return change(redis.ResponseError(response))

    return type("Parser", (parser,), {"parse_error": staticmethod(parse_error)})


def server_of(client: redis.Redis) -> Server:
    """The server that the connections of a client lead to."""
    known: Server | None = getattr(client.connection_pool, "server", None)
    return known or Server(client)
