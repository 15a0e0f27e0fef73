"""Dagster's storage on a machine where several processes start at once."""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from regional_assets.defs.instance import open_instance
from regional_assets.errors import SettingsError
from regional_assets.store.state_folder import creating_storage, dagster_home, has_storage
from regional_assets_tests.support.processes import running
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
    with ExitStack() as stack:
        started = [
            stack.enter_context(running(_FORK.Process(target=count_runs, args=(home, together))))
            for _ in range(PROCESSES)
        ]
        for process in started:
            process.join(PATIENCE)
        assert [process.exitcode for process in started] == [0] * PROCESSES
    assert has_storage(home)


def hold(home: Path, holding: Event) -> None:
    with creating_storage(home):
        holding.set()
        signal.pause()


@contextmanager
def holding_storage(home: Path) -> Iterator[BaseProcess]:
    """A process that creates the storage, and does not come to an end."""
    holding = _FORK.Event()
    with running(_FORK.Process(target=hold, args=(home, holding))) as process:
        assert holding.wait(PATIENCE)
        yield process


def test_whoever_creates_a_storage_is_killed(folder: Path) -> None:
    home = dagster_home(folder)
    with (
        holding_storage(home) as first,
        running(_FORK.Process(target=count_runs, args=(home, _FORK.Barrier(1)))) as second,
    ):
        # It does not get ahead.
        second.join(1)
        assert second.is_alive()
        assert not has_storage(home)
        first.kill()
        second.join(PATIENCE)
        assert second.exitcode == 0
    assert has_storage(home)


def test_whoever_creates_a_storage_hangs(folder: Path) -> None:
    home = dagster_home(folder)
    found = r"for more than 0\.5 s: end the one that has"
    with (
        holding_storage(home),
        pytest.raises(SettingsError, match=found),
        creating_storage(home, patience=0.5),
    ):
        pass
