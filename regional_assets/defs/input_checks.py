"""The asset checks of the inputs: whether their records lie in regions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from regional_assets.defs.assets.inputs import input_key
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.intelligence.catalogue import CATALOGUE
from regional_assets.settings import UNPLACED_SHARE, SettingsError

if TYPE_CHECKING:
    from regional_assets.intelligence.tally import Tally

RECORDS_PLACED = "records_placed"
PLACED_INPUTS = tuple(spec.name for spec in CATALOGUE if spec.placed)

_SPECS = {
    name: dg.AssetCheckSpec(
        RECORDS_PLACED,
        asset=input_key(name),
        description=f"At most a share REGIONAL_UNPLACED_SHARE ({UNPLACED_SHARE.default:g}) of the "
        "records lies in no region. Only a warning: the snapshots are correct, but miss what these "
        "records say.",
    )
    for name in PLACED_INPUTS
}


@dg.multi_asset_check(
    name="input_checks",
    description="Reads all inputs in one round trip and counts the records in no region.",
    specs=list(_SPECS.values()),
    can_subset=True,
)
def input_checks(
    context: dg.AssetCheckExecutionContext,
    snapshot_store: SnapshotStoreResource,
    clock: ClockResource,
) -> Iterator[dg.AssetCheckResult]:
    """One result per input that the run selected; an input that is missing has no such record."""
    from regional_assets.intelligence.world import build_world

    with snapshot_store.open_or_fail() as store:
        tallies = build_world(store.read([]).values, clock.now()).tallies
    for name, spec in _SPECS.items():
        if spec.key in context.selected_asset_check_keys:
            yield _result(spec, tallies.get(name))


def _result(spec: dg.AssetCheckSpec, tally: "Tally | None") -> dg.AssetCheckResult:
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
        check_name=spec.name,
        asset_key=spec.asset_key,
        passed=problem is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=problem,
        metadata={"records": tally.records, **tally.counts} if tally else {},
    )
