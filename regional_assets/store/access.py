"""The least rights that a Redis user needs to write as this project does, and to read as the
platform's panels and health checks do."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from regional_assets.intelligence.catalogue import COMPANION_KEYS, INPUT_KEYS
from regional_assets.store import keys

PASSWORD = "CHANGE-ME"  # noqa: S105 - a placeholder, replaced when the users are created

# Written by other jobs.
READ_ONLY_KEYS = (*INPUT_KEYS, *COMPANION_KEYS)
# Read by health checks, never by this project.
WRITE_ONLY_KEYS = (keys.SUMMARY_SEED_META, keys.BRIEF_SUMMARY, keys.BRIEF_SEED_META)

# The commands used on keys of each type, with arguments; KEY stands for the key.
_COMMANDS = {
    "string": (
        *(
            "COPY KEY KEY REPLACE",
            "DEL KEY",
            "EXISTS KEY",
            "EXPIRE KEY 1",
            "GET KEY",
            "GETRANGE KEY 0 0",
            "MGET KEY",
            "SET KEY x",
        ),
        "WATCH KEY",
    ),
    "list": ("LLEN KEY", "LPUSH KEY x", "LRANGE KEY 0 0", "LTRIM KEY 0 0"),
    "zset": (
        *("EXPIRE KEY 1", "ZADD KEY 0 x", "ZCOUNT KEY 0 0", "ZRANGE KEY 0 0"),
        *("ZREMRANGEBYSCORE KEY 0 0", "ZSCORE KEY x"),
    ),
}
_ON_ANY_TYPE = ("EVALSHA sha 1 KEY", "EVALSHA_RO sha 1 KEY", "PEXPIRETIME KEY", "TYPE KEY")
_WITHOUT_KEY = ("EXEC", "MULTI", "SCRIPT LOAD x", "TIME", "UNWATCH")
# Runs do without these: they serve databases other than 0 and `regional-assets doctor`.
_HELPFUL = ("PING", "SELECT 1")


def stored_keys(region: str, rest: str) -> Mapping[str, str]:
    """Every key that the project both writes and reads, with its Redis type: the keys of a region
    and those shared by all regions. `rest` stands for the part that varies within a region (an
    id, a time, a metric, a digest). "*" for both gives the key patterns."""
    return {
        keys.dedup(region, rest): "string",
        keys.snapshot_at(region, rest): "string",  # As a pattern also `latest` and `live`.
        keys.snapshot_by_id(rest): "string",
        keys.latest(region): "string",
        keys.index(region): "zset",
        keys.confirmed(region): "string",
        keys.regime_history(region): "list",
        keys.observations(region, rest): "zset",
        keys.narrative(region, rest): "string",
        keys.brief(region): "string",
        keys.alert_guard(rest, rest): "string",
        keys.ALERT_QUEUE: "list",
        keys.SUMMARY: "string",
    }


@dataclass(frozen=True, slots=True)
class Use:
    """A whole command as `words`, and the key among them, if any."""

    words: tuple[str, ...]
    key: str | None

    @property
    def command(self) -> str:
        """The command's name in ACL rules."""
        return "|".join(self.words[:2]) if self.words[0] == "SCRIPT" else self.words[0]


def uses(regions: Iterable[str], rest: str = "0") -> Iterator[Use]:
    """Every command that runs over `regions` send, on keys like theirs."""
    for command in _WITHOUT_KEY:
        yield _use(command, None)
    for key in READ_ONLY_KEYS:
        for command in ("EVALSHA_RO sha 1 KEY", "MGET KEY", "TYPE KEY"):
            yield _use(command, key)
    for key in WRITE_ONLY_KEYS:
        yield _use("SET KEY x", key)
    kinds = {key: kind for region in regions for key, kind in stored_keys(region, rest).items()}
    for key, kind in kinds.items():
        for command in (*_ON_ANY_TYPE, *_COMMANDS[kind]):
            yield _use(command, key)


def _use(command: str, key: str | None) -> Use:
    return Use(tuple(key or "" if word == "KEY" else word for word in command.split()), key)


def rules() -> Iterator[str]:
    """The commands that create or replace both users, enabled, with `PASSWORD`."""
    helpful = [_use(command, None) for command in _HELPFUL]
    yield _rule(
        "regional-writer",
        commands=[use.command for use in (*uses(["*"], "*"), *helpful)],
        patterns=[
            *(f"~{pattern}" for pattern in stored_keys("*", "*")),
            *(f"%R~{key}" for key in READ_ONLY_KEYS),
            *(f"%W~{key}" for key in WRITE_ONLY_KEYS),
        ],
    )
    # The notification relay pops messages (RPOP), so it needs a user of its own.
    read = (keys.latest("*"), keys.snapshot_by_id("*"), keys.regime_history("*"), keys.brief("*"))
    yield _rule(
        "regional-reader",
        commands=["GET", "LRANGE", "STRLEN"],
        patterns=[f"%R~{key}" for key in (*read, keys.SUMMARY, *WRITE_ONLY_KEYS)],
    )


def _rule(user: str, commands: Iterable[str], patterns: Iterable[str]) -> str:
    allowed = (f"+{command.lower()}" for command in dict.fromkeys(commands))
    return " ".join((f"ACL SETUSER {user} reset on >{PASSWORD}", *allowed, *patterns))
