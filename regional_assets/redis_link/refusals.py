"""What an error of a server means and what to do, in tables."""

import re
import ssl
from typing import Any

import redis
from redis.exceptions import BusyLoadingError

from regional_assets.redis_link.errors import LinkError
from regional_assets.redis_link.server import OTHER_MODES, Moved, NoRoute, Server
from regional_assets.redis_link.text import one_line
from regional_assets.redis_link.tried import VERSION_ADVICE, fields, product

# A host name that cannot be encoded fails as a UnicodeError.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError, UnicodeError)

PRIMARY_ADVICE = "put the address of its primary in REDIS_URL"
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
    **dict.fromkeys(("MASTERDOWN", "READONLY"), f"it is a replica: {PRIMARY_ADVICE}"),
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
    # An error of one node of a cluster has a note of which it is.
    where = " of ".join([*getattr(error, "__notes__", [])[:1], str(server)])
    if isinstance(error, NoRoute):
        return LinkError(str(error))
    if isinstance(error, redis.InvalidResponse):
        # Its words quote what was received.
        return LinkError(f"what answers at {where} is no Redis server: correct REDIS_URL")
    return LinkError(f"Redis at {where} {_meaning(server, error, deadline)}")


def _meaning(server: Server, error: Exception, deadline: float) -> str:
    reason = refusal(error)
    # redis-py raises its own error while it handles the socket's.
    cause = error.__context__
    in_tls = isinstance(cause, ssl.SSLError)
    if isinstance(error, Moved):
        return server.unsettled.format(deadline=deadline, error=error)
    if isinstance(error, redis.AuthenticationError):
        return _login_problem(error)
    if re.search("unknown command ['`]AUTH", reason):
        known = f"knows no logins ({reason.partition(':')[0]})"
        return f"{known}: remove user and password from REDIS_URL, or correct its address"
    if isinstance(error, BusyLoadingError):
        return f"is not ready ({reason}): run again when it is"
    # A server that wants a password closes the connection at the first long command.
    closed = isinstance(error, redis.ConnectionError) and not in_tls
    is_suspect = closed or re.search("unknown command|Protocol error", reason)
    if is_suspect and (found := _wrong_server(server)):
        return found
    if not isinstance(error, UNREACHABLE):
        return f"refuses: {reason}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE_ADVICE.get(cause.verify_code, _CA_ADVICE)
        return f"has a certificate that is not accepted ({cause.verify_message}): {advice}"
    if in_tls:
        advice = f"redis:// is for a port without TLS; {_OWN_CERTIFICATE_ADVICE}"
        return f"does not answer ({reason}): {advice}"
    silent = f"does not answer ({reason}): {server.silent}"
    if server.has_tls and isinstance(error, redis.TimeoutError):
        return f"{silent}; a port without TLS stays silent like this, redis:// is for it"
    # The server's reason is sometimes lost when it closes the connection.
    lost = cause is None or isinstance(cause, ConnectionResetError | BrokenPipeError)
    return f"{silent}; {_OWN_CERTIFICATE_ADVICE}" if server.has_tls and lost else silent


def _login_problem(error: Exception) -> str:
    if getattr(error, "status_code", None) == "NOAUTH":
        return (
            "wants a password: put it in REDIS_URL, as in redis://user:password@host:6379/0 "
            "(without a user for the default one)"
        )
    return "refuses the login: check user and password in REDIS_URL"


def _wrong_server(server: Server) -> str:
    """What a new connection finds that no run could work with, and what to do; empty when it finds
    nothing. HELLO needs no rights, and is not too long for a server that wants a password."""
    connection: Any = server.client.connection_pool.make_connection()
    try:
        connection.send_command("HELLO")
        found = fields(connection.read_response())
        if (mode := found["mode"]) in OTHER_MODES and not server.can_move:
            return "is {}: {}".format(*OTHER_MODES[mode])
        if (known := product(found, {})).is_too_old:
            return f"is {known}: {VERSION_ADVICE}"
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
    return ""
