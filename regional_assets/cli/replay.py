"""`regional-assets replay`: progress while it goes on, and what to look at afterwards."""

from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from regional_assets.cli.alerts import alerts_table, regional_alerts
from regional_assets.errors import SeriesError
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import utc
from regional_assets.redis_link import embedded
from regional_assets.replay.replay import Replay
from regional_assets.replay.series import read_series
from regional_assets.store.reading import read_waiting_alerts

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeRemainingColumn(),
)
_MOST_ALERTS = 1000


def replay(
    console: Console,
    model: Model,
    path: Path,
    folder: Path,
    first: datetime | None,
    last: datetime | None,
) -> None:
    """Replays the days of the series from `first` to `last` in `folder` and prints the alerts
    and where the histories are. Raises `SeriesError`, `ReplayError` and the store's errors."""
    series = read_series(path)
    days = [
        day
        for day in series.index
        if (first is None or day.date() >= first.date())
        and (last is None or day.date() <= last.date())
    ]
    if not days:
        raise SeriesError(
            f"{path} has no such days: it goes from {series.index[0]:%Y-%m-%d} "
            f"to {series.index[-1]:%Y-%m-%d}"
        )
    run = Replay(model, series, days, folder)
    console.print(
        f"{len(days)} days, {len(run.ticks)} runs of {len(model.regions)} regions each, "
        f"on a server of their own in {folder}",
        soft_wrap=True,
    )
    with Progress(*_COLUMNS, console=console, transient=True) as bar:
        task = bar.add_task("runs done", total=len(run.ticks))
        run.run(lambda: bar.advance(task))
    with run.open() as store:
        waiting = read_waiting_alerts(store, _MOST_ALERTS)
    embedded.stop(folder)
    found, _ = regional_alerts(waiting.messages)
    console.print(alerts_table(found, "time", utc) if found else "no alerts")
    console.print(
        f"""
The history of each region: {folder}/history/*.csv
Charts, and every run: REGIONAL_STATE_DIR={folder} regional-assets ui, then regional_history
""",
        highlight=False,
        soft_wrap=True,
    )
