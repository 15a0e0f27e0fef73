"""`regional_history`: all stored snapshots of a region in one table."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.metadata import table
from regional_assets.defs.partitions import backfill_policy, region_partitions, report_of
from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.defs.specs import later_asset, made_asset
from regional_assets.intelligence.model import Model

if TYPE_CHECKING:
    from regional_assets.runs.history import History
    from regional_assets.store.snapshot_store import SnapshotStore

REGIONAL_HISTORY = dg.AssetKey("regional_history")

# Of the newest snapshot, for Dagster to plot.
_PLOTTED = ["net_balance", "coercive_pressure", "confidence"]
_LAST_ROWS = 8

_DESCRIPTION = """
How a region got where it is: a table of all its stored snapshots (90 days), oldest first.

Each row is a snapshot: **time** (UTC), **regime**, the axes of the balance vector, their
**net_balance**, and **confidence**. `last_rows` shows the newest snapshots; net balance, coercive
pressure and confidence are those of the last.

* **For analysts**, the table is a CSV file, at `path` (`REGIONAL_FILES`). Read it with
  `pd.read_csv(path, index_col="time", parse_dates=["time"])`. Each run replaces it as a whole.
* **Snapshots that are skipped** are counted and fail nothing: `expired` ones are in the index but
  no longer stored; `unreadable` ones are not snapshots of this region and time.
* **When a region fails**, it alone is marked as failed, and the run page shows its error.
"""


def _write_histories(
    context: dg.OpExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
) -> Iterator[Any]:
    """Writes the table of each of the run's regions."""
    from regional_assets.runs.history import History, write_histories

    regions = regional_model.region_ids
    report = report_of(context, REGIONAL_HISTORY, regional_model, regions, "regions failed")

    def written(store: "SnapshotStore") -> Iterator[tuple[str, Mapping[str, Any], None]]:
        found_all = write_histories(store, regional_store.settings(), report.partitions)
        for region, found in found_all:
            if isinstance(found, History):
                yield region, _metadata(found, brief=report.brief), None
            else:
                report.failed(region, found)

    with regional_store.open_or_fail(regional_model) as store:
        report.all_materialised(written(store))
    yield from report.finish()


def regional_history(model: Model) -> dg.AssetsDefinition:
    """The histories of the model's regions."""
    spec = made_asset(
        REGIONAL_HISTORY,
        _DESCRIPTION,
        "pandas",
        deps=[REGIONAL_SNAPSHOT],
        partitions_def=region_partitions(model),
    )
    return later_asset(_write_histories, spec, after=1, backfill_policy=backfill_policy())


def _metadata(history: "History", *, brief: bool) -> dict[str, Any]:
    """What a list of partitions needs, and the last rows unless it is to be brief."""
    frame = history.frame
    metadata: dict[str, Any] = {
        "rows": len(frame),
        "path": dg.MetadataValue.path(history.path),
        "expired": history.expired,
        "unreadable": history.unreadable,
    }
    if len(frame):
        ends = {"first": frame.index[0], "last": frame.index[-1]}
        for name, time in ends.items():
            metadata[name] = dg.MetadataValue.timestamp(time.to_pydatetime())
        last = frame[_PLOTTED].iloc[-1].dropna()
        metadata |= {str(name): float(value) for name, value in last.items()}
    if brief:
        return metadata
    rows = [
        {
            "time": f"{time:%Y-%m-%d %H:%M:%S}",
            **{str(n): "no data" if cell != cell else cell for n, cell in row.items()},
        }
        for time, row in frame.tail(_LAST_ROWS).iterrows()
    ]
    return metadata | {"last_rows": table(["time", *frame.columns], rows)}
