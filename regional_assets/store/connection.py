"""A redis-py client for the configured server, and its errors with address and remedy."""

import re
import ssl

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from regional_assets.settings import SettingsError, StoreSettings
from regional_assets.store import embedded
from regional_assets.store.errors import StoreError, one_line
from regional_assets.store.state_folder import write_problem

# A host name that cannot be encoded fails as a UnicodeError.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError, UnicodeError)

_CA_ADVICE = (
    "name the file of the CA that signed it in REDIS_URL, as rediss://...?ssl_ca_certs=/path/ca.pem"
)
_HOST_ADVICE = "put the host name in REDIS_URL that it was issued for"
_CLOCK_ADVICE = "renew it on the server, unless this machine's clock is wrong"
_OWN_CERTIFICATE_ADVICE = (
    "a server that asks for a certificate gets it by ssl_certfile=... and ssl_keyfile=... in "
    "REDIS_URL"
)
# By OpenSSL's error number (X509_V_ERR_...).
_CERTIFICATE_ADVICE = {9: _CLOCK_ADVICE, 10: _CLOCK_ADVICE, 62: _HOST_ADVICE, 64: _HOST_ADVICE}


def connect(settings: StoreSettings) -> redis.Redis:
    """A client of the configured server, or of the embedded one (started if necessary) when there
    is no `redis_url`. It connects with the first command. Raises `SettingsError`.

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
    # Their messages may quote part of a password, mistaken for a port or an address.
    except (ValueError, TypeError, redis.RedisError):
        raise SettingsError(
            "REDIS_URL is not a Redis address, such as rediss://user:password@host:6379/0 "
            "(special characters in user and password percent-encoded), or has an option or a "
            "value that redis-py does not know"
        ) from None
    options = client.get_connection_kwargs()
    if options.get("decode_responses"):
        raise SettingsError("REDIS_URL must not set decode_responses")
    if "ssl_ca_certs" in options:
        _check_ca(options["ssl_ca_certs"])
    return client


def _check_ca(path: str) -> None:
    # Otherwise the first connection fails with a message that does not name the file.
    try:
        ssl.create_default_context().load_verify_locations(path)
    except OSError as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"REDIS_URL: ssl_ca_certs names {path}: {why}") from None


def address(client: redis.Redis) -> str:
    """The address of the client's server, without user or password."""
    options = client.get_connection_kwargs()
    if "path" in options:
        return f"unix://{options['path']}"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"{host}:{port}/{options.get('db', 0)}"


def retry_policy(settings: StoreSettings) -> Retry:
    """The policy for lost connections: jittered pauses that double from 0.1 s up to 2 s."""
    return Retry(
        ExponentialWithJitterBackoff(cap=2.0, base=0.1),
        settings.retries,
        supported_errors=UNREACHABLE,
    )


# The server appends the first when it stops a script; redis-py puts the second before an error in
# a pipeline. Neither helps a reader.
_NOISE = re.compile(
    r"\.? script: .*@user_script.*|^Command # \d+ \(.*?\) of pipeline caused error: "
)
_PRIMARY_ADVICE = "this is a replica, name its primary in REDIS_URL"
_REFUSAL_ADVICE: dict[type[Exception], str] = {
    redis.exceptions.OutOfMemoryError: "raise its maxmemory, or make room",
    redis.exceptions.ReadOnlyError: _PRIMARY_ADVICE,
    redis.exceptions.MasterDownError: _PRIMARY_ADVICE,
    redis.exceptions.NoPermissionError: (
        "`regional-assets doctor` names the rights that this user lacks, `regional-assets acl` "
        "prints the rules of one who has them"
    ),
}


def refusal(error: Exception) -> str:
    """The server's error when it refuses a command, and what to do."""
    words = _NOISE.sub("", one_line(error)) or type(error).__name__
    advice = _REFUSAL_ADVICE.get(type(error))
    return f"{words.rstrip('.')}: {advice}" if advice else words


def unavailable(client: redis.Redis, settings: StoreSettings, error: Exception) -> StoreError:
    """The error to raise when the server is unavailable."""
    where = address(client)
    if isinstance(error, redis.AuthenticationError):
        return StoreError(
            f"Redis at {where} refuses the login: check user and password in REDIS_URL"
        )
    reason = refusal(error)
    if not isinstance(error, UNREACHABLE):
        return StoreError(f"Redis at {where} refuses: {reason}")
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return StoreError(f"Redis at {where} is not ready ({reason}): run again when it is")
    # redis-py raises its own error while it handles the socket's.
    cause = error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StoreError(
            f"Redis at {where} has a certificate that is not accepted ({cause.verify_message}): "
            f"{_CERTIFICATE_ADVICE.get(cause.verify_code, _CA_ADVICE)}"
        )
    if isinstance(cause, ssl.SSLError):
        advice = f"redis:// is for a port without TLS; {_OWN_CERTIFICATE_ADVICE}"
    elif settings.redis_url:
        advice = "start it, or correct REDIS_URL (without REDIS_URL an embedded server is used)"
        if settings.redis_url.startswith("rediss:"):
            if isinstance(error, redis.TimeoutError):
                advice += "; a port without TLS stays silent like this, redis:// is for it"
            # The server's reason is sometimes lost when it closes the connection.
            elif isinstance(cause, ConnectionResetError | BrokenPipeError) or cause is None:
                advice += f"; {_OWN_CERTIFICATE_ADVICE}"
    else:
        advice = (
            write_problem(embedded.socket_path(settings.state_dir).parent)
            or "the embedded server starts again with the next command"
        )
    return StoreError(f"Redis at {where} does not answer ({reason}): {advice}")
