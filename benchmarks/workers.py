"""10,000 regions in runs of 250 over two workers: code server, webserver, daemon and workers, from
the files in deploy/, all on this machine.

It takes database and broker from the variables of deploy/example.env, which have to be empty ones
of its own; the store is one that it starts.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import dagster as dg
from celery import Celery
from dagster_graphql import (
    DagsterGraphQLClient,
    DagsterGraphQLClientError,
    ReloadRepositoryLocationStatus,
)

from benchmarks.generated_model import MODEL, inputs
from benchmarks.measuring import Figure, server, show
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import contiguous, range_tags
from regional_assets.runs.clock import current_time
from regional_assets.store.snapshot_store import SnapshotStore

REGIONS = len(MODEL.regions)
PER_RUN = 250
WORKERS = 2
GOAL_SECONDS = 360

_PROJECT = Path(__file__).parent.parent
_STEPS = ("regional_snapshots", "regional_board")
_UNFINISHED = dg.RunsFilter(
    job_name=SNAPSHOT_JOB,
    statuses=[s for s in dg.DagsterRunStatus if s.value not in ("SUCCESS", "FAILURE", "CANCELED")],
)


def figures() -> list[Figure]:
    """One run over all regions, cut into runs of `PER_RUN`."""
    with server() as settings, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "PYTHONPATH": str(_PROJECT),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "REDIS_URL": settings.redis_url or "",
            "REGIONAL_FILES": folder,
            "REGIONAL_MODEL": "benchmarks.generated_model:MODEL",
            "REGIONAL_PARTITIONS_PER_RUN": str(PER_RUN),
            "CODE_SERVER_HOST": "127.0.0.1",
            "CODE_SERVER_PORT": str(_free_port()),
        }
        with SnapshotStore.open(MODEL, settings).client as client:
            SnapshotStore(client, MODEL, settings).write_inputs(inputs(MODEL, current_time()))
        return _figures(Path(folder))


def _figures(folder: Path) -> list[Figure]:
    with _deployed(folder) as (instance, webserver):
        started = time.perf_counter()
        for members in contiguous(MODEL, MODEL.region_ids):
            webserver.submit_job_execution(SNAPSHOT_JOB, tags=range_tags(*members))
        launched = time.perf_counter() - started
        while unfinished := instance.get_runs_count(_UNFINISHED):
            print(f"{time.perf_counter() - started:.0f} s: {unfinished} runs to go", flush=True)
            time.sleep(5)
        whole = time.perf_counter() - started
        done = instance.get_materialized_partitions(dg.AssetKey("regional_snapshot"))
        records = instance.get_run_records(dg.RunsFilter(job_name=SNAPSHOT_JOB))
        failed = sum(not record.dagster_run.is_success for record in records)
        stats = [instance.get_run_step_stats(record.dagster_run.run_id) for record in records]
    runs = [r.end_time - r.start_time for r in records if r.end_time and r.start_time]
    steps = {
        name: [
            step.end_time - step.start_time
            for steps in stats
            for step in steps
            if step.step_key == name and step.start_time and step.end_time
        ]
        for name in _STEPS
    }
    return [
        Figure(
            f"{REGIONS:,} regions in runs of {PER_RUN} over {WORKERS} workers",
            f"{whole:.0f} s",
            f"at most {GOAL_SECONDS} s",
            whole <= GOAL_SECONDS and len(done) == REGIONS and not failed,
            "whole",
            f"{len(done):,} regions materialised; {failed} of {len(records)} runs failed",
        ),
        Figure(f"To queue these {len(records)} runs", f"{launched:.1f} s", scope="inside"),
        Figure(
            f"One run of {PER_RUN} regions", _median(runs), scope="inside", detail=_spread(runs)
        ),
        *(
            Figure(f"Its step {name}", _median(taken), detail=_spread(taken))
            for name, taken in steps.items()
        ),
    ]


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.1f} s"


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.1f}–{max(seconds):.1f} s, together {sum(seconds):.0f} s"


@contextmanager
def _deployed(folder: Path) -> Iterator[tuple[dg.DagsterInstance, DagsterGraphQLClient]]:
    """The processes, when they are ready to take runs."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((_PROJECT / "deploy" / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as instance, ExitStack() as stack:
        assert not instance.get_runs_count(), "the database has runs; take an empty one"
        port = _free_port()
        arguments = {
            "code": (),
            "webserver": ("--host", "127.0.0.1", "--port", str(port)),
            "daemon": (),
            **{
                f"worker {number}": ("--concurrency", "1", "--hostname", f"{number}@%h")
                for number in range(WORKERS)
            },
        }
        for name, more in arguments.items():
            stack.callback(_end, _start(folder / name, name.split()[0], *more))
        webserver = DagsterGraphQLClient("127.0.0.1", port_number=port)
        workers = Celery(broker=os.environ["CELERY_BROKER_URL"]).control.inspect()
        while len(workers.ping() or {}) < WORKERS or not _loaded(webserver):
            time.sleep(1)
        yield instance, webserver


def _start(home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    home.mkdir()
    with (home / "log").open("w") as log:
        return subprocess.Popen(
            ["sh", _PROJECT / "deploy" / "start", *arguments],
            env={**os.environ, "DAGSTER_HOME": str(home)},
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _loaded(webserver: DagsterGraphQLClient) -> bool:
    with suppress(DagsterGraphQLClientError):
        loaded = webserver.reload_repository_location("regional_assets")
        return loaded.status == ReloadRepositoryLocationStatus.SUCCESS
    return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    show(figures())
