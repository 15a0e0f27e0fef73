"""A service's primary as its Sentinels name it: one plain client, whose connections look it up."""

from collections.abc import Iterator, Sequence
from typing import Any

import redis
from redis.exceptions import ResponseError
from redis.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from regional_assets.errors import StoreError
from regional_assets.store.errors import one_line
from regional_assets.store.route import NoRoute, sign_of_move

Address = tuple[str, int]
# What a Sentinel says of a service, by redis-py's names.
State = dict[str, Any]


class Sentinels(Sentinel):
    """The Sentinels of one service, each through a plain client."""

    def __init__(self, clients: Sequence[redis.Redis], service: str) -> None:
        base: Any = super()
        base.__init__([], sentinel_kwargs={})
        self.sentinels: list[redis.Redis] = list(clients)
        self.service = service
        self.primary: Address | None = None
        self._named = ",".join(map(_address, clients))

    def __str__(self) -> str:
        primary = f"primary {_shown(self.primary)}" if self.primary else "primary not known yet"
        return f"service {self.service} of the Sentinels {self._named} ({primary})"

    def primary_client(self, like: redis.Redis) -> redis.Redis:
        """A client whose connections go to the primary, with the options of `like`."""
        options = dict(like.get_connection_kwargs())
        del options["host"], options["port"]
        tls = issubclass(like.connection_pool.connection_class, redis.SSLConnection)
        kind = _TLSPrimary if tls else _Primary
        pool: Any = PrimaryPool(self.service, self, connection_class=kind, **options)
        return redis.Redis.from_pool(pool)

    def each(self) -> Iterator[tuple[str, State | Exception | None]]:
        """Each Sentinel's address, and what it says of the service: None when it does not know it;
        or why it does not answer."""
        for sentinel in list(self.sentinels):
            try:
                yield _address(sentinel), _state(sentinel, self.service)
            except (redis.RedisError, OSError, UnicodeError) as error:
                yield _address(sentinel), error

    def discover_master(self, service_name: str) -> Address:
        """The primary, by the first Sentinel that has one (asked first from then on). Raises
        `NoRoute` when none answers, `StoreError` when none knows the service, redis-py's error
        while the primary is down."""
        silent, unknown, down = [], [], []
        for at, state in self.each():
            if isinstance(state, Exception):
                silent.append(f"{at}: {_why(state)}")
            elif state is None:
                unknown.append(at)
            elif problem := _problem(state):
                down.append(f"{at}: {_shown((state['ip'], state['port']))} {problem}")
            else:
                self._ask_first(at)
                self.primary = state["ip"], state["port"]
                return self.primary
        rest = f" ({'; '.join(silent)})" if silent else ""
        if down:
            raise redis.ConnectionError(
                "its Sentinels name no primary that is alive, and have chosen no other yet: "
                f"{'; '.join(down)}{rest}"
            )
        if unknown:
            raise StoreError(
                f"the Sentinels {', '.join(unknown)} know no service {service_name}{rest}: correct "
                "its name in REDIS_URL, or add it to them (SENTINEL MONITOR)"
            )
        raise NoRoute(
            f"no Sentinel of the service {service_name} answers{rest}: start them, or correct "
            "REDIS_URL (their password is ?sentinel_password=)"
        )

    def ask_another(self) -> None:
        """Another Sentinel is asked first, because this one may be cut off and out of date."""
        self.sentinels = [*self.sentinels[1:], *self.sentinels[:1]]

    def _ask_first(self, at: str) -> None:
        self.sentinels = sorted(self.sentinels, key=lambda sentinel: _address(sentinel) != at)


def sentinels_of(client: redis.Redis) -> Sentinels | None:
    """The Sentinels of a client that `Sentinels.primary_client` made; None for any other."""
    pool = client.connection_pool
    return pool.sentinels if isinstance(pool, PrimaryPool) else None


class PrimaryPool(SentinelConnectionPool):
    """Connections to the primary, each looked up when it connects."""

    def __init__(self, service: str, sentinels: Sentinels, **options: Any) -> None:
        self.sentinels = sentinels
        base: Any = super()
        base.__init__(service, sentinels, **options)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes connections, after which another Sentinel is asked first."""
        super().disconnect(inuse_connections)
        self.sentinels.ask_another()


class _Primary(SentinelManagedConnection):
    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            # redis-py's own reaction to READONLY has no words of the server.
            return redis.Connection.read_response(self, *args, **options)
        except ResponseError as error:
            moved = sign_of_move(error)
            if not moved:
                raise
            base: Any = super()
            base.disconnect()
            raise moved from None


class _TLSPrimary(_Primary, SentinelManagedSSLConnection):
    pass


def _state(sentinel: redis.Redis, service: str) -> State | None:
    commands: Any = sentinel
    found: dict[str, State] = commands.sentinel_masters()
    return found.get(service)


def _problem(state: State) -> str:
    """Why what a Sentinel names is no primary to connect to; empty when it is one."""
    if state["is_odown"]:
        return "is down, as the quorum agrees"
    if state["is_sdown"]:
        return "seems down to this one"
    return "" if state["is_master"] else "is no primary"


def _why(error: Exception) -> str:
    if "unknown command" in str(error):
        return "it is no Sentinel"
    return one_line(error) or type(error).__name__


def _address(sentinel: redis.Redis) -> str:
    options = sentinel.get_connection_kwargs()
    return _shown((options["host"], options["port"]))


def _shown(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
