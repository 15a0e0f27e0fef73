"""What is asked of a server, whichever kind it is of: the class of a single one, from which the
other kinds differ by a method or two."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

import redis

from regional_assets.redis_link.results import Result, ok, problem
from regional_assets.redis_link.tried import VERSION_ADVICE

Address = tuple[str, int]
# The name of a command, its key, its other arguments.
Command = tuple[str, str] | tuple[str, str, bytes]

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
        return f"{shown(address_of(self.client))}/{self._options.get('db', 0)}"

    @property
    def _options(self) -> dict[str, Any]:
        return self.client.get_connection_kwargs()

    @property
    def silent(self) -> str:
        """What to do when it does not answer."""
        return "start it, or correct REDIS_URL (without REDIS_URL an embedded server is used)"

    @property
    def host(self) -> str:
        """The host it is on."""
        return address_of(self.client)[0]

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
        """Whether connections to it are encrypted."""
        return issubclass(self.client.connection_pool.connection_class, redis.SSLConnection)

    def start_over(self, error: Exception) -> None:
        """Prepares, after an error, for another server that takes its place."""

    def apart(self, names: Sequence[str]) -> Sequence[str]:
        """Those of these keys that may not be used in one command or script with others."""
        return ()

    def each(self, commands: Iterable[Command]) -> list[Any]:
        """The reply or error to each command of one key, wherever the keys are, in one round
        trip."""
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


def address_of(client: redis.Redis) -> Address:
    """Where its connections begin."""
    options = client.get_connection_kwargs()
    return options.get("host", "localhost"), options.get("port", 6379)


def shown(address: Address) -> str:
    """As in a message."""
    return f"{address[0]}:{address[1]}"


def server_of(client: redis.Redis) -> Server:
    """The server that the connections of a client lead to."""
    known: Server | None = getattr(client.connection_pool, "server", None)
    return known or Server(client)
