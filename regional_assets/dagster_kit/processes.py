"""The processes below one of ours, by their command lines. One that ends while it is looked at is
gone, and no error."""

import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

STOPPED = psutil.STATUS_STOPPED


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none of a process that is gone."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def status(process: psutil.Process) -> str:
    """Its status as psutil has it, or `gone`."""
    with suppress(psutil.Error):
        return str(process.status())
    return "gone"


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kills those that are there."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def end_fork_server() -> None:
    """Kills the process from which multiprocessing forks for this one, and returns when it has
    ended. Multiprocessing, which has to learn of that itself, then starts another one."""
    found = [
        child
        for child in psutil.Process().children()
        if "multiprocessing.forkserver" in " ".join(command_line(child))
    ]
    kill(found)
    while any(status(child) not in ("gone", psutil.STATUS_ZOMBIE) for child in found):
        time.sleep(0.01)
