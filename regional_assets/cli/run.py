"""`regional-assets run` and `brief`: Dagster runs in this process, with progress and a table of
results."""

import gc
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import click
import dagster as dg
import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column, Table

from regional_assets.cli.render import plain
from regional_assets.dagster_kit.liveness import alive
from regional_assets.definitions import definitions
from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.assets.summary import DAMAGED, NOT_LISTED, REGIONAL_SUMMARY
from regional_assets.defs.instance import open_instance
from regional_assets.defs.jobs import BRIEF_JOB, SNAPSHOT_JOB
from regional_assets.defs.known_store import EMPTIED_TAG, MOVED_TAG, WENT_BACK_TAG
from regional_assets.defs.partitions import contiguous, range_tags
from regional_assets.defs.resources import NarratorResource
from regional_assets.intelligence.model import Model
from regional_assets.store.state_folder import use_dagster_home

_POLL_SECONDS = 0.1
_NEXT = """
Next:
  regional-assets status       one line per region
  regional-assets show {:<8}one snapshot, readable
  regional-assets board --open all of them, to look at
  regional-assets verify       what is stored agrees with itself
  regional-assets ui           the same in the Dagster UI
"""


# What a store does not keep, by the name of the metadata that says why.
_NOT_KEPT = {
    "last_words_problem": "the inputs' last words are not kept",
    "last_runs_problem": "the regions' last runs are not kept",
}


class _Ran(msgspec.Struct):
    """What became of a command's runs: region → metadata of its materialisation, the metadata of
    the summary of the last run, and name → error of what was not done."""

    done: dict[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    summary: Mapping[str, Any] = msgspec.field(default_factory=dict)
    errors: dict[str, str] = msgspec.field(default_factory=dict)


class Materialised(msgspec.Struct):
    """What a run has materialised so far: region id → metadata, and the metadata of the summary.

    From the event log, because the result of a failed run lacks what was logged before the failure.
    """

    instance: dg.DagsterInstance
    run_id: str
    regions: dict[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    summary: Mapping[str, Any] = msgspec.field(default_factory=dict)
    _cursor: str | None = None

    def read_on(self) -> None:
        """Reads what the run has logged since the last time."""
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        found = self.instance.get_records_for_run(self.run_id, self._cursor, of_type=kind)
        self._cursor = found.cursor
        for record in found.records:
            if event := record.asset_materialization:
                if event.partition:
                    self.regions[event.partition] = event.metadata
                elif event.asset_key == REGIONAL_SUMMARY:
                    self.summary = event.metadata


def run_snapshots(console: Console, model: Model, regions: Sequence[str], *, force: bool) -> bool:
    """Runs the snapshot job over `regions` and prints what became of each. Returns whether all were
    done, and the summary of all regions could be made."""
    ran = _run(console, model, SNAPSHOT_JOB, "regional_snapshots", regions, force=force)
    console.print(_snapshots_table(regions, ran))
    _print_gone(console, ran)
    _print_errors(console, ran, regions, "run")
    found = ran.summary.get(DAMAGED)
    damaged: Mapping[str, str] = found.value if found else {}
    for region, error in damaged.items():
        words = plain(f"the summary of all regions was not written: {region}: {error}")
        console.print(words, soft_wrap=True)
    more = ran.summary.get(NOT_LISTED)
    if damaged and more and DAMAGED in more.value:
        console.print(f"and of {more.value[DAMAGED]} more regions, which `status` names")
    if not ran.errors:
        console.print(_NEXT.format(regions[0]), highlight=False)
    return not ran.errors and not damaged


def _print_gone(console: Console, ran: _Ran) -> None:
    """Prints which inputs are gone, and what is not known for that."""
    values = {region: {n: v.value for n, v in found.items()} for region, found in ran.done.items()}
    shared: Mapping[str, Any] = next(iter(values.values()), {})
    for key, since in shared.get("held", {}).items():
        words = f"{key} is gone; what it said at {since} is held"
        console.print("[yellow]held:[/]", plain(words), soft_wrap=True)
    for key, since in shared.get("silent", {}).items():
        words = f"{key} is gone since {since}, longer than it is held"
        console.print("[red]silent:[/]", plain(words), soft_wrap=True)
    for region, found in values.items():
        for axis, words in found.get("not_known", {}).items():
            console.print(plain(f"{region}: {axis.replace('_', ' ')}: {words}"), soft_wrap=True)
    for name, words in _NOT_KEPT.items():
        if problem := shared.get(name):
            said = plain(f"{words}: {problem}")
            console.print("[yellow]warning:[/]", said, soft_wrap=True)


def run_briefs(console: Console, model: Model, regions: Sequence[str], *, force: bool) -> bool:
    """Runs the job of the weekly briefs over `regions` and prints what became of each. Returns
    whether none failed; raises `ClickException` when no language model can be asked."""
    why_not = NarratorResource().why_not()
    if why_not:
        raise click.ClickException(why_not)
    ran = _run(
        console, model, BRIEF_JOB, REGIONAL_BRIEF.to_python_identifier(), regions, force=force
    )
    console.print(_briefs_table(regions, ran))
    _print_errors(console, ran, regions, "brief")
    return not ran.errors


def _run(
    console: Console,
    model: Model,
    job_name: str,
    step: str,
    regions: Sequence[str],
    *,
    force: bool,
) -> _Ran:
    """Runs the job, whose first step has that name and takes `force`.

    A Dagster run takes a range of partitions, of at most `REGIONAL_PARTITIONS_PER_RUN`; any other
    choice takes several runs, one after the other.
    """
    resolved = definitions(model, narrated=job_name == BRIEF_JOB).resolve_job_def(job_name)
    # What is loaded by now is never garbage, and takes time to search.
    gc.freeze()
    ran = _Ran()
    with (
        open_instance(use_dagster_home()) as instance,
        _progress(console, len(regions)) as (bar, task),
    ):
        for members in contiguous(model, regions):
            run_id = str(uuid.uuid4())
            found = Materialised(instance, run_id)
            with (
                ExitStack() as held,
                _following(found, partial(_show, bar, task, len(ran.done))),
            ):
                # The resources hold the lock only after the run's start and until just before its
                # end. Where there can be no lock, they warn of that.
                with suppress(OSError):
                    has_ended = partial(_has_ended, instance, run_id)
                    held.enter_context(alive(instance.root_directory, run_id, has_ended))
                result = resolved.execute_in_process(
                    instance=instance,
                    run_id=run_id,
                    tags=range_tags(*members),
                    run_config={
                        "ops": {step: {"config": {"force": force}}},
                        # The table shows the result; the full log is in the UI.
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                    raise_on_error=False,
                )
            run = instance.get_run_by_id(run_id)
            for tag in (EMPTIED_TAG, MOVED_TAG, WENT_BACK_TAG):
                if run and tag in run.tags:
                    console.print("[yellow]warning:[/]", plain(run.tags[tag]), soft_wrap=True)
            ran.done |= found.regions
            ran.summary = found.summary
            if _was_interrupted(result):
                undone = [region for region in regions if region not in ran.done]
                ran.errors |= dict.fromkeys(undone or ["the summary"], "interrupted")
                break
            missing = [region for region in members if region not in ran.done]
            ran.errors |= _errors(result, missing or ["the summary"])
            _show(bar, task, len(ran.done))
    return ran


def _has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the instance knows that; a storage that is away does not."""
    with suppress(Exception):
        run = instance.get_run_by_id(run_id)
        return run is None or run.is_finished
    return False


def _print_errors(console: Console, ran: _Ran, regions: Sequence[str], command: str) -> None:
    """Prints each error once, with what it failed, and how to try that again."""
    for error in dict.fromkeys(ran.errors.values()):
        failed = ", ".join(name for name in ran.errors if ran.errors[name] == error)
        console.print(f"[red]{failed} failed:[/]", plain(error), soft_wrap=True)
    if ran.errors:
        again = " ".join(region for region in regions if region not in ran.done)
        console.print(
            f"\nRun again what failed: regional-assets {command} {again}",
            highlight=False,
            soft_wrap=True,
        )


@contextmanager
def _progress(console: Console, total: int) -> Iterator[tuple[Progress, TaskID]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar, bar.add_task("regions done", total=total)


def _show(bar: Progress, task: TaskID, before: int, more: int = 0) -> None:
    bar.update(task, completed=before + more)


@contextmanager
def _following(found: Materialised, report: Callable[[int], None]) -> Iterator[None]:
    """Reports how many partitions a run has materialised while it is in progress. At the end,
    `found` has all of them."""
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(_POLL_SECONDS):
            found.read_on()
            report(len(found.regions))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()
    found.read_on()


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a signal (Ctrl-C, SIGTERM, a closed terminal) ended the run."""
    name = dg.DagsterExecutionInterruptedError.__name__
    errors = (getattr(event.event_specific_data, "error", None) for event in result.all_events)
    return any(error.cls_name == name for error in errors if error)


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


def _snapshots_table(regions: Sequence[str], ran: _Ran) -> Table:
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
        if region not in ran.done:
            table.add_row(region, *[""] * 5, "[red]failed[/]", "")
            continue
        values = {name: value.value for name, value in ran.done[region].items()}
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


def _briefs_table(regions: Sequence[str], ran: _Ran) -> Table:
    table = Table(
        Column("region", no_wrap=True),
        "outcome",
        Column("why or by whom", overflow="fold"),
        Column("tokens\nin", justify="right"),
        Column("tokens\nout", justify="right"),
        Column("ms", justify="right"),
        box=SIMPLE,
    )
    for region in regions:
        values = {name: value.value for name, value in ran.done.get(region, {}).items()}
        if not values:
            table.add_row(region, "[red]failed[/]")
        elif values["outcome"] == "skipped":
            table.add_row(region, "skipped", plain(values["reason"]))
        else:
            table.add_row(
                region,
                f"[green]{values['outcome']}[/]",
                plain(f"{values['model']} ({values['provider']})"),
                f"{values['tokens']['in']:,}",
                f"{values['tokens']['out']:,}",
                f"{values['milliseconds']:.0f}",
            )
    return table
