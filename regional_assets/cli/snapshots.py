"""`regional-assets show`, `status` and `verify`: the stored snapshots."""

import sys
from collections.abc import Mapping, Sequence
from operator import itemgetter

import click
import msgspec
from rich.table import Table

from regional_assets.cli.command import FAILED, echo_json, fail_with, open_store
from regional_assets.cli.render import console, plain, print_snapshot
from regional_assets.intelligence.ground import not_known
from regional_assets.intelligence.stored import BodyError
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.timing import YOUNG_MS, age, last_confirmed
from regional_assets.runs.health import STALE, RegionHealth, region_health
from regional_assets.store.health import read_health
from regional_assets.store.latest import LatestRead
from regional_assets.store.reading import regions_with_latest

_NO_SNAPSHOT = "no snapshot yet; `regional-assets run` takes one"
# What makes a region worth a look, the worst first.
_STATES = ("unreadable", "no snapshot", "failed", "stale", "undecided")


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
    """A line per region, the worst first, and why it is worth a look; `now` in ms."""
    with open_store() as store:
        latest = store.read(store.model.region_ids, inputs=False).latest
        seen = read_health(store)
    rows = [
        _Row.of(region, read, region_health(seen, region, now), now)
        for region, read in latest.items()
    ]
    rows.sort(key=lambda row: row.rank)
    table = Table(
        "region",
        "state",
        "age",
        "confirmed",
        "regime",
        "net balance",
        "confidence",
        "active triggers",
    )
    for row in rows:
        table.add_row(row.region, *map(plain, row.cells))
    console().print(table)
    fail_with([line for row in rows for line in row.reasons])


class _Row(msgspec.Struct, frozen=True):
    """A region in the table of `status`: how bad it is (0: worst), its cells and the reasons."""

    region: str
    rank: int
    cells: Sequence[str]
    reasons: Sequence[str]

    @classmethod
    def of(cls, region: str, latest: LatestRead, health: RegionHealth, now: int) -> "_Row":
        """The row of a region at `now` (ms)."""
        reasons = {}
        cells = ("", "", "", "", "", "")
        try:
            snapshot = latest.parsed(region)
        except BodyError as error:
            snapshot = None
            reasons["unreadable"] = str(error)
        if health.failing_since:
            reasons["failed"] = health.trouble
        if snapshot and latest.snapshot:
            confirmed = last_confirmed(now, snapshot.generated_at, latest.snapshot.confirmed_at)
            if now - confirmed >= YOUNG_MS:
                reasons["stale"] = STALE
            if unknown := not_known(snapshot):
                words = "; ".join(f"{axis}: {why}" for axis, why in unknown.items())
                reasons["undecided"] = words
            cells = (
                age(now - snapshot.generated_at),
                age(now - confirmed) if confirmed else "not known",
                snapshot.regime.label,
                f"{snapshot.balance.net_balance:+.3f}",
                f"{snapshot.meta.snapshot_confidence:.2f}",
                ", ".join(t.id for t in snapshot.triggers.active),
            )
        elif "unreadable" not in reasons:
            reasons["no snapshot"] = _NO_SNAPSHOT
        state, rank = min(
            ((s, _STATES.index(s)) for s in reasons), default=("", len(_STATES)), key=itemgetter(1)
        )
        return cls(
            region,
            rank,
            (state, *cells),
            [f"{region}: {visible(reason)}" for reason in reasons.values()],
        )


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
