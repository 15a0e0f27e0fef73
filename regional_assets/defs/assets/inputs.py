"""The inputs as external assets upstream of `regional_snapshot`: other jobs write them, and here
they are only observed."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.defs.specs import OWNERS, TAGS
from regional_assets.intelligence.catalogue import InputSpec
from regional_assets.intelligence.inputs import InputState, StoredValue
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.text import visible
from regional_assets.intelligence.timing import MINUTE_MS

if TYPE_CHECKING:
    from regional_assets.intelligence.tally import Tally

# The data versions of an input without a value; no digest looks like them.
MISSING = "missing"
UNREADABLE = "unreadable"

_OBSERVING = """
Reads all inputs in one round trip and reports the data version (SHA-256 of the stored value), age,
size and freshness of each, how many records it has, and how many of them cannot be used, lack a
value or lie in no region. It changes nothing. A missing or unreadable input is reported and fails
nothing; the run fails only when Redis does not answer.
"""


def input_key(name: str) -> dg.AssetKey:
    """The asset that stands for the input of that catalogue name."""
    return dg.AssetKey(["inputs", name])


def _asset(model: Model, spec: InputSpec) -> dg.AssetSpec:
    axes = [axis for axis, feeds in model.feeds_of_axis.items() if spec.name in feeds]
    # A model of one's own may leave an input without a reader.
    *others, last = [axis.replace("_", " ") for axis in axes] + list(spec.also) or ["nothing"]
    feeds = f"{', '.join(others)} and {last}" if others else last
    return dg.AssetSpec(
        input_key(spec.name),
        description=f"{spec.content}\n\nFeeds {feeds}. Its writer, another job of the platform, "
        f"writes it {spec.cadence}; it counts as stale when older than "
        f"{_duration(spec.max_age_minutes)}.",
        group_name="inputs",
        kinds={"redis"},
        owners=OWNERS,
        tags=TAGS,
        metadata={
            "redis_key": spec.key,
            **({"companion_key": spec.companion} if spec.companion else {}),
            "cadence": spec.cadence,
            "max_age_minutes": spec.max_age_minutes,
        },
    )


def _duration(minutes: int) -> str:
    for unit, size in (("days", 24 * 60), ("hours", 60)):
        if minutes >= 2 * size and minutes % size == 0:
            return f"{minutes // size} {unit}"
    return f"{minutes} minutes"


def input_assets(model: Model) -> list[dg.AssetSpec]:
    """The assets that stand for the model's inputs."""
    return [_asset(model, spec) for spec in model.inputs]


def _observe(
    context: dg.AssetExecutionContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> Iterator[dg.ObserveResult]:
    """Reads all inputs once, then reports those that the run selected."""
    from regional_assets.intelligence.world import build_world

    now = regional_clock.now()
    with regional_store.open_or_fail(regional_model) as store:
        stored = store.read([]).values
    world = build_world(regional_model, stored, now)
    states = {
        input_key(name): state
        for name, state in world.inputs.items()
        if input_key(name) in context.selected_asset_keys
    }
    context.log.info(_words(states.values()))
    for key, state in states.items():
        yield dg.ObserveResult(
            asset_key=key,
            data_version=_data_version(stored[state.spec.key]),
            metadata=_metadata(state, now) | _counts(world.tallies.get(state.spec.name)),
        )


def observe_inputs(model: Model) -> dg.AssetsDefinition:
    """The observation of all inputs."""
    with warnings.catch_warnings():
        # Nothing else makes one observation of many assets that the UI and a job can launch; every
        # process that loads the definitions would repeat the warning that it is beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets: dg.AssetsDefinition = dg.multi_observable_source_asset(
            name="observe_inputs",
            specs=input_assets(model),
            description=_OBSERVING,
            can_subset=True,
        )(_observe)
    return assets


def _words(states: Iterable[InputState]) -> str:
    """How many inputs are fresh, and which are not."""
    by_freshness: dict[str, list[str]] = {"fresh": [], "stale": [], "missing": []}
    for state in states:
        by_freshness[state.freshness].append(state.spec.name)
    parts = [f"{len(by_freshness.pop('fresh'))} inputs fresh"]
    parts += [f"{kind}: {', '.join(names)}" for kind, names in by_freshness.items() if names]
    return "; ".join(parts)


def _data_version(value: StoredValue) -> dg.DataVersion:
    if value.data is None:
        return dg.DataVersion(UNREADABLE if value.error else MISSING)
    return dg.DataVersion(hashlib.sha256(value.data).hexdigest())


def _counts(tally: "Tally | None") -> dict[str, Any]:
    if tally is None:
        return {}
    labels = {"unplaced_labels": tally.labels} if tally.labels else {}
    return {"records": tally.records, **tally.counts, **labels}


def _metadata(state: InputState, now: int) -> dict[str, Any]:
    found: dict[str, Any] = {"freshness": state.freshness, "bytes": state.size}
    if state.timestamp is not None:
        # The UI could not show a number beyond the calendar.
        with suppress(OverflowError, ValueError, OSError):
            moment = datetime.fromtimestamp(state.timestamp / 1000, UTC)
            found["age_minutes"] = round((now - state.timestamp) / MINUTE_MS, 2)
            found["timestamp"] = dg.MetadataValue.timestamp(moment)
    if state.problem:
        found["problem"] = visible(state.problem)
    return found
