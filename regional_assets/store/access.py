"""The least rights that a Redis user needs to write as this project does, and to read as the
platform's panels and health checks do."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from regional_assets.intelligence.model import Model
from regional_assets.store.keys import Keys

PASSWORD = "CHANGE-ME"  # noqa: S105 - a placeholder, replaced when the users are created

# Each command with arguments; KEY stands for its key, BODY for that of a snapshot's body.
_ARGUMENTS = {
    "COPY": "BODY KEY REPLACE",
    "EVALSHA": "sha 1 KEY",
    "EVALSHA_RO": "sha 1 KEY",
    "EXPIRE": "KEY 1",
    "HSET": "KEY x x",
    "GETRANGE": "KEY 0 0",
    "LPUSH": "KEY x",
    "LRANGE": "KEY 0 0",
    "LTRIM": "KEY 0 0",
    "SCRIPT LOAD": "x",
    "SET": "KEY x",
    "ZADD": "KEY 0 x",
    "ZCOUNT": "KEY 0 0",
    "ZRANGE": "KEY 0 0",
    "ZREM": "KEY x",
    "ZREMRANGEBYSCORE": "KEY 0 0",
    "ZSCORE": "KEY x",
}
# A script is called with keys of every kind. Redis checks each command that it then runs.
_ON_EVERY_KEY = ("EVALSHA", "EVALSHA_RO", "PEXPIRETIME", "TYPE")
_WITHOUT_KEY = ("EXEC", "MULTI", "SCRIPT LOAD", "TIME", "UNWATCH")
# Runs need these for databases other than 0, for REGIONAL_REPLICAS, and in no other case.
_HELPFUL = ("PING", "SELECT", "WAIT")


class _Route(NamedTuple):
    """Commands without a key that lead to the keys, those that help a diagnosis, those used on
    inputs, and the one of them that reads."""

    leading: tuple[str, ...]
    helpful: tuple[str, ...]
    on_inputs: tuple[str, ...]
    reading: str


_ONE_SERVER = _Route((), (), ("EVALSHA_RO", "MGET", "TYPE"), "MGET")
# Each input is read alone, from the node that has it.
_CLUSTER = _Route(("ASKING", "CLUSTER SLOTS"), ("CLUSTER INFO",), ("GET", "TYPE"), "GET")


def _route(keys: Keys) -> _Route:
    return _CLUSTER if keys.in_cluster else _ONE_SERVER


# On further keys of this project's own, whatever a later version keeps there. These kinds of
# commands all take keys.
_KINDS_ON_OWN = ("@string", "@hash", "@sortedset", "@list")
_ON_OWN = ("EVALSHA", "EVALSHA_RO", "DEL", "EXISTS", "EXPIRE", "PERSIST", "PEXPIRETIME", "TYPE")
_PROBED_ON_OWN = (*_ON_OWN, "GET", "SET", "HGETALL", "HSET", "LRANGE", "LPUSH", "ZADD", "ZRANGE")


class KeyUse(NamedTuple):
    """A key's Redis type, and the commands used on it besides scripts and TYPE."""

    kind: str
    commands: tuple[str, ...]


def read_only_keys(keys: Keys, model: Model) -> list[str]:
    """The keys that other jobs write."""
    return [keys.input(key) for key in model.input_keys]


def write_only_keys(keys: Keys) -> tuple[str, ...]:
    """The keys that health checks read, and this project never does."""
    return keys.brief_summary, keys.brief_seed_meta


def stored_keys(keys: Keys, region: str, rest: str) -> Mapping[str, KeyUse]:
    """Every key that the project both writes and reads: the keys of a region and those shared by
    all regions. `rest` stands for the part that varies within a region (an id, a time, a metric, a
    digest). "*" for both gives the key patterns."""

    def stored(kind: str, commands: str) -> KeyUse:
        return KeyUse(kind, tuple(commands.split()))

    return {
        keys.dedup(region, rest): stored("string", "GET SET"),
        keys.snapshot_at(region, rest): stored("string", "COPY MGET"),
        keys.snapshot_by_id(rest): stored("string", "EXISTS GET GETRANGE MGET SET"),
        keys.latest_body(region): stored("string", "COPY GET MGET"),
        keys.latest(region): stored("string", "GET SET WATCH"),
        keys.index(region): stored("zset", "ZADD ZRANGE ZREM ZREMRANGEBYSCORE ZSCORE"),
        keys.confirmed(region): stored("string", "GET SET WATCH"),
        keys.regime_history(region): stored("list", "LPUSH LRANGE LTRIM WATCH"),
        keys.observations(region, rest): stored(
            "zset", "EXPIRE ZADD ZCOUNT ZRANGE ZREMRANGEBYSCORE"
        ),
        keys.narrative(region, rest): stored("string", "MGET SET"),
        keys.brief(region): stored("string", "GET MGET SET WATCH"),
        keys.alert_guard(rest, rest): stored("string", "EXISTS SET"),
        keys.alert_queue: stored("list", "LLEN LPUSH LRANGE"),
        keys.identity: stored("string", "MGET SET"),
        keys.summary: stored("string", "EXPIRE MGET SET"),
        keys.summary_seed_meta: stored("string", "MGET SET"),
    }


class Use(msgspec.Struct, frozen=True):
    """A whole command as `words`, and the key among them, if any."""

    words: tuple[str, ...]
    key: str | None

    @property
    def command(self) -> str:
        """The command's name in ACL rules."""
        with_subcommand = self.words[0] in ("SCRIPT", "CLUSTER")
        return "|".join(self.words[:2]) if with_subcommand else self.words[0]


def uses(keys: Keys, model: Model, rest: str = "0") -> Iterator[Use]:
    """Every command that runs over the model's regions send, on keys like theirs."""
    route = _route(keys)
    for command in (*_WITHOUT_KEY, *route.leading):
        yield _use(command, None)
    for key in read_only_keys(keys, model):
        for command in route.on_inputs:
            yield _use(command, key)
    for key in write_only_keys(keys):
        yield _use("SET", key)
    written: dict[str, tuple[str, ...]] = {}
    for region in model.region_ids:
        written |= _written(keys, region, rest)
    for key, commands in written.items():
        for command in (*_ON_EVERY_KEY, *commands):
            yield _use(command, key, keys.snapshot_by_id(rest))


def uses_of_own(keys: Keys) -> Iterator[Use]:
    """Commands on further keys of this project's own, and a script on them and others."""
    own = keys.own("0")
    for command in _PROBED_ON_OWN:
        yield _use(command, own)
    yield Use(("EVALSHA", "sha", "2", keys.alert_queue, own), own)


def _written(keys: Keys, region: str, rest: str) -> Mapping[str, tuple[str, ...]]:
    stored = {key: found.commands for key, found in stored_keys(keys, region, rest).items()}
    return {**stored, keys.live(region): ("DEL",)}


def _use(command: str, key: str | None, body: str = "") -> Use:
    places = {"KEY": key or "", "BODY": body}
    arguments = _ARGUMENTS.get(command, "KEY" if key else "").split()
    return Use((*command.split(), *(places.get(word, word) for word in arguments)), key)


def users(keys: Keys) -> tuple[str, str]:
    """The names of writer and reader. They begin with the prefix of the keys, so that the users of
    two stores on one server stay apart."""
    return f"{keys.prefix}regional-writer", f"{keys.prefix}regional-reader"


def rules(keys: Keys, model: Model) -> Iterator[str]:
    """The commands that create or replace both users, enabled, with `PASSWORD`."""
    writer, reader = users(keys)
    yield _rule(writer, *_writer(keys, model))
    # The notification relay pops messages (RPOP), so it needs a user of its own.
    read = (
        *(keys.latest("*"), keys.snapshot_by_id("*"), keys.regime_history("*"), keys.brief("*")),
        *(keys.summary, keys.summary_seed_meta),
    )
    yield _rule(
        reader,
        *_allowed(["GET", "LRANGE", "STRLEN"]),
        *(f"%R~{key}" for key in (*read, *write_only_keys(keys))),
    )


def _writer(keys: Keys, model: Model) -> Iterator[str]:
    """Scripts on all keys; each other command in a selector, with the keys it is used on."""
    # "*" for the time would match `latest` and `live`, too.
    at = keys.snapshot_at("*", "[0-9]*")
    plain = _written(keys, "*", "*").items()
    written = {at if key == keys.snapshot_at("*", "*") else key: used for key, used in plain}
    route = _route(keys)
    always = (*_WITHOUT_KEY, *_HELPFUL, *_ON_EVERY_KEY)
    yield from _allowed([*always, *route.leading, *route.helpful])
    # A later version's script may have keys of both kinds.
    yield from (f"~{key}" for key in (*written, keys.own("*")))
    inputs = [f"%R~{key}" for key in read_only_keys(keys, model)]
    yield from inputs
    yield _selector([route.reading], inputs)
    yield _selector(["SET"], [f"%W~{key}" for key in write_only_keys(keys)])
    # A selector has to allow all keys of a command.
    copies = (f"%W~{key}" for key in (at, keys.latest_body("*")))
    yield _selector(["COPY"], [f"%R~{keys.snapshot_by_id('*')}", *copies])
    used_alike: dict[tuple[str, ...], list[str]] = {}
    for key, commands in written.items():
        names = tuple(name for name in commands if name != "COPY")
        used_alike.setdefault(names, []).append(f"~{key}")
    for names, patterns in used_alike.items():
        yield _selector(names, patterns)
    yield _selector((*_ON_OWN, *_KINDS_ON_OWN), [f"~{keys.own('*')}"])


def _selector(commands: Iterable[str], patterns: Iterable[str]) -> str:
    return f"({' '.join((*_allowed(commands), *patterns))})"


def _allowed(commands: Iterable[str]) -> Iterator[str]:
    return (f"+{name.lower().replace(' ', '|')}" for name in commands)


def _rule(user: str, *words: str) -> str:
    return " ".join((f"ACL SETUSER {user} reset on >{PASSWORD}", *words))
