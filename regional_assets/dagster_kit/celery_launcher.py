"""Runs on Celery workers: dagster-celery's launcher, which also notices a worker that is gone.

Dagster's own asks Celery's result store for the state of a task. That stays "started" for ever when
a whole worker is killed, is forgotten when the store restarts, and a run of a command has none. So
this one asks the workers themselves which tasks they have. Workers' settings do not belong here.
"""

import math
import time
from typing import Any

import dagster as dg
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError

from regional_assets.dagster_kit.private import RunHealth, RunWorker

# Seconds. A worker answers even while its processes compute, so one that says nothing for so long
# is gone, or cut off; a broker that restarts is back in less.
SILENCE = 30.0
_ANSWERS = 2.0


class WatchingCeleryRunLauncher(CeleryRunLauncher):
    """For `run_launcher` in dagster.yaml; configured as `CeleryRunLauncher` is."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        # Run → since when no worker has had it.
        self._missing: dict[str, float] = {}
        # The workers' last answer, and its time: one question serves all runs of a round.
        self._tasks: set[str] = set()
        self._asked = -math.inf

    def launch_run(self, context: Any) -> None:
        """Raises ConnectionError when the broker does not answer; Dagster then fails the run."""
        try:
            super().launch_run(context)
        except OperationalError as error:
            raise ConnectionError(
                f"the broker {self._broker()} cannot be reached ({error}), so that no worker gets "
                "this run: start it, or correct CELERY_BROKER_URL. Nothing was computed. Dagster "
                "and recovery_sensor try failed runs again"
            ) from None

    def terminate(self, run_id: str) -> bool:
        """Asks the run's worker to end it as canceled. False for a run that has ended or was not
        launched here, as that of a command, and when the broker does not answer; then the run's
        page says that it goes on."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or _task(run) is None:
            return False
        try:
            self._at_workers()
        except OperationalError as error:
            self._instance.report_engine_event(
                f"The broker {self._broker()} cannot be reached ({error}), so that no worker can "
                "be asked to end this run, and it goes on: terminate it again when the broker is "
                "back",
                run,
                cls=type(self),
            )
            return False
        # Without it Dagster takes the interruption for a failure, and the run is tried again.
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def check_run_worker_health(self, run: dg.DagsterRun) -> RunHealth:
        """Failed once no worker has had the run for `SILENCE` seconds. Where that cannot be known
        (a broker that does not answer, a run of a command), only max_runtime_seconds ends it."""
        task = _task(run)
        if task is None:
            return RunHealth(RunWorker.RUNNING, "it was not launched through the broker")
        try:
            present = task in self._at_workers()
        except OperationalError as error:
            # Workers need a moment, too, to find a broker that is back.
            self._missing.clear()
            return RunHealth(RunWorker.RUNNING, f"the broker {self._broker()}: {error}")
        if present:
            self._missing.pop(run.run_id, None)
            return RunHealth(RunWorker.RUNNING)
        silent = time.monotonic() - self._missing.setdefault(run.run_id, time.monotonic())
        if silent < SILENCE:
            return RunHealth(RunWorker.RUNNING, f"at no worker for {silent:.0f} s")
        del self._missing[run.run_id]
        return RunHealth(
            RunWorker.FAILED,
            f"No worker has had this run for {silent:.0f} s: the worker that took it was killed or "
            "is cut off from the broker. What it committed is kept; partitions that it did not "
            "materialise have failed",
        )

    def get_run_worker_debug_info(
        self, run: dg.DagsterRun, include_container_logs: bool | None = True
    ) -> str | None:
        """For the message on a run that did not start; the task's state is kept nowhere."""
        return f"Celery task {_task(run)} at the broker {self._broker()}; is a worker running?"

    def _at_workers(self) -> set[str]:
        """The tasks that workers have now. Raises OperationalError."""
        if time.monotonic() - self._asked > _ANSWERS:
            try:
                replies = self.celery.control.inspect(timeout=_ANSWERS).active() or {}
            except self.celery.connection().connection_errors as error:
                raise OperationalError(str(error)) from error
            self._tasks = {task["id"] for tasks in replies.values() for task in tasks}
            self._asked = time.monotonic()
        return self._tasks

    def _broker(self) -> str:
        """Its address without password."""
        return str(self.celery.connection().as_uri())


def _task(run: dg.DagsterRun) -> str | None:
    return run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
