"""Dagster's storage on a machine where several processes start at once."""

import multiprocessing
import signal
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from regional_assets.defs.instance import open_instance
from regional_assets.errors import SettingsError
from regional_assets.store import state_folder
from regional_assets.store.state_folder import creating_storage, dagster_home, has_storage
from regional_assets_tests.support.waiting import PATIENCE

# A fork has Dagster loaded already.
_FORK = multiprocessing.get_context("fork")
PROCESSES = 6


def count_runs(home: Path, together: Barrier) -> None:
    together.wait(PATIENCE)
    with open_instance(home) as instance:
        assert instance.get_runs_count() == 0


@pytest.mark.parametrize("attempt", range(3))
def test_processes_that_create_one_storage_at_once(folder: Path, attempt: int) -> None:
    home = dagster_home(folder)
    assert not has_storage(home)
    together = _FORK.Barrier(PROCESSES)
    started = [_FORK.Process(target=count_runs, args=(home, together)) for _ in range(PROCESSES)]
    for process in started:
        process.start()
    for process in started:
        process.join(PATIENCE)
    assert [process.exitcode for process in started] == [0] * PROCESSES
    assert has_storage(home)


def hold(home: Path, holding: Event) -> None:
    with creating_storage(home):
        holding.set()
        signal.pause()


def test_whoever_creates_a_storage_is_killed(folder: Path) -> None:
    home = dagster_home(folder)
    holding = _FORK.Event()
    first = _FORK.Process(target=hold, args=(home, holding))
    first.start()
    assert holding.wait(PATIENCE)
    second = _FORK.Process(target=count_runs, args=(home, _FORK.Barrier(1)))
    second.start()
    # It does not get ahead.
    second.join(1)
    assert second.is_alive()
    assert not has_storage(home)
    first.kill()
    second.join(PATIENCE)
    assert second.exitcode == 0
    assert has_storage(home)
    first.join()


def test_whoever_creates_a_storage_hangs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_folder, "_CREATION", 0.5)
    home = dagster_home(folder)
    holding = _FORK.Event()
    first = _FORK.Process(target=hold, args=(home, holding))
    first.start()
    assert holding.wait(PATIENCE)
    found = r"for more than 0\.5 s: end the one that has"
    with pytest.raises(SettingsError, match=found), open_instance(home):
        pass
    first.kill()
    first.join()
