"""`regional-assets board`: what the snapshots say, as one page to look at."""

from pathlib import Path

import click

from regional_assets.cli.command import fail_with, open_store, plain_errors
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.intelligence.text import visible
from regional_assets.runs.clock import current_time
from regional_assets.runs.files import address, replace, write
from regional_assets.settings import StoreSettings


@click.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The file of this machine to write. Default: board.html where the asset writes it.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@plain_errors
def board(out: Path | None, opened: bool) -> None:
    """Write what the snapshots say as one HTML page, which needs nothing else.

    Exits 1 when a snapshot is damaged; the page names it and shows the rest.
    """
    import webbrowser

    from regional_assets.runs.board import BOARD_FILE, make_board

    settings = StoreSettings.from_environment()
    path = str(out.absolute()) if out else address(settings, BOARD_FILE)
    if opened and "://" in path:
        raise click.UsageError(f"{path} is no file of this machine; name one with --out")
    with open_store() as store:
        made, page = make_board(store, REGION_IDS, current_time())
    if out is None:
        write(settings, BOARD_FILE, page.encode())
    else:
        try:
            replace(Path(path), page.encode())
        except OSError as error:
            raise click.ClickException(
                f"{path} cannot be written: {error.strerror or error}; name another file with --out"
            ) from None
    click.echo(path)
    if opened and not webbrowser.open(url := Path(path).as_uri()):
        raise click.ClickException(f"no browser was found; open {url} yourself")
    fail_with([f"{region}: {visible(words)}" for region, words in made.damaged.items()])
