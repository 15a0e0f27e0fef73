"""What the environment says about the store; every default works."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regional_assets.store import keys


class SettingsError(ValueError):
    """An environment variable that cannot be understood; the message names it."""


@dataclass(frozen=True)
class StoreSettings:
    """Where the store is and how patient its clients are; times in seconds.

    `redis_url` None means the embedded server of `state_dir`. `region_deadline` is the time after
    which no further attempt to commit a region is started, `snapshot_expiry` how long snapshots
    are kept.
    """

    state_dir: Path
    redis_url: str | None = None
    connect_timeout: float = 5.0
    answer_timeout: float = 5.0
    retries: int = 3
    region_deadline: float = 30.0
    snapshot_expiry: int = keys.SNAPSHOT_EXPIRY

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "StoreSettings":
        """The settings of this process; raises `SettingsError`."""
        return cls(
            state_dir=state_dir(environ),
            redis_url=environ.get("REDIS_URL") or None,
            connect_timeout=_seconds(environ, "REGIONAL_CONNECT_TIMEOUT", cls.connect_timeout),
            answer_timeout=_seconds(environ, "REGIONAL_ANSWER_TIMEOUT", cls.answer_timeout),
            retries=whole_number(environ, "REGIONAL_RETRIES", cls.retries, least=0),
            region_deadline=_seconds(environ, "REGIONAL_REGION_DEADLINE", cls.region_deadline),
        )


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the embedded server and of Dagster's storage: `REGIONAL_STATE_DIR`, else
    `.state` in the checkout this package lies in, else `.state` in the current folder."""
    named = environ.get("REGIONAL_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    checkout = Path(__file__).resolve().parents[2]
    return (checkout if (checkout / "dagster.yaml").exists() else Path.cwd()) / ".state"


def whole_number(environ: Mapping[str, str], name: str, default: int, least: int) -> int:
    """An environment variable as a whole number of at least `least`; raises `SettingsError`."""
    text = environ.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise SettingsError(f"{name}={text!r}: a whole number of at least {least} belongs there")
    return int(text)


def confidence_floor(environ: Mapping[str, str] = os.environ) -> float:
    """The confidence below which a snapshot gives a warning, `REGIONAL_CONFIDENCE_FLOOR`;
    raises `SettingsError`."""
    text = environ.get("REGIONAL_CONFIDENCE_FLOOR")
    if not text:
        return 0.5
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise SettingsError(
            f"REGIONAL_CONFIDENCE_FLOOR={text!r}: a number from 0 to 1 belongs there"
        )
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86_400:
        raise SettingsError(f"{name}={text!r}: seconds between 0 and 86400 belong there")
    return value
