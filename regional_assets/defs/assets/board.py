"""`regional_board`: what the snapshots say, as one page to look at."""

from typing import TYPE_CHECKING, Any

import dagster as dg
from msgspec.structs import asdict

from regional_assets.dagster_kit.liveness import leave_if_ended
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.metadata import changes_metadata, table
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.defs.specs import later_asset, made_asset
from regional_assets.intelligence.model import Model

if TYPE_CHECKING:
    from regional_assets.board.view import Board

REGIONAL_BOARD = dg.AssetKey("regional_board")

_DESCRIPTION = """
All regions on one page, to look at: what changed since the last run, what is missing, and a card
for each region with its balance, triggers, scenarios, transmission paths, actors, mobility,
narrative, evidence and the last 30 days.

* **The page** is one HTML file, at `path` (`REGIONAL_FILES`). It loads nothing, runs no
  script and can be sent to anybody. Each run replaces it as a whole.
* **It is written after every run of the snapshots**, also when a region failed there: a snapshot
  that is damaged or missing is a card that names the reason. `damaged` lists them.
* `changes` lists what changed. Of more than 50 regions the page has those under most pressure,
  which `under_most_pressure` lists.
* `regional-assets board` makes the same page.
"""
_COLUMNS = ("region", "regime", "net_balance", "active_triggers")


def _write_board(
    context: dg.OpExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> Any:
    """Writes the page."""
    from regional_assets.board.page import BOARD_FILE, make_board
    from regional_assets.errors import FilesError
    from regional_assets.runs.files import write

    with regional_store.open_or_fail(regional_model) as store:
        leave_if_ended(context)
        board, page = make_board(store, regional_model.region_ids, regional_clock.now())
    content = page.encode()
    try:
        path = write(regional_store.settings(), BOARD_FILE, content)
    except FilesError as error:
        raise dg.Failure(str(error)) from None
    if board.map.why_not:
        context.log.info(f"the page has no map: {board.map.why_not}")
    # Not as an output: Dagster would look for the partitions of the snapshots it was made of, which
    # a run without partitions has not.
    context.log_event(
        dg.AssetMaterialization(
            REGIONAL_BOARD,
            metadata={
                "path": dg.MetadataValue.path(path),
                "bytes": len(content),
                "regions": len(board.cards),
                **({"damaged": board.damaged} if board.damaged else {}),
                **changes_metadata({card.id: card.changes for card in board.with_news("some")}),
                **(_most_pressure(board) if board.hidden else {}),
            },
        )
    )
    yield from ()


def _most_pressure(board: "Board") -> dict[str, Any]:
    """The regions that the page shows, those under most pressure first, where it has not all."""
    marks = sorted(board.marks.items(), key=lambda item: item[1].net_balance)
    rows = [{"region": region, **asdict(mark)} for region, mark in marks]
    return {"under_most_pressure": table(_COLUMNS, rows), "not_shown": board.hidden}


# After the histories, and whatever becomes of the snapshots: a region that failed is on the page,
# too.
regional_board = later_asset(
    _write_board,
    made_asset(REGIONAL_BOARD, _DESCRIPTION, "html", deps=[REGIONAL_SNAPSHOT]),
    after=2,
)
