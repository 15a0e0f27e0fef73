"""Asset checks on `regional_snapshot`: what is stored of each region, each region by itself."""

import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import REGIONS
from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.intelligence.balance import AXES
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.intelligence.numbers import is_number
from regional_assets.runs.clock import current_time
from regional_assets.settings import CONFIDENCE_FLOOR, SettingsError
from regional_assets.store import keys
from regional_assets.store.errors import STORE_ERRORS

if TYPE_CHECKING:
    from regional_assets.store.snapshot_store import LatestRead

# What the content of a snapshot (its body as stored, the JSON in it) has against it.
Finding = Callable[[bytes, Mapping[str, Any]], list[str]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `find` is None for the one that looks at all that is stored of a region."""

    name: str
    description: str
    find: Finding | None
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def problems(self, read: "LatestRead") -> list[str]:
        """What the region's latest snapshot has against it; empty: nothing."""
        assert self.find is not None
        if read.error:
            return [f"cannot be read: {read.error}"]
        if read.snapshot is None:
            return ["has no stored snapshot"]
        body, name = read.snapshot.body, keys.snapshot_by_id(read.snapshot.snapshot_id)
        try:
            # NaN and Infinity pass here: only one of the checks is about them.
            return self.find(body, json.loads(body))
        except SettingsError as error:
            return [str(error)]
        except (ValueError, RecursionError) as error:
            return [f"{name} is not JSON: {error}"]
        except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
            return [f"{name} is not a snapshot ({type(error).__name__}: {error})"]


def _lanes(_: bytes, snapshot: Mapping[str, Any]) -> list[str]:
    from regional_assets.intelligence.readers import HORIZONS
    from regional_assets.intelligence.scenarios import LANES

    # Half a thousandth for each probability that was rounded to three decimals.
    tolerance = 0.0005 * len(LANES) + 1e-9
    found = {entry["horizon"]: entry["lanes"] for entry in snapshot["scenario_sets"]}
    problems = [f"{horizon} is missing" for horizon in HORIZONS if horizon not in found]
    for horizon, lanes in found.items():
        probabilities = [lane["probability"] for lane in lanes]
        if not all(map(is_number, probabilities)):
            problems.append(f"{horizon} has a probability that is no number: {probabilities}")
        elif abs(math.fsum(probabilities) - 1) > tolerance:
            problems.append(f"{horizon} sums to {math.fsum(probabilities):g}: {probabilities}")
    return problems


def _axes(_: bytes, snapshot: Mapping[str, Any]) -> list[str]:
    least = {**dict.fromkeys(AXES, 0), "net_balance": -1}
    values = {name: snapshot["balance"][name] for name in least}
    return [
        f"{name} is {value!r}, not from {least[name]} to 1"
        for name, value in values.items()
        if not is_number(value) or not least[name] <= value <= 1
    ]


def _strict_json(body: bytes, _: Mapping[str, Any]) -> list[str]:
    from regional_assets.store.wire import decode, encode

    # A field that is there twice would be lost on the way.
    again = encode(decode(body))
    if again == body:
        return []
    return [f"does not round-trip: {len(body)} bytes, read and written again, are {len(again)}"]


def _confidence(_: bytes, snapshot: Mapping[str, Any]) -> list[str]:
    floor, confidence = CONFIDENCE_FLOOR.read(), snapshot["meta"]["snapshot_confidence"]
    if is_number(confidence) and confidence >= floor:
        return []
    return [f"confidence is {confidence!r}, the floor is {floor:g} (REGIONAL_CONFIDENCE_FLOOR)"]


CHECKS = (
    Check(
        "lane_probabilities_sum_to_1",
        "The four lanes of each horizon are all that may happen: their probabilities sum to 1.",
        _lanes,
    ),
    Check(
        "axes_in_range",
        "Every axis of the balance vector is from 0 to 1, the net balance from -1 to 1.",
        _axes,
    ),
    Check(
        "strict_json",
        "The stored bytes are JSON that any strict parser reads (no NaN, no Infinity), and nothing "
        "is lost when it is read and written again.",
        _strict_json,
    ),
    Check(
        "confidence_above_floor",
        "Enough inputs were present and fresh: confidence is at least REGIONAL_CONFIDENCE_FLOOR "
        "(0.5). A warning: the snapshot is right about what it saw, but it saw little.",
        _confidence,
        dg.AssetCheckSeverity.WARN,
    ),
    Check(
        "stored_data_agrees",
        "Latest, the snapshots by id and by time, the index and the regime history tell the same.",
        None,
    ),
)

with warnings.catch_warnings():
    # Checks with partitions are in preview in Dagster 1.13; nobody who runs this can act on it.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    _SPECS = {
        check.name: dg.AssetCheckSpec(
            check.name,
            asset=REGIONAL_SNAPSHOT,
            description=check.description,
            partitions_def=REGIONS,
        )
        for check in CHECKS
    }


@dg.op(
    name="regional_snapshot_checks",
    description="Reads what is stored of the run's regions (all, in a run without partitions).",
    out={name: dg.Out(dg.Nothing, is_required=False) for name in _SPECS},
    # After the snapshots of the same run; see below.
    tags={"dagster/priority": "-1"},
)
def _run_checks(
    context: dg.AssetCheckExecutionContext, snapshot_store: SnapshotStoreResource
) -> Iterator[dg.AssetCheckEvaluation]:
    run = context.op_execution_context
    partitioned = run.has_partition_key or run.has_partition_key_range
    regions = run.partition_keys if partitioned else REGION_IDS
    chosen = [c for c in CHECKS if _SPECS[c.name].key in context.selected_asset_check_keys]
    found = _look(snapshot_store, chosen, regions)
    targets = {region: _target(context.instance, region) for region in regions}
    for check, problems in found.items():
        for region, reasons in problems.items():
            yield _evaluation(check, {region: reasons}, region, targets[region])
        if not partitioned:
            # Dagster expects one result of a run without partitions, besides those of the regions.
            yield _evaluation(check, problems)


# Not made by @dg.multi_asset_check, which would make this step depend on the output of
# `regional_snapshot`. That step reports its partitions one by one and yields no such output, so
# Dagster would skip the checks. Without a dependency they run whatever became of the snapshots,
# and after them: the in-process executor takes the steps that are ready by priority.
regional_snapshot_checks = dg.AssetChecksDefinition.create(
    keys_by_input_name={},
    node_def=_run_checks,
    check_specs_by_output_name=_SPECS,
    can_subset=True,
)


def _look(
    resource: SnapshotStoreResource, checks: Iterable[Check], regions: Sequence[str]
) -> dict[Check, dict[str, list[str]]]:
    """Check → region → problems. One read for all that look at the latest snapshots.

    A store that does not serve is every region's problem, not an exception: the run that took the
    snapshots shall not fail for its checks.
    """
    found: dict[Check, dict[str, list[str]]] = {}
    latest: Mapping[str, LatestRead] = {}
    try:
        with resource.open() as store:
            for check in checks:
                if check.find is None:
                    found[check] = store.verify(regions, current_time())
                    continue
                latest = latest or store.read(regions, inputs=False).latest
                found[check] = {region: check.problems(latest[region]) for region in regions}
    except STORE_ERRORS as error:
        unknown = {region: [str(error)] for region in regions}
        return {check: found.get(check, unknown) for check in checks}
    return found


def _evaluation(
    check: Check,
    problems: Mapping[str, Sequence[str]],
    partition: str | None = None,
    target: Target | None = None,
) -> dg.AssetCheckEvaluation:
    """The result for a partition, or for all regions of `problems` (None)."""
    failing = {region: list(reasons) for region, reasons in problems.items() if reasons}
    return dg.AssetCheckEvaluation(
        asset_key=REGIONAL_SNAPSHOT,
        check_name=check.name,
        passed=not failing,
        severity=check.severity,
        description="; ".join(f"{r}: {', '.join(reasons)}" for r, reasons in failing.items())
        or None,
        metadata={"failing_regions": list(failing), **failing},
        blocking=False,
        partition=partition,
        target_materialization_data=target,
    )


def _target(instance: dg.DagsterInstance, region: str) -> Target | None:
    """The materialisation that a check of the region is about: without it Dagster takes the
    result for one of an older materialisation and shows the partition as not checked."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(REGIONAL_SNAPSHOT, asset_partitions=[region]), limit=1
    )
    for record in found.records:
        return Target(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    return None
