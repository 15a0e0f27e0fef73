"""The asset checks of `regional_snapshot`: what is stored of each region, region by region."""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec

from regional_assets.dagster_kit.private import CheckTarget, check_targets, create_checks
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import refuse_none, region_partitions
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.errors import STORE_ERRORS, SettingsError
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.numbers import is_number
from regional_assets.intelligence.scoring import AXES
from regional_assets.intelligence.text import visible
from regional_assets.settings import CONFIDENCE_FLOOR

if TYPE_CHECKING:
    from regional_assets.store.latest import LatestRead

_NOTHING = "has no stored snapshot"

# A snapshot (its body as stored, and the JSON in it) → what is wrong with it.
Finding = Callable[[bytes, Mapping[str, Any]], list[str]]


class Check(msgspec.Struct, frozen=True):
    """A check. `find` is None for the one that looks at everything stored of a region."""

    name: str
    description: str
    find: Finding | None
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR

    def problems(self, read: "LatestRead") -> list[str]:
        """What is wrong with the latest snapshot of a region; empty when nothing is."""
        assert self.find is not None
        if read.error:
            return [f"cannot be read: {read.error}"]
        if read.snapshot is None:
            return [_NOTHING]
        body, name = read.snapshot.body, read.snapshot.key
        try:
            # NaN and Infinity pass here; one check is about them.
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

    # Each probability was rounded to three decimals: half a thousandth each.
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
        "The four lanes of each horizon cover all that may happen: their probabilities sum to 1.",
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
        f"({CONFIDENCE_FLOOR.default:g}). Only a warning: the snapshot is correct, but it is based "
        "on little.",
        _confidence,
        dg.AssetCheckSeverity.WARN,
    ),
    Check(
        "stored_data_agrees",
        "All that is stored of the region agrees: the latest snapshot, the snapshots by id and by "
        "time, the index, the regime history, the observations, and when they expire.",
        None,
    ),
)


@dg.op(
    name="regional_snapshot_checks",
    description="Reads what is stored of the run's regions (of all, in a run without partitions).",
    out={check.name: dg.Out(dg.Nothing, is_required=False) for check in CHECKS},
    # After the snapshots of the same run; see below.
    tags={"dagster/priority": "-1"},
)
def _run_checks(
    context: dg.AssetCheckExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> Iterator[dg.AssetCheckEvaluation]:
    partitioned = context.has_partition_key or context.has_partition_key_range
    regions = context.partition_keys if partitioned else regional_model.region_ids
    refuse_none(context, regions)
    chosen = [
        c
        for c in CHECKS
        if dg.AssetCheckKey(REGIONAL_SNAPSHOT, c.name) in context.selected_asset_check_keys
    ]
    found = _look(regional_store, regional_model, chosen, regions, regional_clock.now())
    targets = check_targets(context.instance, REGIONAL_SNAPSHOT, regions)
    for check, problems in found.items():
        for region, reasons in problems.items():
            yield _evaluation(check, {region: reasons}, region, targets.get(region))
        if not partitioned:
            # From a run without partitions Dagster expects one result besides those of the regions.
            yield _evaluation(check, problems)


def regional_snapshot_checks(model: Model) -> dg.AssetChecksDefinition:
    """The checks of the snapshots, a partition per region.

    Without a dependency on the snapshots, the checks run whatever became of them. They come later,
    because the in-process executor takes the steps that are ready in the order of their
    priority."""
    with warnings.catch_warnings():
        # Checks with partitions are in preview in Dagster 1.13; users can do nothing about that.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        specs = {
            check.name: dg.AssetCheckSpec(
                check.name,
                asset=REGIONAL_SNAPSHOT,
                description=check.description,
                partitions_def=region_partitions(model),
            )
            for check in CHECKS
        }
    checks: dg.AssetChecksDefinition = create_checks(
        keys_by_input_name={},
        node_def=_run_checks,
        check_specs_by_output_name=specs,
        can_subset=True,
    )
    return checks


def _look(
    resource: SnapshotStoreResource,
    model: Model,
    checks: Iterable[Check],
    regions: Sequence[str],
    now: int,
) -> dict[Check, dict[str, list[str]]]:
    """Check → region → problems. The checks of the latest snapshots share one read.

    A store that does not serve is a problem of every region, not an exception: the run that took
    the snapshots must not fail because of its checks.
    """
    found: dict[Check, dict[str, list[str]]] = {}
    latest: Mapping[str, LatestRead] = {}
    try:
        with resource.open(model) as store:
            for check in checks:
                latest = latest or store.read(regions, inputs=False).latest
                if check.find is None:
                    found[check] = {
                        region: problems or ([] if latest[region].snapshot else [_NOTHING])
                        for region, problems in store.verify(regions, now).items()
                    }
                    continue
                found[check] = {region: check.problems(latest[region]) for region in regions}
    except STORE_ERRORS as error:
        unknown = {region: [str(error)] for region in regions}
        return {check: found.get(check, unknown) for check in checks}
    return found


def _evaluation(
    check: Check,
    problems: Mapping[str, Sequence[str]],
    partition: str | None = None,
    target: CheckTarget | None = None,
) -> dg.AssetCheckEvaluation:
    """The result of a partition; of all regions in `problems` when `partition` is None."""
    failing = {r: list(map(visible, reasons)) for r, reasons in problems.items() if reasons}
    words = "; ".join(f"{region}: {', '.join(reasons)}" for region, reasons in failing.items())
    return dg.AssetCheckEvaluation(
        asset_key=REGIONAL_SNAPSHOT,
        check_name=check.name,
        passed=not failing,
        severity=check.severity,
        description=_markdown(words) or None,
        metadata={"failing_regions": list(failing), **failing},
        blocking=False,
        partition=partition,
        target_materialization_data=target,
    )


def _markdown(text: str) -> str:
    """`text` for the UI to render: what it quotes makes no link, image, table or HTML."""
    return re.sub(r"([\\`*\[\]<>|!])", r"\\\1", text)
