"""The asset checks of the inputs: whether their records lie in regions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from regional_assets.defs.assets.inputs import input_key
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.errors import SettingsError
from regional_assets.intelligence.model import Model
from regional_assets.settings import UNPLACED_SHARE

if TYPE_CHECKING:
    from regional_assets.intelligence.tally import Tally

RECORDS_PLACED = "records_placed"


def placed_inputs(model: Model) -> tuple[str, ...]:
    """The names of the inputs whose records belong to regions."""
    return tuple(spec.name for spec in model.inputs if spec.placed)


def _look(
    context: dg.AssetCheckExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> Iterator[dg.AssetCheckResult]:
    """One result per input that the run selected; an input that is missing has no such record."""
    from regional_assets.intelligence.world import build_world

    with regional_store.open_or_fail(regional_model) as store:
        tallies = build_world(regional_model, store.read([]).values, regional_clock.now()).tallies
    for name in placed_inputs(regional_model):
        key = dg.AssetCheckKey(input_key(name), RECORDS_PLACED)
        if key in context.selected_asset_check_keys:
            yield _result(key, tallies.get(name))


def input_checks(model: Model) -> dg.AssetChecksDefinition:
    """The check `records_placed` of each input whose records belong to regions."""
    specs = [
        dg.AssetCheckSpec(
            RECORDS_PLACED,
            asset=input_key(name),
            description=f"At most a share REGIONAL_UNPLACED_SHARE ({UNPLACED_SHARE.default:g}) of "
            "the records lies in no region. Only a warning: the snapshots are correct, but miss "
            "what these records say.",
        )
        for name in placed_inputs(model)
    ]
    return dg.multi_asset_check(
        name="input_checks",
        description="Reads all inputs in one round trip and counts the records in no region.",
        specs=specs,
        can_subset=True,
    )(_look)


def _result(key: dg.AssetCheckKey, tally: "Tally | None") -> dg.AssetCheckResult:
    problem = None
    try:
        limit = UNPLACED_SHARE.read()
    except SettingsError as error:
        problem = str(error)
    else:
        if tally and tally.unplaced_share > limit:
            problem = (
                f"{tally.unplaced} of {tally.records} records lie in no region, which is more than "
                f"{limit:.0%} (REGIONAL_UNPLACED_SHARE): {'; '.join(tally.labels)}"
            )
    return dg.AssetCheckResult(
        check_name=key.name,
        asset_key=key.asset_key,
        passed=problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem,
        metadata={"records": tally.records, **tally.counts} if tally else {},
    )
