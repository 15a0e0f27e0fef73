"""Where Dagster keeps its history for this project."""

import os
from pathlib import Path

from regional_assets.store.settings import state_dir

_CHECKOUT = Path(__file__).resolve().parent.parent


def use_dagster_home() -> Path:
    """The folder `DAGSTER_HOME` names; unset, it is set to `dagster` in the state folder, with the
    project's dagster.yaml in it."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = dagster_home(state_dir())
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def dagster_home(state: Path) -> Path:
    """The folder `dagster` in that state folder, made if need be."""
    home = state / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = _CHECKOUT / "dagster.yaml"
    link = home / "dagster.yaml"
    if settings.exists() and not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(settings)
    return home
