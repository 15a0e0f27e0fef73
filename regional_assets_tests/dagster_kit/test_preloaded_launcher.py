"""Runs that the launcher forks: real processes, on a real instance."""

import json
import multiprocessing
import multiprocessing.forkserver
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, cast

import dagster as dg
import psutil
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_origin import RemoteRepositoryOrigin

from regional_assets.dagster_kit import liveness
from regional_assets.dagster_kit.liveness import alive, end_dead_runs, is_alive
from regional_assets.dagster_kit.preloaded_launcher import PreloadedRunLauncher
from regional_assets.dagster_kit.private import LAUNCHED_BY_CODE_SERVER_TAG, CodeServer
from regional_assets_tests.support.processes import running
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worker import PROCESSES

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
CANCELED, STARTED = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.STARTED

PROJECT = """
import os, pathlib, time
import dagster as dg

{first}

@dg.asset
def thing():
    {body}

defs = dg.Definitions([thing], jobs=[dg.define_asset_job("job")], executor=dg.in_process_executor)
"""
HANGING = "time.sleep(600)"
# As `dagster dev`, and so `regional-assets ui`, starts one.
OWN = CodeServer("localhost", socket="server")


@pytest.fixture
def instance(new_home: Path, folder: Path) -> Iterator[dg.DagsterInstance]:
    # Other tests of this process fork from the same server.
    warm = {"preload": ["regional_assets_tests.support.warm", "pytest", "missing"]}
    launcher = {
        "module": PreloadedRunLauncher.__module__,
        "class": PreloadedRunLauncher.__name__,
        "config": warm,
    }
    shutil.copytree(new_home, folder, dirs_exist_ok=True)
    # Not in the folder of one test.
    multiprocessing.forkserver.ensure_running()
    with dg.DagsterInstance.local_temp(str(folder), overrides={"run_launcher": launcher}) as opened:
        try:
            yield opened
        finally:
            for thread in threading.enumerate():
                run_id = thread.name.removeprefix("run ")
                while run_id != thread.name and thread.is_alive():
                    liveness.signal_process(opened, run_id, signal.SIGKILL)
                    thread.join(0.1)
            cast(Any, multiprocessing.current_process())._config.pop("tempdir", None)
            if str(
                cast(Any, multiprocessing.forkserver)._forkserver._forkserver_address
            ).startswith(str(folder)):
                os.kill(fork_server(), signal.SIGKILL)
                eventually(lambda: psutil.Process(fork_server()).status() == psutil.STATUS_ZOMBIE)


@pytest.fixture
def launch(instance: dg.DagsterInstance, folder: Path) -> Callable[..., str]:
    """Launches a run of a project whose asset has this body; the run's id."""

    def launched(
        body: str,
        first: str = "",
        python: str = sys.executable,
        location: CodeServer = OWN,
    ) -> str:
        project = folder / "project.py"
        project.write_text(PROJECT.format(body="pass", first=""))
        repository = ReconstructableRepository.for_file(str(project), "defs", str(folder))
        job = repository._replace(executable_path=python).get_reconstructable_job("job")
        run = instance.create_run_for_job(
            job.get_definition(),
            job_code_origin=job.get_python_origin(),
            remote_job_origin=RemoteRepositoryOrigin(location, "defs").get_job_origin("job"),
        )
        project.write_text(PROJECT.format(body=body, first=first))
        instance.launch_run(run.run_id, cast(Any, None))
        return run.run_id

    return launched


def ended(instance: dg.DagsterInstance, run_id: str, status: dg.DagsterRunStatus) -> None:
    def has_ended() -> bool:
        run = instance.get_run_by_id(run_id)
        return bool(run and run.is_finished)

    eventually(has_ended)
    run = instance.get_run_by_id(run_id)
    assert run
    assert run.status == status


def started(instance: dg.DagsterInstance, run_id: str) -> int:
    """The process of a run that computes."""
    eventually(lambda: instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START))
    words = (Path(instance.root_directory) / "running" / run_id).read_text().split()
    return int(words[1])


def said(instance: dg.DagsterInstance, run_id: str) -> str:
    return "\n".join(entry.message for entry in instance.all_logs(run_id))


def test_each_run_executes_the_code_of_its_time(
    instance: dg.DagsterInstance, folder: Path, launch: Callable[..., str]
) -> None:
    for word in ("one", "another"):
        run_id = launch(f"pathlib.Path({str(folder / 'said')!r}).write_text({word!r})")
        ended(instance, run_id, SUCCESS)
        assert (folder / "said").read_text() == word
        eventually(lambda: not list((folder / "running").iterdir()))


def test_a_run_whose_process_is_killed_fails_at_once(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    run_id = launch(HANGING)
    os.kill(started(instance, run_id), signal.SIGKILL)
    ended(instance, run_id, FAILURE)
    assert "ended with exit code -9" in said(instance, run_id)


def test_a_process_that_ends_before_its_run_starts_fails_it(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    run_id = launch("pass", first="os._exit(3)")
    ended(instance, run_id, FAILURE)
    assert "ended with exit code 3" in said(instance, run_id)


def test_code_that_cannot_be_loaded_fails_the_run_with_its_error(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    run_id = launch("pass", first="raise ValueError('broken here')")
    ended(instance, run_id, FAILURE)
    assert "broken here" in str(instance.all_logs(run_id))


def test_a_terminated_run_is_canceled(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    run_id = launch(HANGING)
    started(instance, run_id)
    assert instance.run_launcher.terminate(run_id)
    ended(instance, run_id, CANCELED)
    assert not instance.run_launcher.terminate(run_id)


def test_a_run_that_lasts_too_long_ends_by_itself(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    """Dagster's monitoring says that the run is being canceled before it asks the launcher."""
    run_id = launch(HANGING)
    started(instance, run_id)
    run = instance.get_run_by_id(run_id)
    assert run
    instance.report_run_canceling(run)
    assert instance.run_launcher.terminate(run_id)
    ended(instance, run_id, CANCELED)
    assert "ended with exit code" not in said(instance, run_id)


def test_a_run_that_is_terminated_as_soon_as_it_is_launched_is_canceled(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    run_id = launch(HANGING)
    assert instance.run_launcher.terminate(run_id)
    ended(instance, run_id, CANCELED)


def test_a_run_of_another_process_is_terminated_too(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    """As that of a command is."""
    run = a_started_run(instance)
    with running(PROCESSES.Process(target=holding, args=(str(folder), run.run_id))) as process:
        eventually((folder / "running" / run.run_id).exists)
        assert instance.run_launcher.terminate(run.run_id)
        process.join()
    assert process.exitcode == -signal.SIGTERM


@pytest.mark.parametrize("named", [None, "elsewhere 1", "{here} {pid}"])
def test_a_run_without_a_process_here_is_not_terminated(
    instance: dg.DagsterInstance, folder: Path, named: str | None
) -> None:
    """Of another machine or container, or of a process that is gone."""
    run = a_started_run(instance)
    if named:
        path = folder / "running" / run.run_id
        path.parent.mkdir(exist_ok=True)
        path.write_text(named.format(here=liveness._machine(), pid=os.getpid()))
    assert not impatient(instance).terminate(run.run_id)
    assert "No process that this user may end" in said(instance, run.run_id)


@pytest.mark.parametrize("why", ["of an older release", "of a container", "of another user"])
def test_a_process_that_may_not_be_signalled_is_left_alone(
    instance: dg.DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    run = a_started_run(instance)
    path = folder / "running" / run.run_id
    with running(PROCESSES.Process(target=holding, args=(str(folder), run.run_id))) as process:
        eventually(path.exists)
        with monkeypatch.context() as patched:
            if why == "of an older release":
                # It wrote nothing into the file.
                path.write_text("")
            elif why == "of a container":
                patched.setattr(Path, "readlink", lambda _path: "pid:[1]")
            else:
                patched.setattr(os, "kill", refuse)
            assert not impatient(instance).terminate(run.run_id)
            assert end_dead_runs(instance) == []
        assert "No process that this user may end" in said(instance, run.run_id)
    assert process.exitcode == -signal.SIGKILL


def test_a_run_outlives_the_process_that_forked_it(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    """Killed, that process can no longer report the run's end."""
    run_id = launch(HANGING)
    process = started(instance, run_id)
    [watcher] = (thread for thread in threading.enumerate() if thread.name == f"run {run_id}")
    os.kill(fork_server(), signal.SIGKILL)
    watcher.join()
    run = instance.get_run_by_id(run_id)
    assert run
    assert run.status == STARTED
    ended(instance, launch("pass"), SUCCESS)
    os.kill(process, signal.SIGKILL)
    eventually(lambda: not is_alive(instance, run_id))
    assert [run.run_id for run in end_dead_runs(instance)] == [run_id]


def fork_server() -> int:
    return int(cast(Any, multiprocessing.forkserver)._forkserver._forkserver_pid)


def test_a_fork_server_that_is_frozen_is_replaced(
    instance: dg.DagsterInstance, launch: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(instance, launch("pass"), SUCCESS)
    frozen = fork_server()
    os.kill(frozen, signal.SIGSTOP)
    monkeypatch.setattr(PreloadedRunLauncher, "patience", 10.0)
    run_id = launch("pass")
    ended(instance, run_id, SUCCESS)
    assert "The process that forks runs did not answer for 10 s" in said(instance, run_id)
    assert fork_server() != frozen


def test_a_fork_server_whose_socket_is_gone_is_replaced(
    instance: dg.DagsterInstance, launch: Callable[..., str]
) -> None:
    ended(instance, launch("pass"), SUCCESS)
    Path(cast(Any, multiprocessing.forkserver)._forkserver._forkserver_address).unlink()
    run_id = launch("pass")
    ended(instance, run_id, SUCCESS)
    assert "The process that forks runs failed (FileNotFoundError" in said(instance, run_id)


def test_a_process_that_starts_at_the_deadline_is_not_started_twice(
    instance: dg.DagsterInstance,
    launch: Callable[..., str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dagster fails a run that a second process starts."""
    started_slowly = ForkServerProcess.start

    def start(process: ForkServerProcess) -> None:
        started_slowly(process)
        time.sleep(6)

    ended(instance, launch("pass"), SUCCESS)
    monkeypatch.setattr(ForkServerProcess, "start", start)
    monkeypatch.setattr(PreloadedRunLauncher, "patience", 5.0)
    began = folder / "began"
    run_id = launch("pass", f"open({str(began)!r}, 'a').write('x')")
    monkeypatch.undo()
    ended(instance, run_id, SUCCESS)
    assert began.read_text() == "x"
    assert "is replaced" not in said(instance, run_id)


@pytest.mark.parametrize(
    "elsewhere",
    [{"python": "/another/python"}, {"location": CodeServer("code", 4000)}],
)
def test_a_run_whose_code_is_elsewhere_is_left_to_dagsters_launcher(
    launch: Callable[..., str], elsewhere: dict[str, Any]
) -> None:
    """Another Python, or a code server that may run on another machine."""
    with pytest.raises(dg.DagsterInvariantViolationError, match="DefaultRunLauncher requires"):
        launch("pass", **elsewhere)


def test_a_run_that_dagsters_launcher_started_is_terminated_by_it(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    """It asks the code server, which is gone here."""
    server = json.dumps({"host": "localhost", "socket": str(folder / "gone")})
    run = a_started_run(instance, {LAUNCHED_BY_CODE_SERVER_TAG: server})
    with pytest.raises(DagsterUserCodeUnreachableError):
        instance.run_launcher.terminate(run.run_id)


def a_started_run(
    instance: dg.DagsterInstance, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    return instance.add_run(dg.DagsterRun(job_name="job", status=STARTED, tags=tags))


class Impatient(PreloadedRunLauncher):
    patience = 0.1


def impatient(instance: dg.DagsterInstance) -> Impatient:
    launcher = Impatient()
    launcher.register_instance(instance)
    return launcher


def refuse(*_arguments: object) -> None:
    raise PermissionError


def holding(instance_folder: str, run_id: str) -> None:
    """Holds a run's lock until it is killed."""
    with alive(instance_folder, run_id):
        signal.pause()
