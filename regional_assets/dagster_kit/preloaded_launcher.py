"""Runs on this machine that start at once.

Dagster's default launcher starts a new Python for each run. To load Dagster takes that process two
of the four seconds from a click to the end of a run. Here the daemon keeps a process that has
loaded Dagster, and nothing of the project; it forks one process for each run (the fork server of
`multiprocessing`). That process loads the project itself, so that every run executes the code of
its time.
"""

import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from typing import Any, Self

import dagster as dg

from regional_assets.dagster_kit.liveness import alive, end_run, is_alive, signal_process
from regional_assets.dagster_kit.private import (
    LAUNCHED_BY_CODE_SERVER_TAG,
    NEEDED_BY_RUNS,
    CodeServer,
    command_arguments,
    execute_run,
)


class PreloadedRunLauncher(dg.DefaultRunLauncher):
    """For `run_launcher` in dagster.yaml. Its configuration may list, as `preload`, packages that
    the project's runs import and that are not its own; what is not installed is skipped. A code
    location of another Python, or of a code server with a port, is left to Dagster's default
    launcher."""

    # Seconds in which the process of a run that was launched takes its lock.
    patience = 10.0

    def __init__(self, inst_data: Any = None, preload: Sequence[str] = ()) -> None:
        super().__init__(inst_data)
        self._preload = [*NEEDED_BY_RUNS, *preload]
        # A process is started by one thread, and its end is read by another.
        self._processes = threading.Lock()

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Dagster's hook: what dagster.yaml may configure."""
        return {"preload": dg.Field([str], is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Dagster's hook: the launcher that dagster.yaml describes."""
        return cls(inst_data, **config_value)

    def launch_run(self, context: Any) -> None:
        """Forks the run's process, and watches it until it ends."""
        run: dg.DagsterRun = context.dagster_run
        if not _can_be_forked(run):
            super().launch_run(context)
            return
        servers = multiprocessing.get_context("forkserver")
        servers.set_forkserver_preload(self._preload)
        process = servers.Process(
            target=_execute,
            args=(
                self._instance.root_directory,
                run.run_id,
                command_arguments(self._instance, run),
            ),
            name=f"run {run.run_id}",
        )
        with self._processes:
            process.start()
        threading.Thread(
            target=self._watch, args=(process, run.run_id), name=process.name, daemon=True
        ).start()

    def terminate(self, run_id: str) -> bool:
        """Asks the run's process to end it as canceled, whoever started that process. False for a
        run that has ended, and when this machine has no such process; then the run's page says
        so."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if LAUNCHED_BY_CODE_SERVER_TAG in run.tags:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        # Dagster takes a run that is being canceled before it starts for one that failed.
        starting = run.status == dg.DagsterRunStatus.STARTING
        number = signal.SIGKILL if starting else signal.SIGTERM
        self._instance.report_run_canceling(run)
        deadline = time.monotonic() + self.patience
        while not signal_process(self._instance, run_id, number):
            run = self._instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return True
            if time.monotonic() > deadline:
                self._instance.report_engine_event(
                    "No process that this user may end executes this run on this machine. If none "
                    "does elsewhere, force its termination",
                    run,
                    cls=type(self),
                )
                return False
            time.sleep(0.1)
        return True

    def _watch(self, process: ForkServerProcess, run_id: str) -> None:
        """Ends the run should its process end before it."""
        wait([process.sentinel])
        with self._processes:
            process.join()
        # The fork server reports the end. Should that be killed, the run's process goes on.
        if is_alive(self._instance, run_id):
            return
        run = self._instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            end_run(
                self._instance,
                run,
                f"The process that executed this run ended with exit code {process.exitcode}, "
                "before the run did.",
            )


def _can_be_forked(run: dg.DagsterRun) -> bool:
    """Whether this machine and this Python have the run's code, as far as Dagster knows."""
    code, location = run.job_code_origin, run.remote_job_origin
    if code and code.repository_origin.executable_path != sys.executable:
        return False
    server = location and location.repository_origin.code_location_origin
    # A port may be another machine's; a Unix socket, as `dagster dev` has, is this one's.
    return not (isinstance(server, CodeServer) and server.port)


def _execute(instance_folder: str, run_id: str, arguments: str) -> None:
    with ExitStack() as held:
        # The run can do without the lock, and warns where there can be none.
        with suppress(OSError):
            held.enter_context(alive(instance_folder, run_id))
        execute_run(arguments)
