"""The geography that `REGIONAL_GEOGRAPHY` chooses.

`defs` and `cli` install it before they import what is derived from the regions.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from regional_assets.intelligence import geography
from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.geography_table import (
    GeographyError,
    checked_table,
    read_table,
)
from regional_assets.settings import GEOGRAPHY, SettingsError

# Derived from the regions when they are imported.
_DERIVED = ("gazetteer", "metrics", "narrative", "triggers")

_chosen = ""


def install_chosen(environ: Mapping[str, str] = os.environ) -> None:
    """Installs the chosen geography, once in a process; leaves the regions alone when none is
    chosen. Raises `GeographyError`, whose message is one line with the file and the place."""
    global _chosen
    if not environ.get(GEOGRAPHY.name) or environ[GEOGRAPHY.name] == _chosen:
        return
    try:
        choice = GEOGRAPHY.read(environ)
    except SettingsError as error:
        raise GeographyError(str(error)) from None
    try:
        table = _from_file(Path(choice)) if choice.endswith(".toml") else _from_module(choice)
        rows = checked_table(table)
        # By this process, or by the module that has the table.
        late = [name for name in _DERIVED if f"regional_assets.intelligence.{name}" in sys.modules]
        if late:
            raise GeographyError(
                f"regional_assets.intelligence.{late[0]} was imported before; import "
                "regional_assets.definitions, or call install_chosen(), first"
            )
        geography.install(rows)
    # Text that is not UTF-8, or not TOML, raises a ValueError, too.
    except (OSError, ValueError) as error:
        words = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise GeographyError(f"{GEOGRAPHY.name}={choice}: {words}") from None
    _chosen = environ[GEOGRAPHY.name]


def _from_file(path: Path) -> tuple[Region, ...]:
    # Only a table in a file needs it.
    import tomllib

    return read_table(tomllib.loads(path.read_text(encoding="utf-8")))


def _from_module(choice: str) -> tuple[Region, ...]:
    module, _, attribute = choice.partition(":")
    try:
        value = getattr(importlib.import_module(module), attribute)
    # A module of the user's may fail in any way.
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise GeographyError(words) from error
    if not isinstance(value, tuple | list) or not all(isinstance(row, Region) for row in value):
        raise GeographyError(
            "it is no tuple or list of regional_assets.intelligence.geography.Region"
        )
    return tuple(value)


def left_out() -> dict[str, str]:
    """Trigger or template → what it names that the installed geography lacks. A template keeps the
    regions that there are; if there is none, or its trigger is left out, it is left out, too."""
    from regional_assets.intelligence import transmission, triggers

    return {
        **{f"trigger {id}": lacks for id, lacks in triggers.LEFT_OUT.items()},
        **{f"template {id}": lacks for id, lacks in transmission.LEFT_OUT.items()},
    }


def described() -> str:
    """The installed geography, where it is from, and what does not apply in it."""
    words = f"{geography.GEOGRAPHY_VERSION}, {len(geography.REGION_IDS)} regions"
    words += f" from {_chosen}" if _chosen else ""
    lacking = "; ".join(f"{name}: no {lacks}" for name, lacks in left_out().items())
    return f"{words}; left out: {lacking}" if lacking else words
