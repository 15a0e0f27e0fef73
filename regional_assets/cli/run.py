"""`regional-assets run`: a Dagster run in this process, with progress and a table of results."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column, Table

from regional_assets.cli.render import plain
from regional_assets.definitions import defs
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT, regional_snapshots
from regional_assets.defs.assets.summary import DAMAGED, REGIONAL_SUMMARY
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import contiguous, range_tags

_POLL_SECONDS = 0.1
_NEXT = """
Next:
  regional-assets status       one line per region
  regional-assets show mena    one snapshot, readable
  regional-assets verify       what is stored agrees with itself
  make ui                      the same in the Dagster UI
"""


def run_snapshots(console: Console, regions: Sequence[str], *, force: bool) -> bool:
    """Runs the snapshot job over `regions` and prints what became of each. Returns whether all were
    done, and the summary of all regions could be made.

    A Dagster run takes a contiguous range of partitions; any other choice takes a run per range.
    """
    job = defs.resolve_job_def(SNAPSHOT_JOB.name)
    done: dict[str, Mapping[str, Any]] = {}
    errors: dict[str, str] = {}
    damaged: dict[str, str] = {}
    with dg.DagsterInstance.get() as instance, _progress(console, len(regions)) as (bar, task):
        for members in contiguous(regions):
            run_id = str(uuid.uuid4())
            with _following(instance, run_id, partial(_show, bar, task, len(done))):
                result = job.execute_in_process(
                    instance=instance,
                    run_id=run_id,
                    tags=range_tags(*members),
                    run_config={
                        "ops": {regional_snapshots.op.name: {"config": {"force": force}}},
                        # The table shows the result; the full log is in the UI.
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                    raise_on_error=False,
                )
            done |= _materialised(instance, run_id)
            damaged |= _damaged(instance, run_id)
            missing = [region for region in members if region not in done]
            errors |= _errors(result, missing or [REGIONAL_SUMMARY.to_user_string()])
            _show(bar, task, len(done))
    console.print(_table(regions, done))
    for error in dict.fromkeys(errors.values()):
        failed = ", ".join(name for name in errors if errors[name] == error)
        console.print(f"[red]{failed} failed:[/]", plain(error), soft_wrap=True)
    for region, error in damaged.items():
        words = plain(f"the summary of all regions was not written: {region}: {error}")
        console.print(words, soft_wrap=True)
    if errors:
        again = " ".join(region for region in regions if region not in done)
        console.print(
            f"\nRun again what failed: regional-assets run {again}", highlight=False, soft_wrap=True
        )
    else:
        console.print(_NEXT, highlight=False)
    return not errors and not damaged


@contextmanager
def _progress(console: Console, total: int) -> Iterator[tuple[Progress, TaskID]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar, bar.add_task("regions done", total=total)


def _show(bar: Progress, task: TaskID, before: int, more: int = 0) -> None:
    bar.update(task, completed=before + more)


@contextmanager
def _following(
    instance: dg.DagsterInstance, run_id: str, report: Callable[[int], None]
) -> Iterator[None]:
    """Reports how many partitions a run has materialised while it is in progress."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(_POLL_SECONDS):
            report(len(_materialised(instance, run_id)))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _materialised(instance: dg.DagsterInstance, run_id: str) -> dict[str, Mapping[str, Any]]:
    """Region id → metadata of its materialisation in that run.

    From the event log, because the result of a failed run lacks what was logged before the failure.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        materialisation = entry.asset_materialization
        if materialisation and materialisation.asset_key == REGIONAL_SNAPSHOT:
            found[materialisation.partition or ""] = materialisation.metadata
    return found


def _damaged(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, str]:
    """Region id → why its stored snapshot kept the run from writing the summary."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        materialisation = entry.asset_materialization
        if materialisation and materialisation.asset_key == REGIONAL_SUMMARY:
            found: Any = materialisation.metadata.get(DAMAGED)
            return found.value if found else {}
    return {}


def _errors(result: dg.ExecuteInProcessResult, missing: Sequence[str]) -> dict[str, str]:
    """Name of what is missing → why; empty unless the run failed."""
    if result.success:
        return {}
    reasons: Mapping[str, Any] = {}
    otherwise = "the run ended before; see its log in the UI"
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data:
            reasons = data.user_failure_data.metadata
            otherwise = data.user_failure_data.description or otherwise
        elif data.error:
            otherwise = (data.error.cause or data.error).message
    return {
        name: str(reasons[name].value) if name in reasons else otherwise.strip() for name in missing
    }


def _table(regions: Sequence[str], done: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(
        Column("region", no_wrap=True),
        Column("regime", overflow="fold"),
        Column("before", overflow="fold"),
        Column("net\nbalance", justify="right"),
        Column("confi-\ndence", justify="right"),
        Column("active triggers", overflow="fold"),
        Column("outcome", overflow="fold"),
        Column("ms", justify="right"),
        box=SIMPLE,
    )
    for region in regions:
        if region not in done:
            table.add_row(region, *[""] * 5, "[red]failed[/]", "")
            continue
        values = {name: value.value for name, value in done[region].items()}
        of = values.get("duplicate_of")
        table.add_row(
            region,
            values["regime"],
            values["previous_regime"],
            f"{values['net_balance']:+.3f}",
            f"{values['confidence']:.2f}",
            "\n".join(values["active_triggers"]),
            plain(f"duplicate of {of}") if of else f"[green]{values['outcome']}[/]",
            f"{values['milliseconds']:.0f}",
        )
    return table
