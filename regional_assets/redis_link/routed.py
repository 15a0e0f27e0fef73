"""What all routes share on which the address of the server can change: by Sentinels, and in a
cluster."""

from collections.abc import Sequence
from functools import partialmethod
from typing import Any

import redis
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection

from regional_assets.redis_link.server import Address, Server

# By the first word of a server's error: it did not carry out the command, or no longer stands by
# it, and another server will.
_SIGNS = (
    *("ASK", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "NOREPLICAS", "READONLY", "TRYAGAIN"),
    "UNBLOCKED",
)


class Moved(redis.ConnectionError):
    """The server did not carry out the command, because another one is to do so now or soon. The
    words are the server's. The connection is closed; the next one looks the address up anew."""


class NoRoute(redis.ConnectionError):
    """Nobody gives the server's address. The words are whole."""


def sign_of_move(error: redis.RedisError) -> Moved | None:
    """The error to raise in its place on a route that can change; None for any other error."""
    words = str(error)
    # redis-py takes the first word off where it knows it.
    code = error.status_code or words.partition(" ")[0]
    if code not in _SIGNS:
        return None
    return Moved(f"{code} {words}" if error.status_code else words)


class Routed(Server):
    """A server whose place another one can take. Its client's connections look the address up when
    they connect, by the ways that redis-py has for Sentinels."""

    can_move = True

    def __init__(self, like: redis.Redis) -> None:
        """`like` has the options of the connections."""
        tls = issubclass(like.connection_pool.connection_class, redis.SSLConnection)
        options = dict(like.get_connection_kwargs())
        options["parser_class"] = _parser_of_moves(options["parser_class"])
        kind = _TLSConnection if tls else _Connection
        pool: Any = _Pool
        self._pool = pool("", self, connection_class=kind, **options)
        super().__init__(redis.Redis.from_pool(self._pool))

    @property
    def home(self) -> Address | None:
        """The address that was found last."""
        found: Address | None = self._pool.master_address
        return found

    def locate(self) -> Address:
        """The address now, by those who know it."""
        raise NotImplementedError

    def discover_master(self, _service: str) -> Address:
        """As redis-py calls it."""
        return self.locate()

    def others(self) -> Sequence[redis.Redis]:
        """The clients of those who are asked."""
        raise NotImplementedError

    def start_over(self, error: Exception) -> None:
        """Closes all connections that are not in use, after an error, so that the address is looked
        up anew."""
        for client in (self.client, *self.others()):
            client.connection_pool.disconnect(inuse_connections=False)


class _Pool(SentinelConnectionPool):
    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        # So that the client closes all when it is closed.
        if inuse_connections:
            for client in self.sentinel_manager.others():
                client.close()


class _Connection(SentinelManagedConnection):
    # As of any other connection: one with half of a reply in it may not be used again.
    read_response = partialmethod(SentinelManagedConnection.read_response, disconnect_on_error=True)


class _TLSConnection(_Connection, redis.SSLConnection):
    pass


def _parser_of_moves(parser: Any) -> type:
    """A parser that raises `Moved`. redis-py raises an error of connections as soon as it is read,
    and closes the connection."""

    def parse_error(response: str) -> redis.RedisError:
        error: redis.RedisError = parser.parse_error(response)
        return sign_of_move(error) or error

    return type("Parser", (parser,), {"parse_error": staticmethod(parse_error)})
