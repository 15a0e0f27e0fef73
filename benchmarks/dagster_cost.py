"""What a run costs beside Dagster's own cost: the webserver, the daemon and the launcher as
`make ui` runs them, our project beside one whose asset does nothing."""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.measuring import Comparison, Figure, compared, server, show
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import range_tags
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.runs.clock import current_time
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files
from regional_assets.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.state_folder import CONFIGURATION, dagster_home

ROUNDS = 9
IMPORT_ROUNDS = 11
RUN_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0

_ALL = range_tags(*BUILT_IN.region_ids)
_FORCE = {"ops": {"regional_snapshots": {"config": {"force": True}}}}
_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A job as the webserver knows it."""

    module: str
    job: str
    # Written, not found to be duplicates: the dearer of the two.
    force: bool = False
    # By the launcher of this project's dagster.yaml, or by Dagster's default.
    preloaded: bool = True


OURS = Project("regional_assets.definitions", SNAPSHOT_JOB, force=True)
IDLE = Project("benchmarks.idle.alone", "idle_job")
BY_DEFAULT = Project("benchmarks.idle.alone", "idle_job", preloaded=False)
# Dagster looks up each of the seventeen inputs when a run starts.
DOWNSTREAM = Project("benchmarks.idle.downstream", "idle_downstream_job")
PROJECTS = (OURS, IDLE, DOWNSTREAM, BY_DEFAULT)


@dataclass(frozen=True, slots=True)
class Run:
    """When a run was asked for, put into the queue and taken from it, when its process had Dagster
    loaded and turned to the project, when it ended (s); how many events it left."""

    asked: float
    enqueued: float
    launched: float
    ready: float
    ended: float
    events: int

    @property
    def unspecific(self) -> float:
        """Seconds in which all runs of a launcher do the same, whatever their project."""
        return self.ready - self.enqueued

    @property
    def own(self) -> float:
        """The other seconds: to accept the run, to load the project and to run."""
        return self.enqueued - self.asked + self.ended - self.ready


class Dagster:
    """A webserver with its daemon, and the instance they share."""

    def __init__(self, url: str, instance: dg.DagsterInstance) -> None:
        self._url = url
        self._instance = instance

    def run(self, project: Project, tags: Sequence[Mapping[str, str]]) -> list[Run]:
        """Launches a run per set of tags, at once, and waits for all."""
        asked = [(time.time(), self._launch(project, each)) for each in tags]
        return [self._ended(run_id, at) for at, run_id in asked]

    def ask(self, query: str, **variables: Any) -> Any:
        """What the webserver answers."""
        request = urllib.request.Request(
            f"{self._url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)["data"]

    def _launch(self, project: Project, tags: Mapping[str, str]) -> str:
        said = self.ask(
            _LAUNCH,
            params={
                "selector": {
                    "repositoryLocationName": project.module,
                    "repositoryName": "__repository__",
                    "jobName": project.job,
                },
                "runConfigData": _FORCE if project.force else {},
                "executionMetadata": {
                    "tags": [{"key": key, "value": value} for key, value in tags.items()]
                },
            },
        )
        return str(said["launchRun"]["run"]["runId"])

    def _ended(self, run_id: str, asked: float) -> Run:
        deadline = time.monotonic() + RUN_TIMEOUT
        while True:
            run = self._instance.get_run_by_id(run_id)
            if run and run.is_finished:
                break
            assert time.monotonic() < deadline, f"run {run_id} does not end"
            # Seldom enough not to take the run's processor.
            time.sleep(0.25)
        assert run.is_success, f"run {run_id} failed"
        stats = self._instance.get_run_stats(run_id)
        events = self._instance.all_logs(run_id)
        return Run(
            asked=asked,
            enqueued=stats.enqueued_time or nan,
            launched=stats.launch_time or nan,
            ready=next(e.timestamp for e in events if e.message.startswith("Started process")),
            ended=stats.end_time or nan,
            events=len(events),
        )


@contextmanager
def dagster(settings: StoreSettings, *, preloaded: bool) -> Iterator[Dagster]:
    """`dagster dev` with the projects of that launcher and this project's dagster.yaml, without its
    launcher if not `preloaded`."""
    home = dagster_home(settings.state_dir if preloaded else settings.state_dir / "default")
    if not preloaded:
        configuration = CONFIGURATION.read_text(encoding="utf-8")
        (home / "dagster.yaml").unlink()
        (home / "dagster.yaml").write_text(
            re.sub(r"^run_launcher:\n(  .*\n)+", "", configuration, flags=re.MULTILINE)
        )
    locations = [
        {"python_module": {"module_name": project.module, "location_name": project.module}}
        for project in PROJECTS
        if project.preloaded == preloaded
    ]
    workspace = home / "workspace.yaml"
    # JSON is YAML.
    workspace.write_text(json.dumps({"load_from": locations}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **_environment(),
        "DAGSTER_HOME": str(home),
        "REDIS_URL": settings.redis_url or "",
        "REGIONAL_STATE_DIR": str(settings.state_dir),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-p", str(port)]
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        (home / "dev.log").open("w") as log,
    ):
        # Now, by one process: those that start would make the databases all at once.
        instance.get_runs_count(), instance.all_asset_keys(), instance.all_instigator_state()
        started = subprocess.Popen(
            command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True
        )
        try:
            running = Dagster(f"http://127.0.0.1:{port}", instance)
            _wait_for(running, home / "dev.log")
            yield running
        finally:
            # As Ctrl-C does: the command and all that it started.
            os.killpg(started.pid, signal.SIGINT)
            started.wait(STOP_TIMEOUT)


def _environment() -> dict[str, str]:
    """Where processes find the benchmarks, and keep what they compiled, as Python does."""
    found = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def _wait_for(running: Dagster, log: Path) -> None:
    deadline = time.monotonic() + RUN_TIMEOUT
    query = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
    while time.monotonic() < deadline:
        try:
            entries = running.ask(query)["workspaceOrError"]["locationEntries"]
        except OSError:
            entries = []
        if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
            return
        time.sleep(0.5)
    raise RuntimeError(f"the webserver does not start:\n{log.read_text()}")


def figures() -> list[Figure]:
    """Runs, imports, one run against eight."""
    # First, while nothing else runs.
    imports = _imports()
    with (
        server() as settings,
        dagster(settings, preloaded=True) as running,
        dagster(settings, preloaded=False) as default,
    ):
        with SnapshotStore.open(BUILT_IN, settings).client as client:
            values = read_input_files(BUILT_IN, SAMPLE_INPUTS, current_time())
            SnapshotStore(client, BUILT_IN, settings).write_inputs(values)
        both = {True: running, False: default}
        taken = [_round(both, position) for position in range(ROUNDS + 1)][1:]
        together = running.run(OURS, [{"dagster/partition": id} for id in BUILT_IN.region_ids])
    ours = [runs[OURS] for runs in taken]
    whole = max(run.ended for run in together) - min(run.asked for run in together)
    single = statistics.median(run.ended - run.asked for run in ours)
    return [
        Figure(
            "Eight regions, from launch to end",
            f"{single:.2f} s",
            "at most 3.2 s",
            single <= 3.2,
            "whole",
        ),
        _ratio(
            "One run of eight / run of nothing by Dagster's launcher",
            taken,
            BY_DEFAULT,
            1.08,
        ),
        _ratio("One run of eight / run of nothing, both forked", taken, IDLE),
        _ratio("One run of eight / run of nothing with all inputs upstream", taken, DOWNSTREAM),
        Figure("A run, its parts", _stages(ours)),
        Figure(
            "Eight runs of one region / one run of eight",
            f"{whole / single:.1f}: {whole:.1f} s against {single:.1f} s",
            scope="whole",
            detail="until the last has ended",
        ),
        Figure(
            "Import of the definitions / import of Dagster",
            str(imports),
            "at most 1.10",
            imports.ratio <= 1.10,
            detail=f"{imports.ours * 1000:.0f} ms against {imports.baseline * 1000:.0f} ms",
        ),
    ]


def _round(running: Mapping[bool, Dagster], position: int) -> dict[Project, Run]:
    """A run of each project, each first in its turn."""
    first = position % len(PROJECTS)
    order = PROJECTS[first:] + PROJECTS[:first]
    return {project: running[project.preloaded].run(project, [_ALL])[0] for project in order}


def _ratio(
    name: str, taken: Sequence[Mapping[Project, Run]], baseline: Project, goal: float | None = None
) -> Figure:
    # What is the same for all of a launcher differs by chance, and by more than what is not: all
    # get the median.
    same = {
        preloaded: statistics.median(
            run.unspecific
            for runs in taken
            for project, run in runs.items()
            if project.preloaded == preloaded
        )
        for preloaded in (True, False)
    }
    ratios = compared(
        (same[baseline.preloaded] + runs[baseline].own, same[True] + runs[OURS].own)
        for runs in taken
    )
    return Figure(
        name,
        str(ratios),
        "" if goal is None else f"at most {goal:.2f}",
        None if goal is None else ratios.ratio <= goal,
        "whole" if baseline in (BY_DEFAULT, IDLE) else None,
        f"{ratios.ours:.2f} s against {ratios.baseline:.2f} s; "
        f"{taken[-1][OURS].events} events against {taken[-1][baseline].events}",
    )


def _stages(runs: Sequence[Run]) -> str:
    def median(stage: Callable[[Run], float]) -> str:
        return f"{statistics.median(map(stage, runs)):.1f} s"

    return (
        f"{median(lambda run: run.enqueued - run.asked)} to be accepted, "
        f"{median(lambda run: run.launched - run.enqueued)} queued, "
        f"{median(lambda run: run.ready - run.launched)} for a process with Dagster, "
        f"{median(lambda run: run.ended - run.ready)} to load the project and run"
    )


def _imports() -> Comparison:
    return compared(
        (_seconds_to_import("dagster"), _seconds_to_import(OURS.module))
        # The first pair leaves the bytecode that Python keeps by default.
        for _ in range(IMPORT_ROUNDS + 1)
    )


def _seconds_to_import(module: str) -> float:
    """In a new process, without its start and end."""
    code = f"from time import perf_counter as now; t = now(); import {module}; print(now() - t)"
    said = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), stdout=subprocess.PIPE, check=True
    ).stdout
    return float(said)


if __name__ == "__main__":
    show(figures())
