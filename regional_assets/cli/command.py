"""What the commands have in common: exit codes, errors, the store."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import click

from regional_assets.errors import RegionalAssetsError, UnknownRegionError
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.text import quoted, visible
from regional_assets.redis_link.errors import LinkError
from regional_assets.runs.models import chosen_model
from regional_assets.settings import StoreSettings

if TYPE_CHECKING:
    from regional_assets.store.snapshot_store import SnapshotStore

# Exit codes: 0 done, 1 something failed or does not agree, 2 the command was used wrongly.
FAILED = 1


class Command(click.Command):
    """A command whose errors that a user can do something about have no traceback."""

    def invoke(self, ctx: click.Context) -> object:
        with _without_traceback(ctx):
            return super().invoke(ctx)


class Group(click.Group):
    """A group of such commands, and of such groups."""

    command_class = Command
    group_class = type

    def invoke(self, ctx: click.Context) -> object:
        with _without_traceback(ctx):
            return super().invoke(ctx)


@contextmanager
def _without_traceback(context: click.Context) -> Iterator[None]:
    try:
        yield
    except UnknownRegionError as error:
        raise click.UsageError(str(error), context) from None
    except (RegionalAssetsError, LinkError) as error:
        raise click.ClickException(visible(str(error))) from None


def chosen() -> Model:
    """The model that `REGIONAL_MODEL` chooses, read once in a command."""
    context = click.get_current_context().find_root()
    if context.obj is None:
        context.obj = chosen_model()
    return cast(Model, context.obj)


@contextmanager
def open_store() -> Iterator["SnapshotStore"]:
    from regional_assets.store.snapshot_store import SnapshotStore

    store = SnapshotStore.open(chosen(), StoreSettings.from_environment())
    try:
        yield store
    finally:
        store.client.close()


def echo_json(name: str, stored: bytes) -> None:
    """Prints the stored JSON of that name in ASCII, which is the same JSON in every encoding and
    steers no terminal."""
    from regional_assets.store.wire import decode

    try:
        text = json.dumps(decode(stored), indent=2)
    # A field that no reader knows may hold anything.
    except (ValueError, RecursionError) as error:
        raise click.ClickException(
            f"{name} is no JSON that can be shown: {quoted(error)}"
        ) from None
    click.echo(text)


def fail_with(problems: Sequence[str], *, err: bool = False) -> None:
    """Prints the problems, a line each, and exits, unless there are none."""
    for problem in problems:
        click.echo(problem, err=err)
    if problems:
        sys.exit(FAILED)
