"""`regional-assets show`, `status` and `verify`: the stored snapshots."""

import sys
from collections.abc import Mapping, Sequence

import click
from rich.table import Table

from regional_assets.cli.command import FAILED, echo_json, fail_with, open_store
from regional_assets.cli.render import console, plain, print_snapshot
from regional_assets.intelligence.ground import not_known
from regional_assets.intelligence.stored import BodyError
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.timing import age, last_confirmed
from regional_assets.store.latest import LatestRead
from regional_assets.store.reading import regions_with_latest

_NO_SNAPSHOT = "no snapshot yet; `regional-assets run` takes one"


def show_snapshot(region: str, as_json: bool) -> None:
    """The latest snapshot of the region, as it is stored or on one screen."""
    latest = _latest([region])[region]
    try:
        snapshot = latest.parsed(region)
    except BodyError as error:
        raise click.ClickException(f"{region}: {error}") from None
    if snapshot is None or latest.snapshot is None:
        raise click.ClickException(f"{region}: {_NO_SNAPSHOT}")
    if as_json:
        echo_json(f"{region}: {latest.snapshot.key}", latest.snapshot.body)
    else:
        print_snapshot(console(), snapshot)


def show_status(now: int) -> None:
    """A line per region; `now` in ms."""
    table = Table(
        "region", "age", "confirmed", "regime", "net balance", "confidence", "active triggers"
    )
    damaged: list[str] = []
    unknown: list[str] = []
    for region, latest in _latest().items():
        try:
            snapshot = latest.parsed(region)
        except BodyError as error:
            table.add_row(region, "", "", "damaged, see below")
            damaged.append(f"{region}: {error}")
            continue
        if snapshot is None or latest.snapshot is None:
            table.add_row(region, "", "", _NO_SNAPSHOT)
            continue
        for axis, words in not_known(snapshot).items():
            unknown.append(f"{region}: {axis}: {words}")
        confirmed = last_confirmed(now, snapshot.generated_at, latest.snapshot.confirmed_at)
        table.add_row(
            region,
            age(now - snapshot.generated_at),
            age(now - confirmed) if confirmed else "not known",
            snapshot.regime.label,
            f"{snapshot.balance.net_balance:+.3f}",
            f"{snapshot.meta.snapshot_confidence:.2f}",
            plain(", ".join(t.id for t in snapshot.triggers.active)),
        )
    console().print(table)
    for line in unknown:
        click.echo(line)
    fail_with(damaged)


def verify_stored(now: int) -> None:
    """What does not agree, a line per region; `now` in ms."""
    with open_store() as store:
        problems = store.verify(store.model.region_ids, now)
        stored = regions_with_latest(store, store.model.region_ids)
        summary = store.verify_summary()
    for region, found in problems.items():
        agrees = "agrees" if region in stored else "nothing stored"
        click.echo(f"{region}: {visible('; '.join(found)) or agrees}")
    if summary:
        click.echo(f"summary: {visible('; '.join(summary))}")
    if not stored or summary or any(problems.values()):
        sys.exit(FAILED)


def _latest(regions: Sequence[str] = ()) -> Mapping[str, LatestRead]:
    with open_store() as store:
        return store.read(regions or store.model.region_ids, inputs=False).latest
