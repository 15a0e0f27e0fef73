"""The `regional-assets` command. Nothing here needs Redis knowledge.

What only some commands need is imported in them, so that help and the small commands answer at
once.
"""

import gc
import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from dotenv import load_dotenv

from regional_assets.cli.adopt import adopt
from regional_assets.cli.board import board
from regional_assets.cli.briefs import brief
from regional_assets.cli.command import FAILED, Group, chosen
from regional_assets.cli.health import health
from regional_assets.cli.model import model
from regional_assets.cli.ui import ui
from regional_assets.replay.series import PORTWATCH_2026
from regional_assets.runs.clock import current_time
from regional_assets.runs.input_files import SAMPLE_INPUTS
from regional_assets.settings import StoreSettings, state_dir


@click.group(cls=Group)
@click.version_option(package_name="regional_assets")
def main() -> None:
    """Regional-intelligence snapshots, from the input feeds into Redis."""
    # What a command imports lives as long as it does. Searched for garbage as often as Python does
    # it, a run loads a tenth of a second later.
    gc.set_threshold(50_000)
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
def run(regions: tuple[str, ...], force: bool) -> None:
    """Take the snapshots of REGIONs (default: all) in a Dagster run.

    Exits 1 when a region failed; the others are done all the same.
    """
    in_force = chosen()
    members = in_force.checked_regions(regions or in_force.region_ids)
    from regional_assets.cli.render import console
    from regional_assets.cli.run import run_snapshots

    if not run_snapshots(console(), in_force, members, force=force):
        sys.exit(FAILED)


@main.command()
@click.argument("region")
@click.option("--json", "as_json", is_flag=True, help="The stored JSON as it is.")
def show(region: str, as_json: bool) -> None:
    """Show the latest snapshot of REGION."""
    chosen().checked_regions([region])
    from regional_assets.cli.snapshots import show_snapshot

    show_snapshot(region, as_json)


@main.command()
def status() -> None:
    """Show one line per region, the worst first: its snapshot's age, when its content was last
    confirmed, regime, confidence; exits 1 when a region is unreadable, failed, stale or undecided,
    or has no snapshot."""
    from regional_assets.cli.snapshots import show_status

    show_status(current_time())


@main.command()
@click.argument("region")
@click.option("--json", "as_json", is_flag=True, help="The changes as a JSON array.")
def history(region: str, as_json: bool) -> None:
    """Show the regime changes of REGION, the newest first; exits 1 when an entry is damaged."""
    chosen().checked_regions([region])
    from regional_assets.cli.history import show_history

    show_history(region, as_json)


@main.group(invoke_without_command=True)
@click.pass_context
def alerts(context: click.Context) -> None:
    """Show the alerts that wait for the notification relay, the next one first; none is taken."""
    if context.invoked_subcommand is None:
        from regional_assets.cli.alerts import show_alerts

        show_alerts(current_time())


@alerts.command("drop")
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"]),
    required=True,
    help="Of the time, in UTC.",
)
def drop_alerts(before: datetime) -> None:
    """Take our own alerts that are older than a time out of the queue, as after a restore from a
    dump that brought delivered ones back. Other jobs' messages stay. Needs the right to LREM."""
    from regional_assets.cli.alerts import drop

    drop(int(before.replace(tzinfo=UTC).timestamp() * 1000))


@main.command("replay")
@click.argument(
    "series",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=PORTWATCH_2026,
)
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
def replay_series(series: Path, first: datetime | None, last: datetime | None) -> None:
    """Replay the daily ship transits of SERIES (default: 2026 at four chokepoints) through the
    snapshot job, as often as its schedule runs it.

    It has a server and a Dagster instance of its own, in `replay` in the state folder, which each
    replay starts anew; the live ones are not touched.
    """
    from regional_assets.cli.render import console
    from regional_assets.cli.replay import replay

    replay(console(), chosen(), series, state_dir() / "replay", first, last)


@main.group()
def inputs() -> None:
    """The input feeds."""


@inputs.command("load")
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=SAMPLE_INPUTS
)
@click.option("--if-empty", is_flag=True, help="Only when there is not a single input yet.")
@click.option("--samples", is_flag=True, help="Samples, also into the server of REDIS_URL.")
@click.option("--yes", is_flag=True, help="Without asking.")
def load(folder: Path, if_empty: bool, samples: bool, yes: bool) -> None:
    """Load the input files of FOLDER (default: the samples).

    Samples are an invented world, and its alerts would reach people. They go into the embedded
    server; into another one with --samples, which asks once more; and nowhere beside feeds.
    """
    from regional_assets.cli.inputs import load_inputs

    load_inputs(folder, current_time(), if_empty=if_empty, samples=samples, yes=yes)


@inputs.command("status")
def inputs_status() -> None:
    """Show each input: key, age, fresh or stale, size; its records, how many of them cannot be
    used, lack a value or lie in no region, and up to five of the places that are not known."""
    from regional_assets.cli.inputs import show_inputs

    show_inputs(current_time())


@main.group()
def server() -> None:
    """The embedded server, which is used when REDIS_URL is not set."""


@server.command()
def start() -> None:
    """Start the embedded server unless it runs."""
    from regional_assets.redis_link import embedded

    click.echo(embedded.ensure_running(_embedded_state_dir()))


@server.command()
def stop() -> None:
    """Stop the embedded server; what it holds stays on disk."""
    from regional_assets.redis_link import embedded

    stopped = embedded.stop(_embedded_state_dir())
    click.echo("stopped" if stopped else "was not running")


@server.command("status")
def server_status() -> None:
    """Tell whether the embedded server runs; exits 1 when it does not."""
    from regional_assets.redis_link import embedded

    folder = _embedded_state_dir()
    if not embedded.is_running(folder):
        click.echo("not running")
        sys.exit(FAILED)
    click.echo(f"running at {embedded.url(folder)}")


@main.command()
def verify() -> None:
    """Check that what is stored of each region agrees with itself; exits 1 when not, and when
    nothing is stored."""
    from regional_assets.cli.snapshots import verify_stored

    verify_stored(current_time())


@main.command()
def doctor() -> None:
    """Check settings, server, rights, clocks and inputs in one go; exits 1 on a problem."""
    from regional_assets.cli.doctor import examine, findings_table
    from regional_assets.cli.render import console

    findings = list(examine(os.environ, current_time))
    console().print(findings_table(findings))
    if any(finding.verdict == "problem" for finding in findings):
        sys.exit(FAILED)


@main.command()
def acl() -> None:
    """Print the commands that create a Redis user who may write what this project writes, and
    one who may read it, with the least rights.

    Put passwords in the place of CHANGE-ME; pipe them into redis-cli.
    """
    from regional_assets.store import access
    from regional_assets.store.keys import Keys

    for rule in access.rules(Keys.of(StoreSettings.from_environment()), chosen()):
        click.echo(rule)


def _embedded_state_dir() -> Path:
    settings = StoreSettings.from_environment()
    if settings.redis_url:
        raise click.ClickException("REDIS_URL is set, so the embedded server is not used")
    return settings.state_dir


main.add_command(adopt)
main.add_command(board)
main.add_command(brief)
main.add_command(health)
main.add_command(model)
main.add_command(ui)

if __name__ == "__main__":
    main()
