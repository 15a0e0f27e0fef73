"""A redis-py client for the configured server, and its errors with address and remedy."""

import json
import re
import ssl
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.connection import DefaultParser
from redis.retry import Retry

from regional_assets.errors import SettingsError, StoreError
from regional_assets.settings import StoreSettings
from regional_assets.store import embedded, redis_url
from regional_assets.store.cluster import Cluster, cluster_of
from regional_assets.store.errors import one_line
from regional_assets.store.keys import Keys
from regional_assets.store.route import Moved, NoRoute
from regional_assets.store.sentinel import Sentinels, sentinels_of
from regional_assets.store.state_folder import write_problem
from regional_assets.store.tried import VERSION_ADVICE, product
from regional_assets.store.wire import as_text

# A host name that cannot be encoded fails as a UnicodeError.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError, UnicodeError)

# The reply to HELLO → what such a server is.
OTHER_MODES = {
    "cluster": "part of a cluster, where the keys of one commit lie on several nodes",
    "sentinel": "a Sentinel, which holds no data",
}
# What such a server asks for.
MODE_ADVICE = {
    "cluster": "name its nodes in REDIS_URL, as redis+cluster://host:port,host:port",
    "sentinel": (
        "name the Sentinels and the service in REDIS_URL, as "
        "redis+sentinel://host:port,host:port/service/0"
    ),
}
PRIMARY_ADVICE = "put the address of its primary in REDIS_URL"

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
    is no `redis_url`; in a cluster, of the node that has the keys; with Sentinels, of the primary
    that they name. It connects with the first command. Raises `SettingsError`.

    The client itself does not repeat commands: `SnapshotStore` does, under a deadline.
    """
    if settings.redis_url is None:
        return _client(embedded.ensure_running(settings.state_dir), settings)
    url = redis_url.checked(settings.redis_url)
    if settings.in_cluster:
        seeds = [_client(seed, settings) for seed in redis_url.each_seed(url)]
        return Cluster(seeds, Keys.of(settings).prefix).home_client()
    if url.partition("://")[0] in redis_url.SENTINEL_SCHEMES:
        found = redis_url.sentinel_route(url)
        sentinels = [_client(sentinel, settings) for sentinel in found.sentinels]
        return Sentinels(sentinels, found.service).primary_client(_client(found.server, settings))
    return _client(url, settings)


def _client(url: str, settings: StoreSettings) -> redis.Redis:
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
        options = client.get_connection_kwargs()
        options["parser_class"] = _parser_without(options.get("password") or "")
        client.connection_pool.make_connection()
    # Their messages may quote a part of the address.
    except (ValueError, TypeError, redis.RedisError):
        raise SettingsError(
            "REDIS_URL is not a Redis address: an option has a value that redis-py does not know, "
            "or is one for rediss:// alone"
        ) from None
    if "ssl_ca_certs" in options:
        _check_ca(options["ssl_ca_certs"])
    return client


# Any so many characters of a secret give it away.
_TELLING = 4


def _without(secret: str, words: str) -> str:
    """A server's words without any part of the secret. They may quote it cut off, escaped or in
    another case."""
    escaped = (json.dumps(secret)[1:-1], repr(secret.encode())[2:-1], quote(secret, safe=""))
    parts = {
        re.escape(form[at : at + _TELLING])
        for form in (secret, one_line(secret), *escaped)
        for at in range(max(1, len(form) - _TELLING + 1))
    } - {""}
    if not parts:
        return words
    shown = list(words)
    for found in re.finditer(f"(?=({'|'.join(parts)}))", words, re.IGNORECASE):
        shown[slice(*found.span(1))] = "\0" * len(found[1])
    return re.sub("\0+", "***", "".join(shown))


def _parser_without(secret: str) -> type:
    """A parser of replies whose errors do not hold the secret: the one place where the server's
    words come in."""
    parser: Any = DefaultParser

    def parse_error(response: str) -> redis.RedisError:
        try:
            error: redis.RedisError = parser.parse_error(response)
        # A redirection that is malformed.
        except ValueError:
            error = redis.ResponseError(response)
        error.args = (_without(secret, str(error)),)
        return error

    return type("Parser", (parser,), {"parse_error": staticmethod(parse_error)})


def _check_ca(path: str) -> None:
    # Otherwise the first connection fails with a message that does not name the file.
    try:
        ssl.create_default_context().load_verify_locations(path)
    except OSError as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"REDIS_URL: ssl_ca_certs names {path}: {why}") from None


def address(client: redis.Redis) -> str:
    """The address of the client's server, without user or password."""
    if cluster := cluster_of(client):
        return str(cluster)
    if sentinels := sentinels_of(client):
        return str(sentinels)
    options = client.get_connection_kwargs()
    if "path" in options:
        return f"unix://{options['path']}"
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return f"{host}:{port}/{options.get('db', 0)}"


def is_on_this_machine(client: redis.Redis) -> bool:
    """Whether the address of the client's server means this machine, whichever that is."""
    options = client.get_connection_kwargs()
    sentinels = sentinels_of(client)
    primary = sentinels.primary if sentinels else None
    host = primary[0] if primary else str(options.get("host", "localhost"))
    try:
        return "path" in options or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def can_move(client: redis.Redis) -> bool:
    """Whether another server can take the place of this one."""
    return cluster_of(client) is not None or sentinels_of(client) is not None


# The server appends the first when it stops a script, and the second to a command that it does not
# know; redis-py puts the third before an error in a pipeline. None helps a reader.
_NOISE = re.compile(
    r"\.? script: .*@user_script.*|, with args beginning with: .*"
    r"|^Command # \d+ \(.*?\) of pipeline caused error: "
)
_REPLICA_ADVICE = f"it is a replica: {PRIMARY_ADVICE}"
_CLUSTER_ADVICE = f"it is {OTHER_MODES['cluster']}: {MODE_ADVICE['cluster']}"
_UNKNOWN_COMMAND = "unknown command"
# By the first word of the server's error.
_REFUSAL_ADVICE = {
    "ASK": _CLUSTER_ADVICE,
    "BUSY": "wait until the script has ended, or end it with SCRIPT KILL",
    "CLUSTERDOWN": _CLUSTER_ADVICE,
    "CROSSSLOT": _CLUSTER_ADVICE,
    "MASTERDOWN": _REPLICA_ADVICE,
    "MISCONF": "see the server's log, and make room on its disk",
    "MOVED": _CLUSTER_ADVICE,
    "NOPERM": (
        "`regional-assets doctor` names the rights that this user lacks, `regional-assets acl` "
        "prints the rules of one who has them"
    ),
    "NOREPLICAS": (
        "it wants more replicas (min-replicas-to-write): start them, or lower that number"
    ),
    "OOM": "raise its maxmemory, or make room",
    "READONLY": _REPLICA_ADVICE,
    "TRYAGAIN": _CLUSTER_ADVICE,
}
_NO_LOGIN = (
    "wants a password: put it in REDIS_URL, as in redis://user:password@host:6379/0 (without a "
    "user for the default one)"
)


def refusal(error: Exception) -> str:
    """The server's error when it refuses a command, and what to do."""
    words = (_NOISE.sub("", one_line(error)) or type(error).__name__).rstrip(".")
    code = getattr(error, "status_code", None) or words.partition(" ")[0]
    advice = _REFUSAL_ADVICE.get(code)
    if words.startswith(_UNKNOWN_COMMAND):
        advice = f"{VERSION_ADVICE}, with the commands' own names"
    return f"{words}: {advice}" if advice else words


def fields(reply: Any) -> dict[str, str]:
    """The text fields of the reply to HELLO."""
    flat = iter(reply)
    return {
        as_text(name): as_text(value)
        for name, value in zip(flat, flat, strict=True)
        if isinstance(value, bytes)
    }


def _wrong_server(client: redis.Redis) -> str | None:
    """What a new connection finds that no run could work with, and what to do; None when it finds
    nothing. HELLO needs no rights, and is not too long for a server that wants a password."""
    connection: Any = client.connection_pool.make_connection()
    try:
        connection.send_command("HELLO")
        found = fields(connection.read_response())
        if (mode := found["mode"]) in OTHER_MODES and not can_move(client):
            return f"is {OTHER_MODES[mode]}: {MODE_ADVICE[mode]}"
        if (server := product(found, {})).is_too_old:
            return f"is {server}: {VERSION_ADVICE}"
    except redis.AuthenticationError as error:
        return _login_problem(error)
    except redis.ResponseError as error:
        if _UNKNOWN_COMMAND in str(error) and "HELLO" in str(error):
            return f"is older than Redis 6.0: {VERSION_ADVICE}"
    # The error that led here is the one to report.
    except (redis.RedisError, *UNREACHABLE, ValueError, KeyError, TypeError):
        pass
    finally:
        connection.disconnect()
    return None


def _login_problem(error: redis.AuthenticationError) -> str:
    if error.status_code == "NOAUTH":
        return _NO_LOGIN
    return "refuses the login: check user and password in REDIS_URL"


def unavailable(client: redis.Redis, settings: StoreSettings, error: Exception) -> StoreError:
    """The error to raise when the server is unavailable. Asks it what it is where the error alone
    does not tell."""
    # An error of one node of a cluster has a note of which it is.
    where = " of ".join([*getattr(error, "__notes__", [])[:1], address(client)])
    if isinstance(error, NoRoute):
        return StoreError(str(error))
    if isinstance(error, Moved) and sentinels_of(client):
        return StoreError(
            f"Redis at {where} has not taken the command within {settings.region_deadline:g} s "
            f"({error}): see `regional-assets doctor`, and run again when the Sentinels agree on a "
            "primary"
        )
    if isinstance(error, Moved):
        return StoreError(
            f"Redis at {where} has not settled within {settings.region_deadline:g} s ({error}): "
            "see `redis-cli --cluster check`, and run again when its nodes agree and no slot is "
            "on the move"
        )
    # redis-py raises its own error while it handles the socket's.
    cause = error.__context__
    if isinstance(error, redis.AuthenticationError):
        return StoreError(f"Redis at {where} {_login_problem(error)}")
    if isinstance(error, redis.InvalidResponse):
        # Its words quote what was received.
        return StoreError(f"what answers at {where} is no Redis server: correct REDIS_URL")
    reason = refusal(error)
    if "unknown command 'AUTH'" in reason or "unknown command `AUTH`" in reason:
        return StoreError(
            f"Redis at {where} knows no logins ({reason.partition(':')[0]}): remove user and "
            "password from REDIS_URL, or correct its address"
        )
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return StoreError(f"Redis at {where} is not ready ({reason}): run again when it is")
    # A server that wants a password closes the connection at the first long command.
    closed = isinstance(error, redis.ConnectionError) and not isinstance(cause, ssl.SSLError)
    if closed or re.search("unknown command|Protocol error", reason):
        problem = _wrong_server(client)
        if problem:
            return StoreError(f"Redis at {where} {problem}")
    if not isinstance(error, UNREACHABLE):
        return StoreError(f"Redis at {where} refuses: {reason}")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StoreError(
            f"Redis at {where} has a certificate that is not accepted ({cause.verify_message}): "
            f"{_CERTIFICATE_ADVICE.get(cause.verify_code, _CA_ADVICE)}"
        )
    if isinstance(cause, ssl.SSLError):
        advice = f"redis:// is for a port without TLS; {_OWN_CERTIFICATE_ADVICE}"
    elif settings.redis_url:
        advice = "start it, or correct REDIS_URL (without REDIS_URL an embedded server is used)"
        if sentinels_of(client):
            advice = (
                "start it, or wait until its Sentinels have chosen another primary, and run again"
            )
        if settings.redis_url.startswith("rediss"):
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
