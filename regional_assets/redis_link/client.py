"""Clients for an address: plain ones of redis-py, whose pools know which kind of server it is; and
a command that is sent again when its answer is lost, or another server is to carry it out."""

import json
import re
import ssl
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from regional_assets.redis_link.cluster import Cluster
from regional_assets.redis_link.embedded import EmbeddedServer, ensure_running
from regional_assets.redis_link.errors import AddressError
from regional_assets.redis_link.refusals import UNREACHABLE, unavailable
from regional_assets.redis_link.sentinel import SentinelService
from regional_assets.redis_link.server import NoRoute, Server, parser_with
from regional_assets.redis_link.text import one_line
from regional_assets.redis_link.url import checked, route

T = TypeVar("T")


class Patience(msgspec.Struct, frozen=True):
    """How long clients wait for a connection and for an answer, how often they send a command again
    and until when they begin to; times in seconds."""

    connect_timeout: float
    answer_timeout: float
    retries: int
    deadline: float


def connect(url: str, patience: Patience, hash_tag: str) -> redis.Redis:
    """A client of the server at this address: in a cluster, of the node that has the slot of
    `hash_tag`; with Sentinels, of the primary that they name. It connects with the first command,
    and repeats none (see `attempt`). Raises `AddressError`."""
    found = route(checked(url))
    server, *others = [_client(address, patience) for address in (*found.servers, *found.sentinels)]
    if found.in_cluster:
        return Cluster([server, *others], hash_tag).client
    if found.service:
        return SentinelService(server, others, found.service).client
    return server


def connect_embedded(state_dir: Path, patience: Patience) -> redis.Redis:
    """A client of the folder's embedded server, which is started unless it is running. Raises
    `EmbeddedServerError`."""
    return EmbeddedServer(_client(ensure_running(state_dir), patience)).client


def attempt(
    server: Server,
    patience: Patience,
    command: Callable[[], T],
    *,
    deadline: float | None = None,
    patient: bool = True,
) -> T:
    """The result of `command`, which is sent again when the connection is lost, until `deadline`
    (of `time.monotonic`; by default that of `patience` from now). Unless `patient`, a timeout is
    final. Raises `LinkError` when the server is unavailable.

    Pauses are jittered and double from 0.1 s up to 2 s. There are at most `patience.retries`,
    except where another server can take over, which takes seconds.
    """
    if deadline is None:
        deadline = time.monotonic() + patience.deadline
    unrouted = 0

    def is_retryable(error: Exception) -> bool:
        nonlocal unrouted
        unrouted += isinstance(error, NoRoute) or isinstance(error.__context__, ssl.SSLError)
        return (
            not isinstance(error, redis.AuthenticationError)
            # Another server takes over from one that is silent.
            and (patient or server.can_move or not isinstance(error, redis.TimeoutError))
            and unrouted <= patience.retries
            and time.monotonic() < deadline
        )

    policy = Retry(
        ExponentialWithJitterBackoff(cap=2.0, base=0.1),
        -1 if server.can_move else patience.retries,
        supported_errors=UNREACHABLE,
    )
    try:
        return policy.call_with_retry(command, server.start_over, is_retryable=is_retryable)
    except (redis.RedisError, *UNREACHABLE) as error:
        raise unavailable(server, error, patience.deadline) from None


def _client(url: str, patience: Patience) -> redis.Redis:
    try:
        pool = redis.ConnectionPool.from_url(
            url,
            # RESP2 and no client metadata: RESP3's greeting and two CLIENT SETINFO would each
            # cost a round trip on every new connection, and nothing here needs them.
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=patience.connect_timeout,
            socket_timeout=patience.answer_timeout,
        )
        options = pool.connection_kwargs
        # The one place where the server's words come in.
        secret = options.get("password") or ""
        options["parser_class"] = parser_with(partial(_censored, secret))
        pool.make_connection()
    # Their messages may quote a part of the address.
    except (ValueError, TypeError, redis.RedisError):
        raise AddressError(
            "REDIS_URL is not a Redis address: an option has a value that redis-py does not know, "
            "or is one for rediss:// alone"
        ) from None
    if "ssl_ca_certs" in options:
        _check_ca(options["ssl_ca_certs"])
    return Server(redis.Redis.from_pool(pool)).client


def _check_ca(path: str) -> None:
    # Otherwise the first connection fails with a message that does not name the file.
    try:
        ssl.create_default_context().load_verify_locations(path)
    except OSError as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise AddressError(f"REDIS_URL: ssl_ca_certs names {path}: {why}") from None


# Any so many characters of a secret give it away.
_TELLING = 4


def _censored(secret: str, error: redis.RedisError) -> redis.RedisError:
    """The error without any part of the secret, which a server may quote cut off, escaped or in
    another case."""
    if not secret:
        return error
    escaped = (json.dumps(secret)[1:-1], repr(secret.encode())[2:-1], quote(secret, safe=""))
    parts = {
        re.escape(form[at : at + _TELLING])
        for form in filter(None, (secret, one_line(secret), *escaped))
        for at in range(max(1, len(form) - _TELLING + 1))
    }
    words = str(error)
    shown = list(words)
    for found in re.finditer(f"(?=({'|'.join(parts)}))", words, re.IGNORECASE):
        shown[slice(*found.span(1))] = "\0" * len(found[1])
    error.args = (re.sub("\0+", "***", "".join(shown)),)
    return error
