"""Worlds to test with."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regional_assets.intelligence.diff import Previous, read_previous
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.snapshot import (
    Content,
    Snapshot,
    assess,
    complete,
    region_content,
)
from regional_assets.intelligence.triggers import History
from regional_assets.intelligence.world import World, build_world
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL

GOLDEN = Path(__file__).parents[1] / "golden"
NOW = 1_790_000_000_000
KEY = {spec.name: spec.key for spec in MODEL.inputs}
COMPANION = {spec.name: spec.companion or "" for spec in MODEL.inputs}


@dataclass(frozen=True)
class Step:
    """One step of a golden case."""

    now: int
    inputs: dict[str, str]
    expected: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A golden case: the second step's previous snapshots are the first step's."""

    name: str
    steps: tuple[Step, ...]


def golden_cases() -> Iterator[Case]:
    with gzip.open(GOLDEN / "cases.json.gz") as file:
        for case in json.load(file)["cases"]:
            yield Case(case["name"], tuple(Step(**step) for step in case["steps"]))


def encoded(inputs: Mapping[str, Any]) -> dict[str, StoredValue]:
    """Catalogue names (or keys) and values → what the store holds."""
    return {
        KEY.get(name, name): StoredValue(
            (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")
        )
        for name, value in inputs.items()
    }


def world_of(now: int = NOW, **inputs: Any) -> World:
    """A world of the inputs given by catalogue name, as JSON values."""
    return build_world(MODEL, encoded(inputs), now)


def calm(now: int = NOW, flights: int = 0) -> World:
    """A calm world; each number of flights is another content."""
    return world_of(now, military_flights={"flights": [{"lat": 30, "lon": 40}] * flights})


def sample_values(now: int = NOW) -> dict[str, bytes]:
    """The sample inputs by Redis key."""
    return read_input_files(MODEL, SAMPLE_INPUTS, now)


def quiet_values(now: int = NOW) -> dict[str, bytes]:
    """Inputs that are all there and say nothing, by Redis key."""
    return {key: json.dumps({"fetchedAt": now}).encode() for key in KEY.values()}


def undated_values() -> dict[str, bytes]:
    """Inputs that are all there, say nothing, and never get older, by Redis key."""
    return dict.fromkeys(KEY.values(), b"{}")


def sample_world(now: int = NOW) -> World:
    return build_world(MODEL, {k: StoredValue(v) for k, v in sample_values(now).items()}, now)


def content_of(world: World, region: str, history: History | None = None) -> Content:
    return region_content(assess(world, history), region)


def snapshot_of(
    world: World, region: str, previous: Snapshot | None = None, snapshot_id: str = "s-1"
) -> Snapshot:
    return complete(content_of(world, region), as_previous(previous), snapshot_id)


def as_previous(snapshot: Snapshot | None) -> Previous | None:
    if snapshot is None:
        return None
    return read_previous(
        snapshot.content.region_id,
        snapshot.snapshot_id,
        encode(snapshot.body),
        snapshot.content.world.model.stored_versions,
    )


def stored_body(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as a reader of what is stored finds it."""
    body: dict[str, Any] = json.loads(encode(snapshot.body))
    return body


def snapshots_of(
    world: World,
    previous: Mapping[str, Snapshot] | None = None,
    prefix: str = "s",
) -> dict[str, Snapshot]:
    """The snapshots of all regions, with ids made of `prefix` and the region."""
    assessment = assess(world)
    return {
        region: complete(
            region_content(assessment, region),
            as_previous((previous or {}).get(region)),
            f"{prefix}-{region}",
        )
        for region in world.model.region_ids
    }
