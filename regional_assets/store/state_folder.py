"""The folder for the embedded server's data and Dagster's."""

import errno
import os
import tempfile
from importlib import resources
from pathlib import Path

from regional_assets.settings import SettingsError, state_dir

# More than fits into the last block of a full disk.
_PROBE = bytes(1 << 18)


def write_problem(folder: Path) -> str | None:
    """Why the folder cannot be written now (disk full, no permission, ...) and what to do, found
    by a trial write; None when it can."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "make room on its disk" if full else "make it writable"
        return (
            f"{folder} cannot be written ({error.strerror}): {advice} (what was acknowledged is "
            "kept), or set REGIONAL_STATE_DIR to another folder"
        )
    return None


def not_writable(folder: Path, error: OSError) -> str:
    """The message for a state folder that cannot be created or written."""
    return (
        f"the state folder {folder} cannot be written ({error.strerror}): set REGIONAL_STATE_DIR "
        "to a folder of yours"
    )


def use_dagster_home() -> Path:
    """The folder that `DAGSTER_HOME` names. When that is unset, it is set to `dagster` in the
    state folder, with the project's dagster.yaml in it."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = dagster_home(state_dir())
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def dagster_home(state: Path) -> Path:
    """The folder `dagster` in the state folder, created if necessary. Raises `SettingsError` when
    it cannot be written."""
    home = state / "dagster"
    settings = Path(str(resources.files("regional_assets") / "dagster.yaml"))
    link = home / "dagster.yaml"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.mkdir(exist_ok=True)
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(settings)
    except OSError as error:
        raise SettingsError(not_writable(state, error)) from None
    # Dagster's own message for this is a page long.
    if problem := write_problem(home):
        raise SettingsError(problem)
    return home
