"""Checks that the stored data of a region is consistent."""

import json
import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import redis

from regional_assets.intelligence.numbers import num
from regional_assets.intelligence.regime import CALM
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS
from regional_assets.intelligence.triggers import TRIGGERS
from regional_assets.store import keys
from regional_assets.store.connection import refusal
from regional_assets.store.wire import as_text, observations

_BATCH = 100

# The label of a regime that is not in the history (None: any), and when it began (ms).
_Beginning = tuple[str | None, float]


def verify(client: redis.Redis, regions: Iterable[str], now: int) -> dict[str, list[str]]:
    """Region id → inconsistencies at `now` (ms), empty for none: of the pointer, the snapshot by
    id and at its time, the index, the regime history and the observations."""
    return {region: _disagreements(client, region, now) for region in regions}


def _disagreements(client: redis.Redis, region: str, now: int) -> list[str]:
    names = [
        keys.latest(region),
        keys.index(region),
        keys.regime_history(region),
        *(keys.observations(t.region, str(t.metric)) for t in TRIGGERS if t.region == region),
    ]
    # One transaction gives a view of one moment; a snapshot never changes under its id.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.get(names[0])
        pipeline.zrange(names[1], 0, -1, withscores=True)
        pipeline.lrange(names[2], 0, -1)
        for name in names[3:]:
            pipeline.zrange(name, 0, -1, withscores=True)
        replies = pipeline.execute(raise_on_error=False)
    errors = [
        f"{name}: {refusal(reply)}"
        for name, reply in zip(names, replies, strict=True)
        if isinstance(reply, Exception)
    ]
    if errors:
        return errors
    latest, index, history, *observed = replies
    # Bodies expire on their own, index entries only with the region's next commit.
    oldest = now - keys.SNAPSHOT_EXPIRY * 1000
    kept = {as_text(member): at for member, at in index if at > oldest}
    problems, beginnings = _index_problems(client, region, kept)
    problems += [
        f"{name} holds something else than observations"
        for name, members in zip(names[3:], observed, strict=True)
        if not _are_observations(members)
    ]
    if latest is None:
        if kept:
            problems.append(f"{names[0]} is absent, but {names[1]} lists snapshots")
        return problems
    snapshot_id = as_text(latest)
    if not keys.is_snapshot_id(snapshot_id):
        return [*problems, f"{names[0]} holds no snapshot id"]
    snapshot, problem = _snapshot(client, keys.snapshot_by_id(snapshot_id))
    if snapshot is None:
        return [*problems, f"{names[0]} names {snapshot_id}: {problem}"]
    generated_at = snapshot["generated_at"]
    if generated_at > now + FUTURE_TOLERANCE_MS:
        problems.append(
            f"{names[0]} names a snapshot dated {(generated_at - now) // 1000} s after this "
            "machine's clock: what is written until then will be late. Set the wrong clock right; "
            f"to start the region anew, delete {names[0]}, and ZREM {snapshot_id} from {names[1]}"
        )
    if kept.get(snapshot_id) != generated_at:
        problems.append(f"{names[1]} does not hold {snapshot_id} at {generated_at}")
    if any(at > generated_at for at in kept.values()):
        problems.append(f"{names[0]} is not the newest in {names[1]}")
    at_its_time, problem = _snapshot(client, keys.snapshot_at(region, generated_at))
    if at_its_time is None:
        problems.append(problem)
    # How regimes before the oldest index entry began is no longer known.
    beginnings.append((None, min(kept.values(), default=generated_at)))
    label = snapshot["regime"]["label"]
    return problems + _history_problems(region, history, label, beginnings)


def _index_problems(
    client: redis.Redis, region: str, index: dict[str, float]
) -> tuple[list[str], list[_Beginning]]:
    """Problems of the snapshots that the index lists, and the regimes that began without an entry
    in the history: the region started out calm, or was rescored."""
    problems = []
    beginnings: list[_Beginning] = []
    members = [member for member in index if keys.is_snapshot_id(member)]
    if len(members) < len(index):
        problems.append(f"{keys.index(region)} lists something else than snapshot ids")
    for start in range(0, len(members), _BATCH):
        batch = members[start : start + _BATCH]
        bodies = client.mget([keys.snapshot_by_id(member) for member in batch])
        for member, body in zip(batch, bodies, strict=True):
            name = keys.snapshot_by_id(member)
            snapshot, problem = _parsed(name, body)
            if snapshot is None:
                problems.append(f"{keys.index(region)} lists {member}: {problem}")
            elif (snapshot["region_id"], snapshot["meta"]["snapshot_id"]) != (region, member):
                problems.append(f"{name} is another snapshot")
            elif snapshot["generated_at"] != index[member]:
                problems.append(f"{name} has another time than in {keys.index(region)}")
            else:
                regime = snapshot["regime"]
                calm = regime["label"] == CALM and not regime["previous_label"]
                if calm or regime.get("transition_driver") == "rescored":
                    beginnings.append((regime["label"], index[member]))
    return problems, beginnings


def _history_problems(
    region: str, history: list[bytes], label: str, beginnings: list[_Beginning]
) -> list[str]:
    name = keys.regime_history(region)
    changes = []
    for position, entry in enumerate(history):
        try:
            transition = json.loads(entry)
            changes.append(
                (
                    transition["previous_label"],
                    transition["label"],
                    num(transition.get("transitioned_at"), math.inf),
                )
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return [f"{name}: entry {position} is not a regime change"]

    def follows(after: str, change: tuple[str, str, float]) -> bool:
        """Whether a region can be in regime `after` when `change` was its last."""
        _, before, at = change
        return after == before or any(
            came in (None, after) and at < begun for came, begun in beginnings
        )

    if changes and not follows(label, changes[0]):
        return [f"{name} ends at {changes[0][1]!r}, the latest snapshot says {label!r}"]
    # A change from "" starts a new history.
    if any(newer[0] and not follows(newer[0], older) for newer, older in pairwise(changes)):
        return [f"{name} has a gap: a change does not start where the one before it ended"]
    return []


def _are_observations(members: list[tuple[bytes, float]]) -> bool:
    try:
        found = observations(member for member, _ in members)
    except ValueError:
        return False
    return [at for at, _ in found] == [at for _, at in members]


def _snapshot(client: redis.Redis, name: str) -> tuple[dict[str, Any] | None, str]:
    # MGET, unlike GET, treats a key of another type as absent.
    [body] = client.mget([name])
    return _parsed(name, body)


def _parsed(name: str, body: bytes | str | None) -> tuple[dict[str, Any] | None, str]:
    """The snapshot in `body`, or why it holds none."""
    if body is None:
        return None, f"{name} is absent"
    try:
        snapshot = json.loads(body)
        regime = snapshot["regime"]
        texts = (
            *(snapshot["region_id"], snapshot["meta"]["snapshot_id"]),
            *(regime["label"], regime["previous_label"]),
        )
        if all(isinstance(text, str) for text in texts) and isinstance(
            snapshot["generated_at"], int
        ):
            return snapshot, ""
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return None, f"{name} is not a snapshot"
