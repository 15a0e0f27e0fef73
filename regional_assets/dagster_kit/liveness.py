"""Which runs are alive. Dagster's default launcher does not watch the process of a run, so a killed
one would stay in progress for ever.

The process of a run holds a lock on a file under the instance's folder, named after the run. The
system releases the lock when the process ends, however it ends. So a file without its lock belongs
to a run that no process executes any more. Any process that finds such a file can end the run,
after a restart of the machine, too. A run on another machine, without a file here, is left to the
`max_runtime_seconds` of `dagster.yaml`. The file names the process, so that it can be terminated.
What becomes of a dead run's partitions is not decided here.
"""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import dagster as dg

from regional_assets.dagster_kit.private import is_shared

_GONE = (
    "The process that executed this run is gone: it was killed, or its machine or terminal was "
    "closed."
)


_ENDS = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


@contextmanager
def alive(
    instance_folder: str, run_id: str, has_ended: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Holds the run's lock for the length of the block, unless this process holds it already, and
    lets a closed terminal (SIGHUP) end the run as SIGTERM does. The file stays, without its lock,
    unless `has_ended` says that the run has. Raises OSError when there can be no lock."""
    path = _folder(instance_folder) / run_id
    if path.exists():
        yield
        return
    path.parent.mkdir(exist_ok=True)
    # Whoever may open a run's file can lock it, and so keep a dead run alive.
    path.parent.chmod(0o700)
    # Renamed only once it is locked, so that nobody sees it without its lock.
    unfinished = path.with_name(f".{run_id}")
    unfinished.touch(0o600)
    with unfinished.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{_machine()} {os.getpid()}".encode())
        file.flush()
        unfinished.replace(path)
        try:
            with _hangup_interrupts():
                yield
        finally:
            # Before the lock is released: this run is about to end normally.
            if has_ended():
                path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance, replaced: str = "") -> list[dg.DagsterRun]:
    """Ends the runs whose process on this machine is gone, and returns them: as canceled where
    that was requested, else as failed. Those of the job `replaced` are not retried by Dagster."""
    folder = _folder(instance.root_directory)
    ended = []
    for path in sorted(folder.glob("[!.]*")) if folder.exists() else ():
        # A run that has just ended normally has deleted its file.
        if _is_locked(path) is not False or not path.exists():
            continue
        # What another machine locks there is not locked here; its runs have signs of life.
        if is_shared(instance) and _machine_of(path) != _machine():
            continue
        run = instance.get_run_by_id(path.name)
        if run and not run.is_finished:
            if run.job_name == replaced:
                instance.add_run_tags(run.run_id, {"dagster/max_retries": "0"})
            end_run(instance, run, _GONE)
            ended.append(run)
        path.unlink(missing_ok=True)
    return ended


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str) -> None:
    """Ends a run that no process executes: as its log says that it ended, where it does; as
    canceled where that was requested; else as failed."""
    ended = instance.get_records_for_run(run.run_id, of_type=set(_ENDS)).records
    if ended and (event := ended[0].event_log_entry.dagster_event):
        # Its process died between the event and the status.
        instance.run_storage.handle_run_event(run.run_id, event)
    elif run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, f"{why} It was being canceled.")
    else:
        instance.report_run_failed(
            run, f"{why} Partitions that it did not materialise have failed."
        )


def leave_if_ended(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> None:
    """Ends this process at once when its run was ended meanwhile, as a process that was frozen for
    long may find: the run was failed and perhaps started again, and this one has nothing more to
    say. A frozen moment between this question and the next statement stays."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run and run.is_finished:
        context.log.error(f"this run has ended as {run.status.value}; its process leaves")
        os._exit(1)


def is_alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a process holds the run's lock."""
    return bool(_is_locked(_folder(instance.root_directory) / run_id))


def signal_process(instance: dg.DagsterInstance, run_id: str, number: signal.Signals) -> bool:
    """Sends a signal to the run's process. False when this machine has none that this user may
    signal, or its file does not name it, which is so for a run of an older release."""
    path = _folder(instance.root_directory) / run_id
    try:
        # A process of another container has another meaning here, or none.
        machine, process = path.read_text().split()
        if machine != _machine() or not _is_locked(path):
            return False
        os.kill(int(process), number)
    except (OSError, ValueError):
        return False
    return True


def terminate(instance: dg.DagsterInstance, run_id: str, patience: float) -> bool:
    """Asks the run's process to end it as canceled, whoever started that process. False for a run
    that has ended, and when this machine has no such process within `patience` seconds; then the
    run's page says so."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    # Dagster takes a run that is being canceled before it starts for one that failed.
    starting = run.status == dg.DagsterRunStatus.STARTING
    number = signal.SIGKILL if starting else signal.SIGTERM
    instance.report_run_canceling(run)
    deadline = time.monotonic() + patience
    while not signal_process(instance, run_id, number):
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return True
        if time.monotonic() > deadline:
            instance.report_engine_event(
                "No process that this user may end executes this run on this machine. If none does "
                "elsewhere, force its termination",
                run,
            )
            return False
        time.sleep(0.1)
    return True


def _folder(instance_folder: str) -> Path:
    return Path(instance_folder) / "running"


def _machine_of(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace").rpartition(" ")[0]
    return ""


def _machine() -> str:
    """This host and, on Linux, this namespace of process numbers: containers may share a name."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return socket.gethostname() + namespace


def _is_locked(path: Path) -> bool | None:
    """None when there is no such file, or it cannot be read."""
    try:
        with path.open("rb") as file:
            # Shared, so that two who look do not take each other for the run.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
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
