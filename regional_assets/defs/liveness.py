"""Which runs are alive. Dagster's default launcher does not watch the process of a run, so a killed
one would stay in progress for ever.

The process of a run holds a lock on a file under the instance's folder, named after the run. The
system releases the lock when the process ends, however it ends. So a file without its lock belongs
to a run that no process executes any more. Any process that finds such a file can end the run,
after a restart of the machine, too. A run on another machine, without a file here, is left to the
`max_runtime_seconds` of `dagster.yaml`.
"""

import fcntl
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import dagster as dg

_GONE = (
    "The process that executed this run is gone: it was killed, or its machine or terminal was "
    "closed."
)


@contextmanager
def alive(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Holds the run's lock for the length of the block, unless this process holds it already, and
    lets a closed terminal (SIGHUP) end the run as SIGTERM does. Raises OSError when there can be no
    lock."""
    path = _folder(instance) / run_id
    if path.exists():
        yield
        return
    path.parent.mkdir(exist_ok=True)
    # Renamed only once it is locked, so that nobody sees it without its lock.
    unfinished = path.with_name(f".{run_id}")
    with unfinished.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        unfinished.replace(path)
        try:
            with _hangup_interrupts():
                yield
        finally:
            # Before the lock is released: this run is about to end normally.
            path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance, replaced: str = "") -> list[dg.DagsterRun]:
    """Ends the runs whose process on this machine is gone, and returns them: as canceled where
    that was requested, else as failed. Those of the job `replaced` are not retried by Dagster."""
    folder = _folder(instance)
    ended = []
    for path in sorted(folder.glob("[!.]*")) if folder.exists() else ():
        if not _is_abandoned(path):
            continue
        run = instance.get_run_by_id(path.name)
        if run and not run.is_finished:
            if run.status == dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, f"{_GONE} It was being canceled.")
            else:
                if run.job_name == replaced:
                    instance.add_run_tags(run.run_id, {"dagster/max_retries": "0"})
                instance.report_run_failed(
                    run, f"{_GONE} Partitions that it did not materialise have failed."
                )
            ended.append(run)
        path.unlink(missing_ok=True)
    return ended


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "running"


def _is_abandoned(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            # Shared, so that two who look do not take each other for the run.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            # A run that has just ended normally has deleted it.
            return path.exists()
    except OSError:
        return False


@contextmanager
def _hangup_interrupts() -> Iterator[None]:
    """Treats SIGHUP as SIGINT, whose handler Dagster sets for each part of a run. A process that
    was started to ignore it (nohup) goes on doing so."""
    before = signal.getsignal(signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread() or before is not signal.SIG_DFL:
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGHUP, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
