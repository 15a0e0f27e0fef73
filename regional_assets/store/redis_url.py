"""What `REDIS_URL` may be. Of a password with an unescaped `/`, `#` or `?`, its parser in redis-py
makes a host's name or a database, and it overlooks what it cannot read.

No message quotes the address: any part of it may be part of a password.
"""

import inspect
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec
from redis.connection import URL_QUERY_ARGUMENT_PARSERS, SSLConnection

from regional_assets.errors import SettingsError
from regional_assets.settings import CLUSTER_SCHEMES

_SCHEMES = ("redis", "rediss", "unix")
# How answers are read and commands repeated is the project's own matter.
_RESERVED = ("legacy_responses", "protocol", "retry_on_error", "retry_on_timeout", "timeout")
_OPTIONS = {
    *(name for name in URL_QUERY_ARGUMENT_PARSERS if name not in _RESERVED),
    *(name for name in inspect.signature(SSLConnection).parameters if name.startswith("ssl_")),
    *("username", "password", "client_name"),
}
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
# No server has more databases than have so many digits.
_DATABASE = re.compile("[0-9]{1,9}")
# What Sentinel accepts as the name of a service.
_SERVICE = re.compile("[A-Za-z0-9._-]+")


SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
# Of the Sentinels themselves, which have users of their own.
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
_SENTINEL_PORT = 26379


class SentinelRoute(msgspec.Struct, frozen=True):
    """A `redis+sentinel://` address: the plain address of each Sentinel; the service; and the plain
    address of its primary, with a Sentinel's host and port in the place of the unknown one."""

    sentinels: list[str]
    service: str
    server: str


def each_seed(url: str) -> list[str]:
    """The address of each node that a `redis+cluster://` address names."""
    scheme, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    user, at, hosts = authority.rpartition("@")
    tail = rest[len(authority) :]
    plain = scheme.removesuffix("+cluster")
    return [f"{plain}://{user}{at}{host}{tail}" for host in hosts.split(",")]


def checked(url: str) -> str:
    """The address, in which files are named from the root; raises `SettingsError` for anything that
    redis-py would misread."""
    scheme, slashes, rest = url.partition("://")
    if scheme in CLUSTER_SCHEMES:
        return _checked_cluster(url)
    if scheme in SENTINEL_SCHEMES:
        return _checked_sentinel(url)
    if scheme not in _SCHEMES or not slashes or not url.isprintable():
        raise _no_address(
            "expected redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, such as "
            "rediss://user:password@host:6379/0, without control characters"
        )
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    remainder = rest[len(authority) :]
    if "#" in remainder or ("@" in remainder and (authority or scheme != "unix")):
        raise _no_address(
            "the characters / ? # and @ of user and password have to be percent-encoded "
            "(%2F %3F %23 %40), as has an @ further on"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _no_address(
            "its host, its port or its options cannot be read; in user and password, "
            "percent-encode all but letters and digits"
        ) from None
    if "%40" in authority.rpartition("@")[2]:
        raise _no_address("the @ before its host may not be percent-encoded")
    if port == 0:
        raise _no_address("its port has to be 1 to 65535")
    if scheme == "unix" and (authority.rpartition("@")[2] or not parts.path.strip("/")):
        raise _no_address("unix:// is followed by the socket's whole path, as in unix:///run/redis")
    _check_options([name for name, _ in options])
    databases = [value for name, value in options if name == "db"]
    if scheme != "unix" and parts.path.strip("/"):
        databases.append(parts.path.removeprefix("/"))
    if len(databases) > 1 or not all(map(_DATABASE.fullmatch, databases)):
        raise _no_address("its database has to be one number, as in /0")
    if not any(name in _FILES for name, _ in options):
        return url
    absolute = [
        (name, str(Path(value).absolute()) if name in _FILES else value) for name, value in options
    ]
    return f"{url.partition('?')[0]}?{urlencode(absolute, safe='/', quote_via=quote)}"


def _checked_cluster(url: str) -> str:
    checked_seeds = list(map(checked, each_seed(url)))
    for parts in map(urlsplit, checked_seeds):
        if not parts.hostname:
            raise _no_address("redis+cluster:// is followed by host:port,host:port...")
        if parts.path.strip("/0") or "db" in dict(parse_qsl(parts.query)):
            raise _no_address("a cluster has database 0 alone")
    # What follows the hosts is the same for all.
    seed = each_seed(url)[0]
    return url.removesuffix(seed.partition("?")[2]) + checked_seeds[0].partition("?")[2]


def sentinel_route(url: str) -> SentinelRoute:
    """What a `redis+sentinel://` address names; raises `SettingsError`."""
    scheme, _, rest = url.partition("://")
    before, mark, query = rest.partition("?")
    authority, _, path = before.partition("/")
    user, at, hosts = authority.rpartition("@")
    service, _, database = path.partition("/")
    try:
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark))
    except ValueError:
        raise _no_address("its options cannot be read") from None
    own = [(name, value) for name, value in options if name in _SENTINEL_OPTIONS]
    if len(dict(own)) < len(own):
        raise _no_address("it has an option twice")
    others = urlencode([pair for pair in options if pair not in own], safe="/", quote_via=quote)
    tail = f"?{others}" if others else ""
    plain = scheme.removesuffix("+sentinel")
    names = [quote(dict(own).get(name, ""), safe="") for name in _SENTINEL_OPTIONS]
    login = f"{names[0]}:{names[1]}@" if own else ""
    each = [
        host if re.search(r":\d*$", host) else f"{host}:{_SENTINEL_PORT}"
        for host in hosts.split(",")
    ]
    return SentinelRoute(
        [f"{plain}://{login}{host}/{tail}" for host in each],
        unquote(service),
        f"{plain}://{user}{at}{each[0]}/{database}{tail}",
    )


def _checked_sentinel(url: str) -> str:
    # The characters of a password that end an authority would make a service of its rest.
    _, _, rest = url.partition("://")
    if "#" in rest or "@" in rest.partition("/")[2] or not url.isprintable():
        raise _no_address(
            "the characters / ? # and @ of user and password have to be percent-encoded "
            "(%2F %3F %23 %40), and there may be no control characters"
        )
    found = sentinel_route(url)
    for address in (*found.sentinels, found.server):
        if not urlsplit(checked(address)).hostname:
            raise _no_address("redis+sentinel:// is followed by host:port,host:port/service/0")
    if "db" in dict(parse_qsl(urlsplit(found.server).query)):
        raise _no_address("its database comes after the service, as in /service/0")
    if not _SERVICE.fullmatch(found.service):
        raise _no_address(
            "the name of the service comes after the Sentinels, as in host:26379/mymaster/0; it "
            "has letters, digits and . - _ alone"
        )
    own = urlencode(
        [
            (name, value)
            for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
            if name in _SENTINEL_OPTIONS
        ],
        quote_via=quote,
    )
    files = urlsplit(checked(found.server)).query
    query = "&".join(filter(None, (files, own)))
    return f"{url.partition('?')[0]}{'?' if query else ''}{query}"


def _check_options(names: list[str]) -> None:
    unknown = [name for name in names if name not in _OPTIONS]
    if unknown:
        # An unescaped & makes options of the rest of a password.
        which = "" if "password" in names else f" ({', '.join(unknown)})"
        raise _no_address(f"it has options{which} that are unknown or may not be set here")
    if len(set(names)) < len(names):
        raise _no_address("it has an option twice")


def _no_address(why: str) -> SettingsError:
    return SettingsError(f"REDIS_URL is not a Redis address: {why}")
