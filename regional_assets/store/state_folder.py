"""Dagster's home in the state folder, and who uses it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

from regional_assets.errors import SettingsError
from regional_assets.redis_link.folders import not_writable, try_lock, write_problem
from regional_assets.settings import DAGSTER_HOME, state_dir

_UI_LOCK = "ui.lock"
_STORAGE_LOCK = "storage.lock"
CONFIGURATION = Path(str(resources.files("regional_assets") / "dagster.yaml"))


def use_dagster_home() -> Path:
    """The folder that `DAGSTER_HOME` names, else `dagster` in the state folder; the variable then
    names it from the root, as Dagster wants it. One that does not exist is created. Raises
    `SettingsError`."""
    named = DAGSTER_HOME.read()
    if named:
        home = Path(named)
        try:
            if not home.is_dir():
                home.mkdir(mode=0o700, parents=True)
                _link_configuration(home)
        except OSError as error:
            raise SettingsError(
                f"DAGSTER_HOME={home} cannot be used ({error.strerror}): name a folder of yours"
            ) from None
        if problem := write_problem(home, DAGSTER_HOME.name):
            raise SettingsError(problem)
    else:
        home = dagster_home(state_dir())
    os.environ[DAGSTER_HOME.name] = str(home)
    return home


def dagster_home(state: Path) -> Path:
    """The folder `dagster` in the state folder, created if necessary. Raises `SettingsError` when
    it cannot be written."""
    home = state / "dagster"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        _link_configuration(home)
    except OSError as error:
        raise SettingsError(not_writable(state, error)) from None
    # Dagster's own message for this is a page long.
    if problem := write_problem(home):
        raise SettingsError(problem)
    return home


def _link_configuration(home: Path) -> None:
    link = home / "dagster.yaml"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(CONFIGURATION)


def has_storage(home: Path) -> bool:
    """Whether Dagster's storage was created from that Dagster home."""
    lock = home / _STORAGE_LOCK
    return lock.exists() and lock.stat().st_size > 0


@contextmanager
def creating_storage(home: Path, patience: float = 60.0) -> Iterator[None]:
    """Makes this process the only one that creates Dagster's storage from that Dagster home, which
    takes a second or two; another waits for up to `patience` seconds. Of two that create the tables
    of a SQLite at once one fails, or both leave it with two versions, which nothing can open any
    more. Raises `SettingsError` when the other has not ended by then, and OSError."""
    path = home / _STORAGE_LOCK
    end = time.monotonic() + patience
    while (lock := try_lock(path, fcntl.LOCK_EX)) is None:
        if time.monotonic() > end:
            raise SettingsError(
                f"another process has been creating Dagster's storage in {home} for more than "
                f"{patience:g} s: end the one that has {path} open, and try again"
            )
        time.sleep(0.1)
    try:
        yield
        # Not before: whoever is killed meanwhile has perhaps created a part.
        os.write(lock, f"created by process {os.getpid()}\n".encode())
    finally:
        os.close(lock)


def running_ui(home: Path) -> str | None:
    """Where the UI of that Dagster home runs; None when none does."""
    path = home / _UI_LOCK
    if not path.exists():
        return None
    lock = try_lock(path, fcntl.LOCK_SH)
    if lock is None:
        return path.read_text(encoding="utf-8") or "an address that is not known yet"
    os.close(lock)
    return None


def daemons(home: Path) -> list[int]:
    """The processes that are daemons of that Dagster home on this machine, by whichever path they
    name it."""
    import psutil

    # Process → its parent.
    found: dict[int, int] = {}
    for process in psutil.process_iter():
        # It may have ended, or be another user's.
        with suppress(psutil.Error, OSError):
            words = process.cmdline()
            named = process.environ().get(DAGSTER_HOME.name)
            is_daemon = any(w.endswith(("dagster._daemon", "dagster-daemon")) for w in words)
            if is_daemon and named and Path(named).samefile(home):
                found[process.pid] = process.ppid()
    # A child that a daemon starts looks like it until it is another program.
    return sorted(process for process, parent in found.items() if parent not in found)


def hold_ui_lock(home: Path, address: str) -> None:
    """Makes this process, and the program that replaces it, the UI of that Dagster home until it
    ends. Raises `SettingsError` when there is one, or a daemon that outlived its UI."""
    lock = try_lock(home / _UI_LOCK, fcntl.LOCK_EX)
    if lock is None:
        raise SettingsError(
            f"the UI of {home} runs already, at {running_ui(home)}: end it first (two would start "
            "every schedule twice), or set REGIONAL_STATE_DIR to another folder"
        )
    os.truncate(lock, 0)
    os.write(lock, f"{address} (process {os.getpid()})".encode())
    os.set_inheritable(lock, True)
    if processes := daemons(home):
        raise SettingsError(
            f"a daemon of {home} runs already, in process {processes[0]}: end it first (two would "
            "start every schedule twice)"
        )
