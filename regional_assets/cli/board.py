"""`regional-assets board`: what the snapshots say, as one page to look at."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

import click

from regional_assets.cli.command import Command, fail_with, open_store
from regional_assets.intelligence.text import visible
from regional_assets.runs.clock import current_time
from regional_assets.runs.files import address, replace, write
from regional_assets.settings import StoreSettings


@click.command(cls=Command)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, readable=False, allow_dash=True),
    metavar="FILE",
    help="The file of this machine to write; - prints the page. Default: board.html where the "
    "asset writes it.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
def board(out: str | None, opened: bool) -> None:
    """Write what the snapshots say as one HTML page, which needs nothing else.

    Exits 1 when a snapshot is damaged; the page names it and shows the rest.
    """
    import webbrowser

    from regional_assets.board.page import BOARD_FILE, make_board

    settings = StoreSettings.from_environment()
    printed = out is not None and _is_standard_output(out)
    path = address(settings, BOARD_FILE) if out is None else str(Path(out).absolute())
    if printed:
        path = "standard output"
    if opened and (printed or "://" in path or _is_special(Path(path))):
        raise click.UsageError(f"{path} is no file of this machine; name one with --out")
    with open_store() as store:
        made, page = make_board(store, store.model.region_ids, current_time())
    if out is None:
        write(settings, BOARD_FILE, page.encode())
    else:
        try:
            if printed:
                _print(page.encode())
            else:
                replace(Path(path), page.encode())
        except OSError as error:
            raise click.ClickException(
                f"{path} cannot be written: {error.strerror or error}; name another file with --out"
            ) from None
    if not printed:
        click.echo(path)
    if opened and not webbrowser.open(url := Path(path).as_uri()):
        raise click.ClickException(f"no browser was found; open {url} yourself")
    damaged = [f"{region}: {visible(words)}" for region, words in made.damaged.items()]
    fail_with(damaged, err=printed)


def _is_standard_output(out: str) -> bool:
    """By whichever name: /dev/stdout may be a log that is appended to, and must not be replaced."""
    if out == "-":
        return True
    # Standard output may be closed, or be none of the system's files.
    with suppress(OSError, AttributeError):
        return os.path.samestat(Path(out).stat(), os.fstat(sys.stdout.fileno()))
    return False


def _is_special(path: Path) -> bool:
    with suppress(OSError):
        return not stat.S_ISREG(path.stat().st_mode)
    return False


def _print(page: bytes) -> None:
    # Python has none when it is started with a closed one.
    if sys.stdout is None:
        raise OSError("it is closed")
    click.echo(page, nl=False)
