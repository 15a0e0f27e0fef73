"""`regional_board`: what the snapshots say, as one page to look at."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.charts import changes_metadata, regions_map
from regional_assets.defs.partitions import OWNERS, TAGS
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
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
_COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("region", "string"),
        dg.TableColumn("regime", "string"),
        dg.TableColumn("net_balance", "float", "from -1 to 1"),
        dg.TableColumn("active_triggers", "int"),
    ]
)


@dg.op(
    name="regional_board",
    out={REGIONAL_BOARD.to_python_identifier(): dg.Out(dg.Nothing, is_required=False)},
    # After the snapshots and the histories of the same run; see `regional_history`.
    tags={"dagster/priority": "-2"},
)
def _write_board(
    context: dg.OpExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> Any:
    """Writes the page."""
    from regional_assets.errors import FilesError
    from regional_assets.runs.board import BOARD_FILE, make_board
    from regional_assets.runs.files import write

    with regional_store.open_or_fail(regional_model) as store:
        board, page = make_board(store, regional_model.region_ids, regional_clock.now())
    content = page.encode()
    try:
        path = write(regional_store.settings(), BOARD_FILE, content)
    except FilesError as error:
        raise dg.Failure(str(error)) from None
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
                **({"chart": chart} if (chart := regions_map(regional_model, board.marks)) else {}),
                **changes_metadata({card.id: card.changes for card in board.with_news("some")}),
                **(_most_pressure(board) if board.hidden else {}),
            },
        )
    )
    yield from ()


def _most_pressure(board: "Board") -> dict[str, Any]:
    """The regions that the page shows, those under most pressure first, where it has not all."""
    rows: list[dict[str, Any]] = [
        {
            "region": region,
            "regime": mark.regime,
            "net_balance": mark.net_balance,
            "active_triggers": mark.active_triggers,
        }
        for region, mark in sorted(board.marks.items(), key=lambda item: item[1].net_balance)
    ]
    table = dg.MetadataValue.table([dg.TableRecord(row) for row in rows], _COLUMNS)
    return {"under_most_pressure": table, "not_shown": board.hidden}


# Not by @dg.asset; see `regional_history`. The step does not depend on that of the snapshots, so
# that the page is written when a region failed, too.
regional_board = dg.AssetsDefinition(
    keys_by_input_name={},
    keys_by_output_name={REGIONAL_BOARD.to_python_identifier(): REGIONAL_BOARD},
    node_def=_write_board,
    specs=[
        dg.AssetSpec(
            REGIONAL_BOARD,
            deps=[REGIONAL_SNAPSHOT],
            description=_DESCRIPTION,
            group_name="snapshots",
            kinds={"python", "html", "redis"},
            owners=OWNERS,
            tags=TAGS,
            skippable=True,
        )
    ],
)
