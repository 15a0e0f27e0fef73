"""What an error of a server means and what to do, in tables."""

import re
import ssl
from collections.abc import Callable
from functools import cached_property
from typing import Any

import redis
from redis.exceptions import BusyLoadingError

from regional_assets.redis_link.errors import LinkError
from regional_assets.redis_link.routed import Moved, NoRoute
from regional_assets.redis_link.server import OTHER_MODES, Server
from regional_assets.redis_link.text import one_line
from regional_assets.redis_link.tried import VERSION_ADVICE, fields, product

# A host name that cannot be encoded fails as a UnicodeError.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError, UnicodeError)

PRIMARY_ADVICE = "put the address of its primary in REDIS_URL"
_REPLICA_ADVICE = f"it is a replica: {PRIMARY_ADVICE}"
_CLUSTER_ADVICE = "it is {}: {}".format(*OTHER_MODES["cluster"])
_UNKNOWN_COMMAND = "unknown command"
# By the first word of the server's error.
_REFUSAL_ADVICE = {
    "BUSY": "wait until the script has ended, or end it with SCRIPT KILL",
    "MISCONF": "see the server's log, and make room on its disk",
    "NOPERM": (
        "`regional-assets doctor` names the rights that this user lacks, `regional-assets acl` "
        "prints the rules of one who has them"
    ),
    "NOREPLICAS": (
        "it wants more replicas (min-replicas-to-write): start them, or lower that number"
    ),
    "OOM": "raise its maxmemory, or make room",
    **dict.fromkeys(("MASTERDOWN", "READONLY"), _REPLICA_ADVICE),
    **dict.fromkeys(("ASK", "CLUSTERDOWN", "CROSSSLOT", "MOVED", "TRYAGAIN"), _CLUSTER_ADVICE),
}
# The server appends the first when it stops a script, and the second to a command that it does not
# know; redis-py puts the third before an error in a pipeline. None helps a reader.
_NOISE = re.compile(
    r"\.? script: .*@user_script.*|, with args beginning with: .*"
    r"|^Command # \d+ \(.*?\) of pipeline caused error: "
)

_CLOCK_ADVICE = "renew it on the server, unless this machine's clock is wrong"
_HOST_ADVICE = "put the host name in REDIS_URL that it was issued for"
# By OpenSSL's error number (X509_V_ERR_...).
_CERTIFICATE_ADVICE = {9: _CLOCK_ADVICE, 10: _CLOCK_ADVICE, 62: _HOST_ADVICE, 64: _HOST_ADVICE}
_CA_ADVICE = (
    "name the file of the CA that signed it in REDIS_URL, as rediss://...?ssl_ca_certs=/path/ca.pem"
)
_OWN_CERTIFICATE_ADVICE = (
    "a server that asks for a certificate gets it by ssl_certfile=... and ssl_keyfile=... in "
    "REDIS_URL"
)


def refusal(error: Exception) -> str:
    """The server's error when it refuses a command, and what to do."""
    words = (_NOISE.sub("", one_line(error)) or type(error).__name__).rstrip(".")
    code = getattr(error, "status_code", None) or words.partition(" ")[0]
    advice = _REFUSAL_ADVICE.get(code)
    if words.startswith(_UNKNOWN_COMMAND):
        advice = f"{VERSION_ADVICE}, with the commands' own names"
    return f"{words}: {advice}" if advice else words


def unavailable(server: Server, error: Exception, deadline: float) -> LinkError:
    """The error to raise when the server is unavailable, also after the `deadline` (s). Asks it
    what it is where the error alone does not tell."""
    failure = _Failure(server, error, deadline)
    words = next(words for applies, words in _MEANINGS if applies(failure))
    return LinkError(words.format(failure))


class _Failure:
    """An error that a server gave, or that stands for its silence, and what words are made of."""

    def __init__(self, server: Server, error: Exception, deadline: float) -> None:
        self.server = server
        self.error = error
        # redis-py raises its own error while it handles the socket's.
        self.cause = error.__context__
        # An error of one node of a cluster has a note of which it is.
        self.where = " of ".join([*getattr(error, "__notes__", [])[:1], str(server)])
        self.reason = refusal(error)
        self.command = self.reason.partition(":")[0]
        self.unsettled = server.unsettled.format(deadline=deadline, error=error)

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self.reason) is not None

    @property
    def login(self) -> str:
        if getattr(self.error, "status_code", None) == "NOAUTH":
            return (
                "wants a password: put it in REDIS_URL, as in redis://user:password@host:6379/0 "
                "(without a user for the default one)"
            )
        return "refuses the login: check user and password in REDIS_URL"

    @cached_property
    def wrong_server(self) -> str:
        """What a new connection finds that no run could work with, and what to do; empty when it
        finds nothing. HELLO needs no rights, and is not too long for a server that wants a
        password, which closes the connection at the first long command."""
        closed = isinstance(self.error, redis.ConnectionError)
        if isinstance(self.cause, ssl.SSLError):
            closed = False
        if not closed and not self.has("unknown command|Protocol error"):
            return ""
        connection: Any = self.server.client.connection_pool.make_connection()
        try:
            connection.send_command("HELLO")
            found = fields(connection.read_response())
            if (mode := found["mode"]) in OTHER_MODES and not self.server.can_move:
                return "is {}: {}".format(*OTHER_MODES[mode])
            if (known := product(found, {})).is_too_old:
                return f"is {known}: {VERSION_ADVICE}"
        except redis.AuthenticationError as error:
            return _Failure(self.server, error, 0).login
        except redis.ResponseError as error:
            if _UNKNOWN_COMMAND in str(error) and "HELLO" in str(error):
                return f"is older than Redis 6.0: {VERSION_ADVICE}"
        # The error that led here is the one to report.
        except (redis.RedisError, *UNREACHABLE, ValueError, KeyError, TypeError):
            pass
        finally:
            connection.disconnect()
        return ""

    @property
    def certificate_advice(self) -> str:
        return _CERTIFICATE_ADVICE.get(getattr(self.cause, "verify_code", 0), _CA_ADVICE)

    @property
    def advice(self) -> str:
        if isinstance(self.cause, ssl.SSLError):
            return f"redis:// is for a port without TLS; {_OWN_CERTIFICATE_ADVICE}"
        if self.server.has_tls and isinstance(self.error, redis.TimeoutError):
            return (
                f"{self.server.silent}; a port without TLS stays silent like this, redis:// is for "
                "it"
            )
        # The server's reason is sometimes lost when it closes the connection.
        lost = self.cause is None or isinstance(self.cause, ConnectionResetError | BrokenPipeError)
        if self.server.has_tls and lost:
            return f"{self.server.silent}; {_OWN_CERTIFICATE_ADVICE}"
        return self.server.silent


def _is(*kinds: type[Exception]) -> Callable[[_Failure], bool]:
    return lambda failure: isinstance(failure.error, kinds)


# The first that applies → the message.
_MEANINGS: tuple[tuple[Callable[[_Failure], object], str], ...] = (
    (_is(NoRoute), "{0.error}"),
    (_is(Moved), "Redis at {0.where} {0.unsettled}"),
    (_is(redis.AuthenticationError), "Redis at {0.where} {0.login}"),
    # Its words quote what was received.
    (
        _is(redis.InvalidResponse),
        "what answers at {0.where} is no Redis server: correct REDIS_URL",
    ),
    (
        lambda failure: failure.has("unknown command ['`]AUTH['`]"),
        "Redis at {0.where} knows no logins ({0.command}): remove user and password from "
        "REDIS_URL, or correct its address",
    ),
    (_is(BusyLoadingError), "Redis at {0.where} is not ready ({0.reason}): run again when it is"),
    (lambda failure: failure.wrong_server, "Redis at {0.where} {0.wrong_server}"),
    (
        lambda failure: not isinstance(failure.error, UNREACHABLE),
        "Redis at {0.where} refuses: {0.reason}",
    ),
    (
        lambda failure: isinstance(failure.cause, ssl.SSLCertVerificationError),
        "Redis at {0.where} has a certificate that is not accepted ({0.cause.verify_message}): "
        "{0.certificate_advice}",
    ),
    (_is(Exception), "Redis at {0.where} does not answer ({0.reason}): {0.advice}"),
)
