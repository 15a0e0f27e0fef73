"""Whether what is stored of a region agrees with itself."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import redis

from regional_assets.store import keys


def verify(client: redis.Redis, regions: Iterable[str]) -> dict[str, list[str]]:
    """Region id → what does not agree (empty: all does): the pointer, the snapshot by id and at
    its time, the index, the regime history."""
    return {region: _disagreements(client, region) for region in regions}


def _disagreements(client: redis.Redis, region: str) -> list[str]:
    # One transaction sees one moment; a snapshot by its id never changes afterwards.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.get(keys.latest(region))
        pipeline.zrange(keys.index(region), 0, -1, withscores=True)
        pipeline.lrange(keys.regime_history(region), 0, -1)
        replies = pipeline.execute(raise_on_error=False)
    errors = [str(reply) for reply in replies if isinstance(reply, Exception)]
    if errors:
        return errors
    latest, index, history = replies
    problems = _index_problems(client, region, index)
    if latest is None:
        if index or history:
            problems.append(f"{keys.latest(region)} is absent, but other keys of the region exist")
        return problems
    snapshot_id = latest.decode("utf-8", "replace")
    name = keys.snapshot_by_id(snapshot_id)
    snapshot, problem = _snapshot(client, name)
    if snapshot is None:
        return [*problems, f"{keys.latest(region)} names {snapshot_id}: {problem}"]
    generated_at = snapshot["generated_at"]
    if snapshot["region_id"] != region:
        problems.append(f"{name} is of region {snapshot['region_id']!r}")
    if dict(index).get(latest) != generated_at:
        problems.append(f"{keys.index(region)} does not hold {snapshot_id} at {generated_at}")
    if index and index[-1][1] > generated_at:
        problems.append(f"{keys.latest(region)} is not the newest in {keys.index(region)}")
    at_its_time, problem = _snapshot(client, keys.snapshot_at(region, generated_at))
    if at_its_time is None:
        problems.append(f"{keys.snapshot_at(region, generated_at)}: {problem}")
    return problems + _history_problems(region, history, snapshot["regime"]["label"])


def _index_problems(
    client: redis.Redis, region: str, index: list[tuple[bytes, float]]
) -> list[str]:
    problems = []
    for member, score in index:
        name = keys.snapshot_by_id(member.decode("utf-8", "replace"))
        snapshot, problem = _snapshot(client, name)
        if snapshot is None:
            problems.append(f"{keys.index(region)} lists {name}: {problem}")
        elif (
            snapshot["generated_at"] != score or snapshot["meta"]["snapshot_id"] != member.decode()
        ):
            problems.append(f"{name} does not say what {keys.index(region)} says of it")
    return problems


def _history_problems(region: str, history: list[bytes], label: str) -> list[str]:
    name = keys.regime_history(region)
    labels = []
    for position, entry in enumerate(history):
        try:
            transition = json.loads(entry)
            labels.append((transition["label"], transition["previous_label"]))
        except (ValueError, TypeError, KeyError):
            return [f"{name}: entry {position} is not a regime change"]
    if labels and labels[0][0] != label:
        return [f"{name} ends at {labels[0][0]!r}, the latest snapshot says {label!r}"]
    if any(newer[1] != older[0] for newer, older in pairwise(labels)):
        return [f"{name} has a gap: a change does not start where the one before it ended"]
    return []


def _snapshot(client: redis.Redis, name: str) -> tuple[dict[str, Any] | None, str]:
    try:
        body = client.get(name)
    except redis.ResponseError as error:
        return None, str(error)
    if body is None:
        return None, f"{name} is absent"
    try:
        snapshot = json.loads(body)
        # The fields that the comparison needs.
        _ = snapshot["region_id"], snapshot["generated_at"], snapshot["regime"]["label"]
        _ = snapshot["meta"]["snapshot_id"]
    except (ValueError, TypeError, KeyError):
        return None, f"{name} is not a snapshot"
    return snapshot, ""
