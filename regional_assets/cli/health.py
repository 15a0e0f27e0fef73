"""`regional-assets health`: one line and an exit code, for probes."""

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from regional_assets.cli.command import Command, chosen
from regional_assets.errors import StoreError
from regional_assets.intelligence.text import visible
from regional_assets.runs.clock import current_time
from regional_assets.settings import StoreSettings

if TYPE_CHECKING:
    from regional_assets.runs.health import Health

_EXIT = {"ok": 0, "degraded": 1, "down": 2}
# Seconds. A probe asks again soon.
_PATIENCE = 1.0


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="The whole as JSON.")
def health(as_json: bool) -> None:
    """Say in one line whether all is well; exits 0 (ok), 1 (degraded) or 2 (down).

    Looks at what is on record in Redis alone: the regions' last runs, and what the daemon and the
    supervisor of `ui` saw there, if they run.
    """
    found = _health()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        click.echo(visible(_line(found)))
    sys.exit(_EXIT[found.status])


def _health() -> "Health":
    from regional_assets.redis_link import embedded
    from regional_assets.runs.health import judge, unanswered
    from regional_assets.store.health import read_health
    from regional_assets.store.snapshot_store import SnapshotStore

    settings = StoreSettings.from_environment()
    if settings.redis_url is None and not embedded.is_running(settings.state_dir):
        return unanswered("the embedded server does not run")
    settings = msgspec.structs.replace(
        settings,
        # A look starts no server, and does not wait for one.
        redis_url=settings.redis_url or embedded.url(settings.state_dir),
        retries=0,
        connect_timeout=min(settings.connect_timeout, _PATIENCE),
        answer_timeout=min(settings.answer_timeout, _PATIENCE),
    )
    try:
        store = SnapshotStore.open(chosen(), settings)
        try:
            return judge(read_health(store), store.model.region_ids, current_time())
        finally:
            store.client.close()
    except StoreError as error:
        return unanswered(str(error))


def _line(found: "Health") -> str:
    if not found.problems:
        oldest = max(region.age_s or 0 for region in found.regions.values())
        return f"ok: {len(found.regions)} regions, the oldest confirmed {oldest // 60} min ago"
    first, *rest = found.problems
    since = f", since {first.since}" if first.since else ""
    more = f" (and {len(rest)} more: `regional-assets health --json`)" if rest else ""
    return f"{found.status}: {first.what}{since}; {first.advice}{more}"
