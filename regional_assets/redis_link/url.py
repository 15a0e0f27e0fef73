"""What `REDIS_URL` may be. Of a password with an unescaped `/`, `#` or `?`, its parser in redis-py
makes a host's name or a database, and it overlooks what it cannot read. No message quotes the
address: any part of it may be part of a password."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from regional_assets.redis_link.errors import AddressError

_SCHEME = re.compile(r"unix|rediss?(\+(sentinel|cluster))?")
# How answers are read and commands repeated is the link's own matter.
_OPTION = re.compile(
    "username|password|client_name|db|max_connections|health_check_interval|ssl_[a-z_]+"
    "|socket_(timeout|connect_timeout|read_size|keepalive)"
)
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
# No server has more databases than have so many digits.
_DATABASE = re.compile("[0-9]{1,9}")
# What Sentinel accepts as the name of a service.
_SERVICE = re.compile("[A-Za-z0-9._-]+")
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
_SENTINEL_PORT = 26379
_ENCODE = (
    "the characters / ? # and @ of user and password have to be percent-encoded (%2F %3F %23 %40), "
    "as has an @ further on"
)


class Route(msgspec.Struct, frozen=True):
    """What an address names, by plain addresses: the server; in a cluster, the nodes to ask first;
    with Sentinels, the primary, with a Sentinel's host and port in the place of its own, which are
    not known yet."""

    servers: Sequence[str]
    in_cluster: bool = False
    sentinels: Sequence[str] = ()
    service: str = ""


def names_cluster(url: str) -> bool:
    """Whether the address is of a cluster, where only keys of one hash tag lie together."""
    return url.partition("://")[0].endswith("+cluster")


def checked(url: str) -> str:
    """The address, in which files are named from the root; raises `AddressError` as `route`."""
    route(url)
    before, _, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    if not any(name in _FILES for name, _ in options):
        return url
    absolute = [
        (name, str(Path(value).absolute()) if name in _FILES else value) for name, value in options
    ]
    return f"{before}{_query(absolute)}"


def route(url: str) -> Route:
    """What the address names; raises `AddressError` for anything that redis-py would misread."""
    scheme, slashes, rest = url.partition("://")
    if not _SCHEME.fullmatch(scheme) or not slashes or not url.isprintable():
        _refuse(
            "expected redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, such as "
            "rediss://user:password@host:6379/0, without control characters"
        )
    plain, _, kind = scheme.partition("+")
    authority = _authority(rest)
    login, at, hosts = authority.rpartition("@")
    if kind == "sentinel":
        return _of_sentinels(plain, f"{login}{at}", hosts.split(","), rest[len(authority) :])
    if not kind:
        _check(url)
        return Route([url])
    tail = rest[len(authority) :]
    seeds = [f"{plain}://{login}{at}{host}{tail}" for host in hosts.split(",")]
    form = "redis+cluster:// is followed by host:port,host:port..."
    for parts in [_check(seed, form) for seed in seeds]:
        if parts.path.strip("/0") or "db" in dict(parse_qsl(parts.query)):
            _refuse("a cluster has database 0 alone")
    return Route(seeds, in_cluster=True)


def _of_sentinels(plain: str, login: str, hosts: Sequence[str], tail: str) -> Route:
    # The characters of a password that end an authority would make a service of its rest.
    if "#" in tail or "@" in tail:
        _refuse(_ENCODE)
    path, mark, query = tail.partition("?")
    service, _, database = path.removeprefix("/").partition("/")
    try:
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark))
    except ValueError:
        _refuse("its options cannot be read")
    # Those of the Sentinels themselves, which have users of their own.
    own = [(n.removeprefix("sentinel_"), v) for n, v in options if n in _SENTINEL_OPTIONS]
    others = [pair for pair in options if pair[0] not in _SENTINEL_OPTIONS]
    theirs = [pair for pair in others if pair[0] not in dict(own)] + own
    each = [host if re.search(r":\d*$", host) else f"{host}:{_SENTINEL_PORT}" for host in hosts]
    server = f"{plain}://{login}{each[0]}/{database}{_query(others)}"
    sentinels = [f"{plain}://{host}/{_query(theirs)}" for host in each]
    form = "redis+sentinel:// is followed by host:port,host:port/service/0"
    for address in (server, *sentinels):
        _check(address, form)
    if "db" in dict(options):
        _refuse("its database comes after the service, as in /service/0")
    if not _SERVICE.fullmatch(unquote(service)):
        _refuse(
            "the name of the service comes after the Sentinels, as in host:26379/mymaster/0; it "
            "has letters, digits and . - _ alone"
        )
    return Route([server], sentinels=sentinels, service=unquote(service))


def _check(url: str, form: str = "") -> SplitResult:
    """The parts of one server's address, which has a host where the whole has that `form`; raises
    `AddressError` for what would be misread."""
    scheme, _, rest = url.partition("://")
    authority = _authority(rest)
    remainder = rest[len(authority) :]
    if "#" in remainder or ("@" in remainder and (authority or scheme != "unix")):
        _refuse(_ENCODE)
    try:
        parts = urlsplit(url)
        port = parts.port
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        _refuse(
            "its host, its port or its options cannot be read; in user and password, "
            "percent-encode all but letters and digits"
        )
    names = [name for name, _ in options]
    unknown = [name for name in names if not _OPTION.fullmatch(name)]
    # An unescaped & makes options of the rest of a password.
    which = "" if "password" in names else f" ({', '.join(unknown)})"
    databases = [value for name, value in options if name == "db"]
    if scheme != "unix" and parts.path.strip("/"):
        databases.append(parts.path.removeprefix("/"))
    place = authority.rpartition("@")[2]
    for is_wrong, why in (
        (form and not parts.hostname, form),
        ("%40" in place, "the @ before its host may not be percent-encoded"),
        (port == 0, "its port has to be 1 to 65535"),
        (
            scheme == "unix" and (place or not parts.path.strip("/")),
            "unix:// is followed by the socket's whole path, as in unix:///run/redis",
        ),
        (unknown, f"it has options{which} that are unknown or may not be set here"),
        (len(set(names)) < len(names), "it has an option twice"),
        (
            len(databases) > 1 or not all(map(_DATABASE.fullmatch, databases)),
            "its database has to be one number, as in /0",
        ),
    ):
        if is_wrong:
            _refuse(why)
    return parts


def _query(options: Sequence[tuple[str, str]]) -> str:
    return f"?{urlencode(options, safe='/', quote_via=quote)}" if options else ""


def _authority(rest: str) -> str:
    return re.split("[/?#]", rest, maxsplit=1)[0]


def _refuse(why: str) -> NoReturn:
    raise AddressError(f"REDIS_URL is not a Redis address: {why}") from None
