"""A command that is sent again when its answer is lost, or another server is to carry it out."""

import ssl
import time
from collections.abc import Callable
from typing import TypeVar

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from regional_assets.redis_link.client import Patience
from regional_assets.redis_link.refusals import UNREACHABLE, unavailable
from regional_assets.redis_link.routed import NoRoute
from regional_assets.redis_link.server import Server

T = TypeVar("T")


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
