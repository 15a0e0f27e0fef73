"""Every environment variable of the project: its default, its bounds, its meaning.

Each is read where it is used, when it is used. The reference and `regional-assets doctor` are made
from the table `SETTINGS`.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from regional_assets.errors import SettingsError

T = TypeVar("T")


class Setting(msgspec.Struct, Generic[T], frozen=True):
    """One environment variable.

    `default` is its value when it is unset or empty, and `default_words` describes that value where
    it needs words. `bounds` says what a value has to be, and `parse` raises ValueError for any
    other.
    """

    name: str
    default: T
    meaning: str
    bounds: str
    parse: Callable[[str], T]
    default_words: str = ""

    def read(self, environ: Mapping[str, str] = os.environ) -> T:
        """The value in `environ`; raises `SettingsError`."""
        text = environ.get(self.name, "")
        if not text:
            return self.default
        try:
            return self.parse(text)
        except ValueError:
            raise SettingsError(f"{self.name}={_quoted(text)}: expected {self.bounds}") from None


# A value is quoted in messages up to so many characters.
_QUOTED = 80


def _quoted(text: str) -> str:
    return repr(text) if len(text) <= _QUOTED else f"{text[:_QUOTED]!r}... ({len(text)} characters)"


def _seconds(name: str, default: float, meaning: str) -> Setting[float]:
    def parse(text: str) -> float:
        value = float(text)
        if not 0 < value < 86_400:
            raise ValueError
        return value

    return Setting(name, default, meaning, "seconds above 0 and below 86400", parse)


# No count here is meaningful with more digits.
_WHOLE = re.compile("[0-9]{1,9}")


def _whole(
    name: str, default: int, least: int, meaning: str, *, default_words: str = ""
) -> Setting[int]:
    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) < least:
            raise ValueError
        return int(text)

    bounds = f"a whole number of at least {least}"
    return Setting(name, default, meaning, bounds, parse, default_words)


def _share(name: str, default: float, meaning: str) -> Setting[float]:
    def parse(text: str) -> float:
        value = float(text)
        if not 0 <= value <= 1:
            raise ValueError
        return value

    return Setting(name, default, meaning, "a number from 0 to 1", parse)


def _text(name: str, meaning: str, bounds: str, default_words: str) -> Setting[str]:
    return Setting(name, "", meaning, bounds, str, default_words)


# Without the characters that patterns, `redis-cli` or Redis's own rules read in a way of their own.
_PREFIX = re.compile(r"(?:[A-Za-z0-9.:_/@-]|\{[A-Za-z0-9.:_/@-]+\})*")
_LONGEST_PREFIX = 100


def _prefix(name: str, meaning: str, default_words: str) -> Setting[str]:
    def parse(text: str) -> str:
        if not _PREFIX.fullmatch(text) or len(text) > _LONGEST_PREFIX:
            raise ValueError
        return text

    bounds = (
        f"at most {_LONGEST_PREFIX} letters, digits and . : _ / @ -, of which some may stand in "
        "braces, as in {name}:"
    )
    return Setting(name, "", meaning, bounds, parse, default_words)


def _path(text: str) -> str:
    text.encode()  # SQLite and Redis take no other paths.
    if "\0" in text:
        raise ValueError
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, OSError) as error:
        raise ValueError from error


def _folder(name: str, meaning: str, default_words: str) -> Setting[str]:
    bounds = "a folder, its path in UTF-8; ~ only for the home of a user who exists"
    return Setting(name, "", meaning, bounds, _path, default_words)


def _files(text: str) -> str:
    # fsspec's names of a folder.
    text = re.sub("^(file|local)://", "", text)
    return text if "://" in text else _path(text)


_ATTRIBUTE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)


_BUILT_IN = re.compile("built-in(:[0-9]+)?")


def _model(text: str) -> str:
    if text.endswith(".toml"):
        return _path(text)
    if not _ATTRIBUTE.fullmatch(text) and not _BUILT_IN.fullmatch(text):
        raise ValueError
    return text


REDIS_URL = _text(
    "REDIS_URL",
    "The Redis server: `redis://`, `rediss://` (certificates are verified) or `unix://`, with user "
    "and password percent-encoded; or some nodes of a cluster, as "
    "`redis+cluster://host:port,host:port`; or Sentinels and a service, as "
    "`redis+sentinel://host:port,host:port/service/0`, where `?sentinel_username=` and "
    "`?sentinel_password=` log in to the Sentinels (`rediss+...://` with TLS).",
    "a Redis URL",
    "the embedded server",
)
KEY_PREFIX = _prefix(
    "REGIONAL_KEY_PREFIX",
    "Comes before every Redis key that this project writes, so that several stores, staging and "
    "production for instance, share a server. In a cluster it has to carry a hash tag, a part in "
    "braces, which keeps all these keys in one slot.",
    "none; in a cluster `{regional}:`",
)
INPUT_PREFIX = _prefix(
    "REGIONAL_INPUT_PREFIX",
    "Comes before every Redis key of the inputs, which other jobs write.",
    "none",
)
STATE_DIR = _folder(
    "REGIONAL_STATE_DIR",
    "The folder of the embedded server's data and, unless `DAGSTER_HOME` is set, of Dagster's.",
    "`.state` in the checkout, else in the current folder",
)
FILES = Setting(
    "REGIONAL_FILES",
    "",
    "Where runs write files, the histories and the board: a folder, or an address that fsspec "
    "knows, as `s3://bucket/regional` (its driver, here `s3fs`, has to be installed). Processes on "
    "several machines need the same one.",
    "a folder, its path in UTF-8, or an address with ://",
    _files,
    "the state folder",
)
DAGSTER_HOME = _folder(
    "DAGSTER_HOME",
    "The folder of Dagster's instance. One that does not exist is created, with the `dagster.yaml` "
    "of this project.",
    "`dagster` in the state folder",
)
MODEL = Setting(
    "REGIONAL_MODEL",
    "",
    "The model (regions, scoring, triggers, inputs): a TOML file, `module:attribute` or `built-in` "
    "(docs/models.md). All processes of an installation need the same one.",
    "a file that ends in .toml, module:attribute, or built-in",
    _model,
    "`built-in`",
)
# What it was called.
OLD_MODEL = "REGIONAL_GEOGRAPHY"
CONNECT_TIMEOUT = _seconds("REGIONAL_CONNECT_TIMEOUT", 5.0, "Seconds to wait for a connection.")
ANSWER_TIMEOUT = _seconds("REGIONAL_ANSWER_TIMEOUT", 5.0, "Seconds to wait for an answer.")
RETRIES = _whole(
    "REGIONAL_RETRIES", 3, 0, "Further attempts after a lost connection, with jittered pauses."
)
REGION_DEADLINE = _seconds(
    "REGIONAL_REGION_DEADLINE",
    30.0,
    "Seconds after which no further attempt to commit a region starts.",
)
REPLICAS = _whole(
    "REGIONAL_REPLICAS",
    0,
    0,
    "Replicas that have to have a commit before it counts as done. They are waited for during half "
    "of `REGIONAL_ANSWER_TIMEOUT`.",
)
PARTITIONS_PER_RUN = _whole(
    "REGIONAL_PARTITIONS_PER_RUN",
    0,
    1,
    "At most so many partitions in a run of a backfill, a schedule, a sensor or a command.",
    default_words="all in one run",
)
SETTLE = _whole(
    "REGIONAL_SETTLE", 60, 0, "Seconds that a change has to last before `input_sensor` acts on it."
)
MIN_RUN_INTERVAL = _whole(
    "REGIONAL_MIN_RUN_INTERVAL", 300, 0, "Seconds between two runs that `input_sensor` requests."
)
RECOVERY_PAUSE = _whole(
    "REGIONAL_RECOVERY_PAUSE",
    60,
    1,
    "Seconds before `recovery_sensor` first tries a failed partition again, and before "
    "`input_sensor` repeats a request that brought nothing; doubled each time.",
)
RECOVERY_ATTEMPTS = _whole(
    "REGIONAL_RECOVERY_ATTEMPTS", 5, 0, "How often `recovery_sensor` tries a failed partition."
)
CONFIDENCE_FLOOR = _share(
    "REGIONAL_CONFIDENCE_FLOOR",
    0.5,
    "The confidence below which the check `confidence_above_floor` warns.",
)
UNPLACED_SHARE = _share(
    "REGIONAL_UNPLACED_SHARE",
    0.2,
    "The share of an input's records in no region above which the check `records_placed` warns.",
)
NARRATIVE_PROVIDERS = _text(
    "REGIONAL_NARRATIVE_PROVIDERS",
    "Language model endpoints in the order in which they are tried: names of your choice, "
    "separated by commas. Each needs `REGIONAL_NARRATIVE_<NAME>_BASE_URL` and `_MODEL`, and "
    "`_API_KEY` where the server wants one. `_OPTIONS`, a JSON object, is merged into each request "
    "(docs/narratives.md).",
    "names, separated by commas",
    "none: narratives and briefs are off",
)

SETTINGS: tuple[Setting[str] | Setting[int] | Setting[float], ...] = (
    REDIS_URL,
    KEY_PREFIX,
    INPUT_PREFIX,
    STATE_DIR,
    FILES,
    DAGSTER_HOME,
    MODEL,
    CONNECT_TIMEOUT,
    ANSWER_TIMEOUT,
    RETRIES,
    REGION_DEADLINE,
    REPLICAS,
    PARTITIONS_PER_RUN,
    SETTLE,
    MIN_RUN_INTERVAL,
    RECOVERY_PAUSE,
    RECOVERY_ATTEMPTS,
    CONFIDENCE_FLOOR,
    UNPLACED_SHARE,
    NARRATIVE_PROVIDERS,
)


class StoreSettings(msgspec.Struct, frozen=True):
    """Where the store is and how patient its clients are; times in seconds.

    `redis_url` None means the embedded server of `state_dir`. No attempt to commit a region starts
    after `region_deadline`. The prefixes come before the keys (see `store.keys.Keys`).
    `files` is where files go (see `runs.files`), empty for `state_dir`.
    """

    state_dir: Path
    redis_url: str | None = None
    connect_timeout: float = CONNECT_TIMEOUT.default
    answer_timeout: float = ANSWER_TIMEOUT.default
    retries: int = RETRIES.default
    region_deadline: float = REGION_DEADLINE.default
    key_prefix: str = KEY_PREFIX.default
    input_prefix: str = INPUT_PREFIX.default
    replicas: int = REPLICAS.default
    files: str = FILES.default

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "StoreSettings":
        """The settings of this process; raises `SettingsError`."""
        return cls(
            state_dir=state_dir(environ),
            redis_url=REDIS_URL.read(environ) or None,
            connect_timeout=CONNECT_TIMEOUT.read(environ),
            answer_timeout=ANSWER_TIMEOUT.read(environ),
            retries=RETRIES.read(environ),
            region_deadline=REGION_DEADLINE.read(environ),
            key_prefix=KEY_PREFIX.read(environ),
            input_prefix=INPUT_PREFIX.read(environ),
            replicas=REPLICAS.read(environ),
            files=FILES.read(environ),
        )


class SensorSettings(msgspec.Struct, frozen=True):
    """How patient the sensors are; times in seconds. The variables' meanings are in `SETTINGS`."""

    settle: int = SETTLE.default
    min_interval: int = MIN_RUN_INTERVAL.default
    recovery_pause: int = RECOVERY_PAUSE.default
    recovery_attempts: int = RECOVERY_ATTEMPTS.default

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "SensorSettings":
        """The settings of this process; raises `SettingsError`."""
        return cls(
            settle=SETTLE.read(environ),
            min_interval=MIN_RUN_INTERVAL.read(environ),
            recovery_pause=RECOVERY_PAUSE.read(environ),
            recovery_attempts=RECOVERY_ATTEMPTS.read(environ),
        )


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The state folder: `REGIONAL_STATE_DIR`, else `.state` in the checkout this package lies in,
    else `.state` in the current folder."""
    named = STATE_DIR.read(environ)
    if named:
        return Path(named)
    checkout = Path(__file__).resolve().parents[1]
    default = checkout / ".state" if (checkout / "pyproject.toml").exists() else ".state"
    return Path(STATE_DIR.read({STATE_DIR.name: str(default)}))
