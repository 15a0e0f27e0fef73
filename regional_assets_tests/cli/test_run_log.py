"""What `regional-assets run` reads of its runs."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from regional_assets.cli.run import Materialised
from regional_assets.defs.assets.board import REGIONAL_BOARD
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.assets.summary import REGIONAL_SUMMARY


def test_each_event_is_read_once_and_the_summary_is_no_other_page(folder: Path) -> None:
    events = [
        dg.AssetMaterialization(REGIONAL_SNAPSHOT, partition="mena", metadata={"number": 0}),
        dg.AssetMaterialization(REGIONAL_SNAPSHOT, partition="latam", metadata={"number": 1}),
        dg.AssetMaterialization(REGIONAL_SUMMARY, metadata={"number": 2}),
        # It comes last and has no partition either.
        dg.AssetMaterialization(REGIONAL_BOARD, metadata={"number": 3}),
    ]
    read: list[Sequence[str]] = []

    @dg.op
    def log(context: dg.OpExecutionContext) -> None:
        found = Materialised(context.instance, context.run_id)
        for event in events:
            context.log_event(event)
            found.read_on()
            read.append([*found.regions, *(str(v.value) for v in found.summary.values())])
            found.regions.clear()
        found.summary = {}
        found.read_on()
        assert not found.regions
        assert not found.summary

    @dg.job
    def logging() -> None:
        log()

    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        assert logging.execute_in_process(instance=instance).success
    assert read == [["mena"], ["latam"], ["2"], ["2"]]
