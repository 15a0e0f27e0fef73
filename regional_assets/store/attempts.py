"""A command that is sent again when its answer is lost, or another server is to carry it out."""

import ssl
import time
from collections.abc import Callable
from typing import TypeVar

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from regional_assets.settings import StoreSettings
from regional_assets.store.connection import UNREACHABLE, can_move, unavailable
from regional_assets.store.route import NoRoute

T = TypeVar("T")


def attempt(
    client: redis.Redis,
    settings: StoreSettings,
    command: Callable[[], T],
    *,
    deadline: float | None = None,
    patient: bool = True,
) -> T:
    """The result of `command`, which is sent again when the connection is lost, until `deadline`
    (of `time.monotonic`; by default the region deadline from now). Unless `patient`, a timeout is
    final. Raises `StoreError` when the server is unavailable.

    Pauses are jittered and double from 0.1 s up to 2 s. There are at most `settings.retries`,
    except where another server can take over, which takes seconds.
    """
    if deadline is None:
        deadline = time.monotonic() + settings.region_deadline
    movable = can_move(client)
    unrouted = 0

    def is_retryable(error: Exception) -> bool:
        nonlocal unrouted
        unrouted += isinstance(error, NoRoute) or isinstance(error.__context__, ssl.SSLError)
        return (
            not isinstance(error, redis.AuthenticationError)
            # Another server takes over from one that is silent.
            and (patient or movable or not isinstance(error, redis.TimeoutError))
            and unrouted <= settings.retries
            and time.monotonic() < deadline
        )

    def drop(_error: Exception) -> None:
        if movable:
            client.connection_pool.disconnect(inuse_connections=False)

    policy = Retry(
        ExponentialWithJitterBackoff(cap=2.0, base=0.1),
        -1 if movable else settings.retries,
        supported_errors=UNREACHABLE,
    )
    try:
        return policy.call_with_retry(command, drop, is_retryable=is_retryable)
    except (redis.RedisError, *UNREACHABLE) as error:
        raise unavailable(client, settings, error) from None
