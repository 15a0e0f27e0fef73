"""Every environment variable of the project: its default, its bounds, its meaning.

Each is read where it is used, when it is used. The reference and `regional-assets doctor` are made
from the table `SETTINGS`.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from regional_assets.errors import SettingsError

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Kind(msgspec.Struct, Generic[T], frozen=True):
    """What a value has to be, in words, and its parser, which raises ValueError for any other."""

    bounds: str
    parse: Callable[[str], T]


class Setting(msgspec.Struct, Generic[T], frozen=True):
    """One environment variable.

    `default` is its value when it is unset or empty, and `default_words` describes that value where
    it needs words.
    """

    name: str
    kind: Kind[T]
    default: T
    meaning: str
    default_words: str = ""

    def read(self, environ: Mapping[str, str] = os.environ) -> T:
        """The value in `environ`; raises `SettingsError`."""
        text = environ.get(self.name, "")
        if not text:
            return self.default
        try:
            return self.kind.parse(text)
        except ValueError:
            raise SettingsError(
                f"{self.name}={_quoted(text)}: expected {self.kind.bounds}"
            ) from None


# A value is quoted in messages up to so many characters.
_QUOTED = 80


def _quoted(text: str) -> str:
    return repr(text) if len(text) <= _QUOTED else f"{text[:_QUOTED]!r}... ({len(text)} characters)"


def _number(bounds: str, allowed: Callable[[float], bool]) -> Kind[float]:
    def parse(text: str) -> float:
        if not allowed(value := float(text)):
            raise ValueError
        return value

    return Kind(bounds, parse)


_SECONDS = _number("seconds above 0 and below 86400", lambda value: 0 < value < 86_400)
_SHARE = _number("a number from 0 to 1", lambda value: 0 <= value <= 1)


def _whole(least: int) -> Kind[int]:
    def parse(text: str) -> int:
        # No count here is meaningful with more digits.
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
            raise ValueError
        return int(text)

    return Kind(f"a whole number of at least {least}", parse)


def _prefix(text: str) -> str:
    # Without what patterns, `redis-cli` or Redis's own rules read in a way of their own.
    if len(text) > 100 or not re.fullmatch(r"(?:[\w.:/@-]|\{[\w.:/@-]+\})*", text, re.ASCII):
        raise ValueError
    return text


_PREFIX = Kind(
    "at most 100 letters, digits and . : _ / @ -, of which some may stand in braces, as in {name}:",
    _prefix,
)


def _path(text: str) -> str:
    text.encode()  # SQLite and Redis take no other paths.
    if "\0" in text:
        raise ValueError
    try:
        return str(Path(text).expanduser().absolute())
    except (RuntimeError, OSError) as error:
        raise ValueError from error


_FOLDER = Kind("a folder, its path in UTF-8; ~ only for the home of a user who exists", _path)


def _files(text: str) -> str:
    # fsspec's names of a folder.
    text = re.sub("^(file|local)://", "", text)
    return text if "://" in text else _path(text)


def _model(text: str) -> str:
    if text.endswith(".toml"):
        return _path(text)
    if not re.fullmatch(r"[^\W\d][\w.]*:[^\W\d]\w*|built-in(:[0-9]+)?", text, re.ASCII):
        raise ValueError
    return text


def _on_or_off(text: str) -> str:
    if text not in ("on", "off"):
        raise ValueError
    return text


REDIS_URL: Setting[str | None] = Setting(
    "REDIS_URL",
    Kind("a Redis URL", str),
    None,
    "The Redis server: `redis://`, `rediss://` (certificates are verified) or `unix://`, with user "
    "and password percent-encoded; or some nodes of a cluster, as "
    "`redis+cluster://host:port,host:port`; or Sentinels and a service, as "
    "`redis+sentinel://host:port,host:port/service/0`, where `?sentinel_username=` and "
    "`?sentinel_password=` log in to the Sentinels (`rediss+...://` with TLS).",
    "the embedded server",
)
KEY_PREFIX = Setting(
    "REGIONAL_KEY_PREFIX",
    _PREFIX,
    "",
    "Comes before every Redis key that this project writes, so that several stores, staging and "
    "production for instance, share a server. In a cluster it has to carry a hash tag, a part in "
    "braces, which keeps all these keys in one slot.",
    "none; in a cluster `{regional}:`",
)
INPUT_PREFIX = Setting(
    "REGIONAL_INPUT_PREFIX",
    _PREFIX,
    "",
    "Comes before every Redis key of the inputs, which other jobs write.",
    "none",
)
STATE_DIR = Setting(
    "REGIONAL_STATE_DIR",
    _FOLDER,
    "",
    "The folder of the embedded server's data and, unless `DAGSTER_HOME` is set, of Dagster's.",
    "`.state` in the checkout, else in the current folder",
)
FILES = Setting(
    "REGIONAL_FILES",
    Kind("a folder, its path in UTF-8, or an address with ://", _files),
    "",
    "Where runs write files, the histories and the board: a folder, or an address that fsspec "
    "knows, as `s3://bucket/regional` (its driver, here `s3fs`, has to be installed). Processes on "
    "several machines need the same one.",
    "the state folder",
)
DAGSTER_HOME = Setting(
    "DAGSTER_HOME",
    _FOLDER,
    "",
    "The folder of Dagster's instance. One that does not exist is created, with the `dagster.yaml` "
    "of this project.",
    "`dagster` in the state folder",
)
MODEL = Setting(
    "REGIONAL_MODEL",
    Kind("a file that ends in .toml, module:attribute, or built-in", _model),
    "",
    "The model (regions, scoring, triggers, inputs): a TOML file, `module:attribute` or `built-in` "
    "(docs/models.md). All processes of an installation need the same one.",
    "`built-in`",
)
# What it was called.
OLD_MODEL = "REGIONAL_GEOGRAPHY"
HOLD = Setting(
    "REGIONAL_HOLD",
    Kind("on or off", _on_or_off),
    "on",
    "`off`: missing inputs have no last words, whatever the model says; their defaults are "
    "compared as values.",
    "`on`",
)
CONNECT_TIMEOUT = Setting(
    "REGIONAL_CONNECT_TIMEOUT", _SECONDS, 5.0, "Seconds to wait for a connection."
)
ANSWER_TIMEOUT = Setting("REGIONAL_ANSWER_TIMEOUT", _SECONDS, 5.0, "Seconds to wait for an answer.")
RETRIES = Setting(
    "REGIONAL_RETRIES",
    _whole(0),
    3,
    "Further attempts after a lost connection, with jittered pauses.",
)
REGION_DEADLINE = Setting(
    "REGIONAL_REGION_DEADLINE",
    _SECONDS,
    30.0,
    "Seconds after which no further attempt to commit a region starts.",
)
REPLICAS = Setting(
    "REGIONAL_REPLICAS",
    _whole(0),
    0,
    "Replicas that have to have a commit before it counts as done. They are waited for during half "
    "of `REGIONAL_ANSWER_TIMEOUT`.",
)
PARTITIONS_PER_RUN = Setting(
    "REGIONAL_PARTITIONS_PER_RUN",
    _whole(1),
    0,
    "At most so many partitions in a run of a backfill, a schedule, a sensor or a command.",
    "all in one run",
)
SETTLE = Setting(
    "REGIONAL_SETTLE",
    _whole(0),
    60,
    "Seconds that a change has to last before `input_sensor` acts on it.",
)
MIN_RUN_INTERVAL = Setting(
    "REGIONAL_MIN_RUN_INTERVAL",
    _whole(0),
    300,
    "Seconds between two runs that `input_sensor` requests.",
)
RECOVERY_PAUSE = Setting(
    "REGIONAL_RECOVERY_PAUSE",
    _whole(1),
    60,
    "Seconds before `recovery_sensor` first tries a failed partition again, and before "
    "`input_sensor` repeats a request that brought nothing; doubled each time.",
)
RECOVERY_ATTEMPTS = Setting(
    "REGIONAL_RECOVERY_ATTEMPTS",
    _whole(0),
    5,
    "How often `recovery_sensor` tries a failed partition.",
)
CONFIDENCE_FLOOR = Setting(
    "REGIONAL_CONFIDENCE_FLOOR",
    _SHARE,
    0.5,
    "The confidence below which the check `confidence_above_floor` warns.",
)
UNPLACED_SHARE = Setting(
    "REGIONAL_UNPLACED_SHARE",
    _SHARE,
    0.2,
    "The share of an input's records in no region above which the check `records_placed` warns.",
)
NARRATIVE_PROVIDERS = Setting(
    "REGIONAL_NARRATIVE_PROVIDERS",
    Kind("names, separated by commas", str),
    "",
    "Language model endpoints in the order in which they are tried: names of your choice, "
    "separated by commas. Each needs `REGIONAL_NARRATIVE_<NAME>_BASE_URL` and `_MODEL`, and "
    "`_API_KEY` where the server wants one. `_OPTIONS`, a JSON object, is merged into each request "
    "(docs/narratives.md).",
    "none: narratives and briefs are off",
)

SETTINGS: tuple[Setting[Any], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Setting)
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
        return _read(cls, environ, state_dir=state_dir(environ))


class SensorSettings(msgspec.Struct, frozen=True):
    """How patient the sensors are; times in seconds. The variables' meanings are in `SETTINGS`."""

    settle: int = SETTLE.default
    min_run_interval: int = MIN_RUN_INTERVAL.default
    recovery_pause: int = RECOVERY_PAUSE.default
    recovery_attempts: int = RECOVERY_ATTEMPTS.default

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "SensorSettings":
        """The settings of this process; raises `SettingsError`."""
        return _read(cls, environ)


def _read(group: type[S], environ: Mapping[str, str], **known: Any) -> S:
    """A class whose fields are named after their variables, but for those that are `known`."""
    of_field = {setting.name.removeprefix("REGIONAL_").lower(): setting for setting in SETTINGS}
    fields = [name for name in group.__struct_fields__ if name not in known]
    return group(**known, **{name: of_field[name].read(environ) for name in fields})


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The state folder: `REGIONAL_STATE_DIR`, else `.state` in the checkout this package lies in,
    else `.state` in the current folder."""
    named = STATE_DIR.read(environ)
    if named:
        return Path(named)
    checkout = Path(__file__).resolve().parents[1]
    default = checkout / ".state" if (checkout / "pyproject.toml").exists() else ".state"
    return Path(STATE_DIR.read({STATE_DIR.name: str(default)}))
