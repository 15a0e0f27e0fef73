"""The `regional-assets` command. Nothing here needs Redis knowledge."""

import io
import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click
import msgspec
from dotenv import load_dotenv
from rich.table import Table

from regional_assets.cli.adopt import adopt
from regional_assets.cli.alerts import alerts_table, regional_alerts
from regional_assets.cli.board import board
from regional_assets.cli.briefs import brief
from regional_assets.cli.command import FAILED, echo_json, fail_with, open_store, plain_errors
from regional_assets.cli.doctor import examine, findings_table
from regional_assets.cli.history import history_table
from regional_assets.cli.render import console, input_cells, plain, print_snapshot
from regional_assets.intelligence.geography import REGION_IDS, checked_regions
from regional_assets.intelligence.inputs import read_inputs
from regional_assets.intelligence.stored import BodyError
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.timing import age, last_confirmed
from regional_assets.replay.series import PORTWATCH_2026
from regional_assets.runs.clock import current_time
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files
from regional_assets.settings import GEOGRAPHY, REDIS_URL, StoreSettings, state_dir
from regional_assets.store import access, embedded, redis_url
from regional_assets.store.connection import address
from regional_assets.store.keys import Keys
from regional_assets.store.latest import LatestRead
from regional_assets.store.reading import (
    read_regime_history,
    read_waiting_alerts,
    regime_changes,
    regions_with_latest,
)
from regional_assets.store.state_folder import hold_ui_lock, use_dagster_home

_MOST_ALERTS = 1000
_NO_SNAPSHOT = "no snapshot yet; `regional-assets run` takes one"
_UI_PORT = 3000


@click.group()
@click.version_option(package_name="regional_assets")
def main() -> None:
    """Regional-intelligence snapshots, from the input feeds into Redis."""
    # What a terminal's encoding lacks is shown as an escape; Python does this for standard error
    # anyway.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # As `dagster dev` does, so that both see the same settings.
    try:
        load_dotenv(Path(".env"))
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f".env cannot be read ({error}): it has to be UTF-8 text"
        ) from None


@main.command()
@click.argument("regions", nargs=-1, metavar="[REGION]...")
@click.option("--force", is_flag=True, help="Write a snapshot even when it says nothing new.")
@plain_errors
def run(regions: tuple[str, ...], force: bool) -> None:
    """Take the snapshots of REGIONs (default: all) in a Dagster run.

    Exits 1 when a region failed; the others are done all the same.
    """
    chosen = checked_regions(regions or REGION_IDS)
    # Dagster takes a second to import; the other commands do without it.
    from regional_assets.cli.run import run_snapshots

    use_dagster_home()
    if not run_snapshots(console(), chosen, force=force):
        sys.exit(FAILED)


@main.command()
@click.argument("region")
@click.option("--json", "as_json", is_flag=True, help="The stored JSON as it is.")
@plain_errors
def show(region: str, as_json: bool) -> None:
    """Show the latest snapshot of REGION."""
    checked_regions([region])
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


@main.command()
@plain_errors
def status() -> None:
    """Show one line per region: its snapshot's age, when its content was last confirmed, regime,
    confidence; exits 1 when a snapshot is damaged."""
    now = current_time()
    table = Table(
        "region", "age", "confirmed", "regime", "net balance", "confidence", "active triggers"
    )
    damaged: list[str] = []
    for region, latest in _latest(REGION_IDS).items():
        try:
            snapshot = latest.parsed(region)
        except BodyError as error:
            table.add_row(region, "", "", "damaged, see below")
            damaged.append(f"{region}: {error}")
            continue
        if snapshot is None or latest.snapshot is None:
            table.add_row(region, "", "", _NO_SNAPSHOT)
            continue
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
    fail_with(damaged)


@main.command()
@click.argument("region")
@click.option("--json", "as_json", is_flag=True, help="The changes as a JSON array.")
@plain_errors
def history(region: str, as_json: bool) -> None:
    """Show the regime changes of REGION, the newest first; exits 1 when an entry is damaged."""
    checked_regions([region])
    with open_store() as store:
        changes, damaged = regime_changes(store, region, read_regime_history(store, region))
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(change) for change in changes], indent=2))
    elif changes:
        console().print(history_table(changes))
    elif not damaged:
        click.echo(f"{region}: no regime change is stored")
    fail_with(damaged, err=as_json)


@main.command()
@plain_errors
def alerts() -> None:
    """Show the alerts that wait for the notification relay, the next one first; none is taken."""
    now = current_time()
    with open_store() as store:
        waiting, queue = read_waiting_alerts(store, _MOST_ALERTS), store.keys.alert_queue
    found, damaged = regional_alerts(waiting.messages)
    if found:
        console().print(alerts_table(found, "age", lambda at: age(now - at)))
    more = waiting.total - len(waiting.messages)
    click.echo(
        f"{len(found)} regional alerts wait in {queue}, among {waiting.total} messages"
        + (f", of which the last {more} were not looked at" if more else "")
    )
    fail_with([f"{queue}: {problem}" for problem in damaged])


@main.command("replay")
@click.argument(
    "series",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PORTWATCH_2026,
)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@plain_errors
def replay_series(series: Path, first: datetime | None, last: datetime | None) -> None:
    """Replay the daily ship transits of SERIES (default: 2026 at four chokepoints) through the
    snapshot job, as often as its schedule runs it.

    It has a server and a Dagster instance of its own, in `replay` in the state folder, which each
    replay starts anew; the live ones are not touched.
    """
    from regional_assets.cli.replay import replay
    from regional_assets.replay.replay import ReplayError

    try:
        replay(console(), series, state_dir() / "replay", first, last)
    except ReplayError as error:
        raise click.ClickException(str(error)) from None


@main.group()
def inputs() -> None:
    """The input feeds."""


@inputs.command("load")
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=SAMPLE_INPUTS
)
@click.option("--if-empty", is_flag=True, help="Only when there is not a single input yet.")
@plain_errors
def load(folder: Path, if_empty: bool) -> None:
    """Load the input files of FOLDER (default: the samples)."""
    now = current_time()
    values = read_input_files(folder, now)
    with open_store() as store:
        states = read_inputs(store.read([]).values, now)
        if if_empty and any(state.size for state in states.values()):
            click.echo(f"inputs are there already at {address(store.client)}")
            return
        store.write_inputs(values)
        click.echo(f"{len(values)} keys loaded into {address(store.client)}")


@inputs.command("status")
@plain_errors
def inputs_status() -> None:
    """Show each input: key, age, fresh or stale, size; its records, how many of them cannot be
    used, lack a value or lie in no region, and up to five of the places that are not known."""
    from regional_assets.intelligence.world import build_world

    now = current_time()
    with open_store() as store:
        world, keys = build_world(store.read([]).values, now), store.keys
    table = Table("input", "key", "state", "age", "max age", "bytes", "problem", "records")
    for name, state in world.inputs.items():
        records = plain(world.tallies.get(name, ""))
        table.add_row(name, keys.input(state.spec.key), *input_cells(state, now), records)
    console().print(table)


@main.group()
def server() -> None:
    """The embedded server, which is used when REDIS_URL is not set."""


@server.command()
@plain_errors
def start() -> None:
    """Start the embedded server unless it runs."""
    click.echo(embedded.ensure_running(_embedded_state_dir()))


@server.command()
@plain_errors
def stop() -> None:
    """Stop the embedded server; what it holds stays on disk."""
    stopped = embedded.stop(_embedded_state_dir())
    click.echo("stopped" if stopped else "was not running")


@server.command("status")
@plain_errors
def server_status() -> None:
    """Tell whether the embedded server runs; exits 1 when it does not."""
    folder = _embedded_state_dir()
    if not embedded.is_running(folder):
        click.echo("not running")
        sys.exit(FAILED)
    click.echo(f"running at {embedded.url(folder)}")


@main.command()
@plain_errors
def verify() -> None:
    """Check that what is stored of each region agrees with itself; exits 1 when not, and when
    nothing is stored."""
    with open_store() as store:
        problems = store.verify(REGION_IDS, current_time())
        stored = regions_with_latest(store, REGION_IDS)
        summary = store.verify_summary()
    for region, found in problems.items():
        agrees = "agrees" if region in stored else "nothing stored"
        click.echo(f"{region}: {visible('; '.join(found)) or agrees}")
    if summary:
        click.echo(f"summary: {visible('; '.join(summary))}")
    if not stored or summary or any(problems.values()):
        sys.exit(FAILED)


@main.command()
@plain_errors
def doctor() -> None:
    """Check settings, server, rights, clocks and inputs in one go; exits 1 on a problem."""
    findings = list(examine(os.environ, current_time))
    console().print(findings_table(findings))
    if any(finding.verdict == "problem" for finding in findings):
        sys.exit(FAILED)


@main.command()
@plain_errors
def acl() -> None:
    """Print the commands that create a Redis user who may write what this project writes, and
    one who may read it, with the least rights.

    Put passwords in the place of CHANGE-ME; pipe them into redis-cli.
    """
    for rule in access.rules(Keys.of(StoreSettings.from_environment())):
        click.echo(rule)


@main.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--host", "-h", default="127.0.0.1", show_default=True)
@click.option("--port", "-p", type=click.IntRange(1, 65535), help="Default: 3000, or a free one.")
@click.pass_context
@plain_errors
def ui(context: click.Context, host: str, port: int | None) -> None:
    """Open the Dagster UI on localhost, with schedules and sensors able to run.

    Further options go to `dagster dev`, for example `--log-level debug`.
    """
    home = use_dagster_home()
    os.environ["REGIONAL_STATE_DIR"] = str(state_dir())
    if chosen := GEOGRAPHY.read():
        os.environ[GEOGRAPHY.name] = chosen
    if url := REDIS_URL.read():
        os.environ["REDIS_URL"] = redis_url.checked(url)
    port = port or _free_port(host)
    hold_ui_lock(home, f"http://{host}:{port}")
    # Elsewhere Dagster warns of every dagster.yaml it meets that is not in DAGSTER_HOME.
    os.chdir(home)
    place = ["-m", "regional_assets.definitions", "--host", host, "--port", str(port)]
    command = [sys.executable, "-m", "dagster", "dev", *place, *context.args]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


def _free_port(host: str) -> int:
    """Dagster's own port, or any when somebody listens there."""
    for port in (_UI_PORT, 0):
        with suppress(OSError), socket.create_server((host, port)) as free:
            return int(free.getsockname()[1])
    return _UI_PORT


def _embedded_state_dir() -> Path:
    settings = StoreSettings.from_environment()
    if settings.redis_url:
        raise click.ClickException("REDIS_URL is set, so the embedded server is not used")
    return settings.state_dir


def _latest(regions: tuple[str, ...] | list[str]) -> Mapping[str, LatestRead]:
    with open_store() as store:
        return store.read(regions, inputs=False).latest


main.add_command(adopt)
main.add_command(board)
main.add_command(brief)

if __name__ == "__main__":
    main()
