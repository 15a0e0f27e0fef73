"""`regional-assets ui`: the Dagster UI with its daemon and code server, watched."""

import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from regional_assets.cli.command import Command, chosen
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model
from regional_assets.redis_link.errors import LinkError
from regional_assets.runs.clock import current_time
from regional_assets.settings import MODEL, REDIS_URL, StoreSettings, state_dir
from regional_assets.store.state_folder import has_storage, hold_ui_lock, use_dagster_home

if TYPE_CHECKING:
    from regional_assets.dagster_kit.supervisor import Fault

_PORT = 3000
_WATCHER = "supervisor"
# Seconds between records in Redis.
_RECORD_EVERY = 30.0


@click.command(
    cls=Command,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.option("--host", "-h", default="127.0.0.1", show_default=True)
@click.option("--port", "-p", type=click.IntRange(1, 65535), help="Default: 3000, or a free one.")
@click.pass_context
def ui(context: click.Context, host: str, port: int | None) -> None:
    """Open the Dagster UI on localhost, with schedules and sensors able to run.

    Its processes, and the embedded server, are brought back when one of them dies or freezes; when
    that does not help, it exits 1. Further options go to `dagster dev`, for example `--log-level
    debug`.
    """
    from regional_assets.dagster_kit.supervisor import Supervisor
    from regional_assets.redis_link import embedded
    from regional_assets.redis_link import url as redis_url

    home = use_dagster_home()
    os.environ["REGIONAL_STATE_DIR"] = str(state_dir())
    model = chosen()
    if choice := MODEL.read():
        # A relative path counts from here.
        os.environ[MODEL.name] = choice
    if url := REDIS_URL.read():
        os.environ["REDIS_URL"] = redis_url.checked(url)
    port = port or _free_port(host)
    address = f"http://{host}:{port}"
    hold_ui_lock(home, address)
    if not has_storage(home):
        from regional_assets.defs.instance import open_instance

        with open_instance(home):
            pass
    settings = StoreSettings.from_environment()
    if settings.redis_url is None:
        embedded.ensure_running(settings.state_dir)
    # Elsewhere Dagster warns of every dagster.yaml it meets that is not in DAGSTER_HOME.
    os.chdir(home)
    place = ["-m", "regional_assets.definitions", "--host", host, "--port", str(port)]
    watch = StoreWatch(settings, model)
    code = Supervisor([*place, *context.args], address, _say, watch.look).run()
    watch.end()
    sys.exit(code)


class StoreWatch:
    """Watches the embedded server, and puts on record in Redis what the supervisor saw."""

    def __init__(self, settings: StoreSettings, model: Model) -> None:
        self._settings, self._model = settings, model
        self._recorded = 0.0

    def look(self, faults: "Sequence[Fault]") -> None:
        """Called every few seconds."""
        from regional_assets.redis_link import embedded

        try:
            if self._settings.redis_url is None and (
                done := embedded.revive(self._settings.state_dir)
            ):
                _say(f"the embedded server {done}")
            if faults or time.monotonic() - self._recorded > _RECORD_EVERY:
                self._record(faults)
                self._recorded = time.monotonic()
        except (*STORE_ERRORS, LinkError) as error:
            _say(f"no record for `regional-assets health`: {error}")

    def end(self) -> None:
        """After an orderly end nobody is to be missed."""
        from regional_assets.store.health import drop_records
        from regional_assets.store.snapshot_store import SnapshotStore

        with suppress(*STORE_ERRORS, LinkError):
            drop_records(SnapshotStore.open(self._model, self._settings))

    def _record(self, faults: "Sequence[Fault]") -> None:
        from regional_assets.runs.health import iso
        from regional_assets.store.health import HealthRecord, Problem, write_record
        from regional_assets.store.snapshot_store import SnapshotStore

        problems = [Problem(f.what, iso(f.at * 1000), "see the output of the UI") for f in faults]
        store = SnapshotStore.open(self._model, self._settings)
        write_record(store, _WATCHER, HealthRecord(current_time(), problems))
        store.client.close()


def _say(words: str) -> None:
    click.echo(f"regional-assets ui: {words}", err=True)


def _free_port(host: str) -> int:
    """Dagster's own port, or any when somebody listens there."""
    for port in (_PORT, 0):
        with suppress(OSError), socket.create_server((host, port)) as free:
            return int(free.getsockname()[1])
    return _PORT
