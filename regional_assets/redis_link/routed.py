"""What all routes share on which the address of the server can change: by Sentinels, and in a
cluster."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import ResponseError

from regional_assets.redis_link.server import Address, Pool, Server

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


def sign_of_move(error: ResponseError) -> Moved | None:
    """The error to raise in its place on a route that can change; None for any other error."""
    words = str(error)
    # redis-py takes the first word off where it knows it.
    code = error.status_code or words.partition(" ")[0]
    if code not in _SIGNS:
        return None
    return Moved(f"{code} {words}" if error.status_code else words)


class Routed(Server):
    """A server whose place another one can take. Its client's connections look the address up when
    they connect."""

    can_move = True

    def __init__(self, like: redis.Redis) -> None:
        """`like` has the options of the connections."""
        self.home: Address | None = None
        tls = issubclass(like.connection_pool.connection_class, redis.SSLConnection)
        options = like.get_connection_kwargs()
        super().__init__(redis.Redis.from_pool(RoutedPool(self, options, tls=tls)))

    def locate(self) -> Address:
        """The address now, by those who know it."""
        raise NotImplementedError

    def forget(self, suspect: Address | None = None) -> None:
        """Takes notice that what is known is out of date, or that this server does not answer."""

    @contextmanager
    def suspected(self, at: Address) -> Iterator[None]:
        """Takes notice when the server at this address does not answer."""
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError):
            self.forget(at)
            raise

    def start_over(self) -> None:
        """Prepares for another look at the whole, after connections were closed."""

    def lead(self) -> Address:
        """The address now. Connections that lead elsewhere are closed when they are not in use."""
        before, self.home = self.home, self.locate()
        if before not in (None, self.home):
            redis.ConnectionPool.disconnect(self.client.connection_pool, inuse_connections=False)
        return self.home


class RoutedPool(Pool):
    """Connections to a server whose place another one can take."""

    def __init__(self, server: Routed, options: Mapping[str, Any], *, tls: bool) -> None:
        kind = _TLSConnection if tls else _Connection
        self.server: Routed = server
        super().__init__(connection_class=kind, **{**options, "server": server})

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes the connections, after which the address is looked up anew."""
        super().disconnect(inuse_connections)
        self.server.start_over()

    def owns_connection(self, connection: Any) -> int:
        """Whether the connection may be used again: not when it leads elsewhere by now."""
        where = connection.host, connection.port
        return where == self.server.home and super().owns_connection(connection)


class _Connection(redis.Connection):
    def __init__(self, server: Routed, **options: Any) -> None:
        base: Any = super()
        base.__init__(**options)
        self._server = server

    def connect(self) -> None:
        base: Any = super()
        if not self.is_connected:
            self.host, self.port = self._server.lead()
        with self._server.suspected((self.host, self.port)):
            base.connect()

    def read_response(self, *args: Any, **options: Any) -> Any:
        base: Any = super()
        try:
            with self._server.suspected((self.host, self.port)):
                return base.read_response(*args, **options)
        except ResponseError as error:
            moved = sign_of_move(error)
            if not moved:
                raise
            base.disconnect()
            self._server.forget()
            raise moved from None


class _TLSConnection(_Connection, redis.SSLConnection):
    pass
