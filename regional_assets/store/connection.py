"""A redis-py client for the configured server, and errors that say where and what to do."""

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from regional_assets.store import embedded
from regional_assets.store.settings import SettingsError, StoreSettings

# A host name that cannot be encoded fails as a UnicodeError.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError, UnicodeError)


class StoreError(RuntimeError):
    """The store cannot be used; the message names the server (never a password) and says what
    to do."""


# Whatever a user of the store can do something about; each message says what.
STORE_ERRORS = (StoreError, embedded.EmbeddedServerError, SettingsError)


def connect(settings: StoreSettings) -> redis.Redis:
    """A client of the configured server, of the embedded one (started if need be) when there is
    no `redis_url`. Connects with the first command.

    The client itself does not repeat commands: `SnapshotStore` does, under a deadline.
    """
    if settings.redis_url is None:
        url = embedded.ensure_running(settings.state_dir)
    else:
        url = settings.redis_url
    try:
        client = redis.Redis.from_url(
            url,
            # RESP2 and no client metadata: RESP3's greeting and two CLIENT SETINFO would each
            # cost a round trip on every new connection, and nothing here needs them.
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=settings.connect_timeout,
            socket_timeout=settings.answer_timeout,
        )
        client.connection_pool.make_connection()
    # Their words may quote what they take for a port or an address: part of a password.
    except (ValueError, TypeError):
        raise SettingsError(
            "REDIS_URL is not a Redis address, such as rediss://user:password@host:6379/0 "
            "(special characters in user and password percent-encoded), or has an option that "
            "redis-py does not know"
        ) from None
    if client.get_connection_kwargs().get("decode_responses"):
        raise SettingsError("REDIS_URL must not set decode_responses")
    return client


def address(client: redis.Redis) -> str:
    """Where the client's server is, without user or password."""
    options = client.get_connection_kwargs()
    if "path" in options:
        return f"unix://{options['path']}"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"{host}:{port}/{options.get('db', 0)}"


def retry_policy(settings: StoreSettings) -> Retry:
    """How lost connections are retried: a jittered pause that doubles from 0.1 s up to 2 s."""
    return Retry(
        ExponentialWithJitterBackoff(cap=2.0, base=0.1),
        settings.retries,
        supported_errors=UNREACHABLE,
    )


def unavailable(client: redis.Redis, settings: StoreSettings, error: Exception) -> StoreError:
    """The error to raise when the server does not serve."""
    where = address(client)
    if isinstance(error, redis.AuthenticationError):
        return StoreError(
            f"Redis at {where} refuses the login: check user and password in REDIS_URL"
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, UNREACHABLE):
        return StoreError(f"Redis at {where} refuses: {reason}")
    advice = (
        "start it, or correct REDIS_URL (without REDIS_URL an embedded server is used)"
        if settings.redis_url
        else "the embedded server starts again with the next command"
    )
    return StoreError(f"Redis at {where} does not answer ({reason}): {advice}")
