"""Runs on this machine that start at once.

Dagster's default launcher starts a new Python for each run, and to load Dagster takes half the time
from a click to the end of a run. Here the daemon keeps a process that has loaded Dagster, and
nothing of the project, and forks one for each run, which loads the project of its time.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Sequence
from concurrent import futures
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Self

import dagster as dg

from regional_assets.dagster_kit.liveness import alive, end_run, is_alive, terminate
from regional_assets.dagster_kit.private import (
    LAUNCHED_BY_CODE_SERVER_TAG,
    NEEDED_BY_RUNS,
    CodeServer,
    command_arguments,
    execute_run,
)
from regional_assets.dagster_kit.processes import end_fork_server

# Bytes, so that the path of a socket in it is no longer than the system allows.
_LONGEST_FOLDER = 80


class PreloadedRunLauncher(dg.DefaultRunLauncher):
    """For `run_launcher` in dagster.yaml. `preload` lists packages that the project's runs import
    and that are not its own; what is not installed is skipped. A code location of another Python,
    or of a code server with a port, is left to Dagster's default launcher."""

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
        """Forks the run's process, and watches it until it ends. What forks has two chances."""
        run: dg.DagsterRun = context.dagster_run
        arguments = command_arguments(self._instance, run) if _can_be_forked(run) else ""
        # A new one first loads Dagster.
        for patience in (self.patience, 3 * self.patience) if arguments else ():
            process = self._servers().Process(
                target=_execute,
                args=(self._instance.root_directory, run.run_id, arguments),
                name=f"run {run.run_id}",
            )
            if not (why_not := self._start(process, patience)):
                watch = partial(self._watch, process, run.run_id)
                threading.Thread(target=watch, name=process.name, daemon=True).start()
                return
            words = f"The process that forks runs {why_not}, and is replaced."
            self._instance.report_engine_event(words, run, cls=type(self))
        super().launch_run(context)

    def _servers(self) -> ForkServerContext:
        """Fork servers whose socket lies in the instance's folder, which nothing cleans."""
        servers = multiprocessing.get_context("forkserver")
        servers.set_forkserver_preload(self._preload)
        folder = Path(self._instance.root_directory) / "forks"
        if len(os.fsencode(folder)) <= _LONGEST_FOLDER:
            folder.mkdir(mode=0o700, exist_ok=True)
            me: Any = multiprocessing.process.current_process()
            me._config["tempdir"] = str(folder)  # noqa: SLF001 - multiprocessing has no other way
        return servers

    def _start(self, process: ForkServerProcess, patience: float) -> str:
        """Starts the process. Why it could not, if so; then no process is started later either."""

        def start() -> None:
            with self._processes:
                process.start()

        starter = futures.ThreadPoolExecutor(1)
        starting = starter.submit(start)
        starter.shutdown(wait=False)
        try:
            starting.result(patience)
        except TimeoutError:
            why_not = f"did not answer for {patience:g} s"
        except Exception as error:
            why_not = f"failed ({error!r})"
        else:
            return ""
        end_fork_server()
        futures.wait([starting], patience)
        # At the last moment: a second process would make Dagster fail the run.
        return "" if starting.done() and not starting.exception() else why_not

    def terminate(self, run_id: str) -> bool:
        """Dagster's hook: asks whatever process on this machine executes the run to end it."""
        run = self._instance.get_run_by_id(run_id)
        if run and not run.is_finished and LAUNCHED_BY_CODE_SERVER_TAG in run.tags:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        return terminate(self._instance, run_id, self.patience)

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
            how = f"ended with exit code {process.exitcode}, before the run did."
            end_run(self._instance, run, f"The process that executed this run {how}")


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
