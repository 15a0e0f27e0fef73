"""Where Dagster keeps its history for this project."""

import os
from pathlib import Path

from regional_assets.store.embedded import write_problem
from regional_assets.store.settings import SettingsError, state_dir

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
    """The folder `dagster` in that state folder, made if need be. Raises `SettingsError` when
    nothing can be written there."""
    home = state / "dagster"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.mkdir(exist_ok=True)
        settings = _CHECKOUT / "dagster.yaml"
        link = home / "dagster.yaml"
        if settings.exists() and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(settings)
    except OSError as error:
        raise SettingsError(
            f"the state folder {state} cannot be written ({error.strerror}): set "
            "REGIONAL_STATE_DIR to a folder of yours"
        ) from None
    # Dagster's own words for it are a page long.
    if problem := write_problem(home):
        raise SettingsError(problem)
    return home
