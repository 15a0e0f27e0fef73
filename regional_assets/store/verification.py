"""Checks that the stored data of a region is consistent."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from regional_assets.intelligence.stored import BodyError, read_body, read_seed_meta, read_summary
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS
from regional_assets.intelligence.triggers import TRIGGERS
from regional_assets.store.connection import refusal
from regional_assets.store.history_verification import Kept, history_problems
from regional_assets.store.keys import (
    DAY,
    OBSERVATION_EXPIRY,
    SNAPSHOT_EXPIRY,
    SUMMARY_EXPIRY,
    Keys,
    is_snapshot_id,
)
from regional_assets.store.latest import copied_from
from regional_assets.store.wire import as_text, confirmation, observations

_BATCH = 100
# How often to look at a region that other runs keep writing.
_LOOKS = 3
_SCANNED = 1000
# What the server gives for the expiry of a key that is not there.
_ABSENT = -2
_HEALS = "the next snapshot of the region puts that right"


def verify(
    client: redis.Redis, keys: Keys, regions: Iterable[str], now: int
) -> dict[str, list[str]]:
    """Region id → inconsistencies at `now` (ms), empty for none: of the pointer, every snapshot by
    id and at its time, the index, the regime history, the observations, and when they expire. A
    region of which nothing is stored has none."""
    views = {region: _look(client, keys, region) for region in regions}
    found = {region: _settled(client, view, now) for region, view in views.items()}
    empty = {r for r, view in views.items() if not (view.errors or view.latest or view.index)}
    if empty:
        for region, problem in _without_pointer(client, keys, empty).items():
            found[region].append(problem)
    return found


def verify_summary(client: redis.Redis, keys: Keys) -> list[str]:
    """What is wrong with the summary of all regions and its record for health checks: with each of
    them and its expiry, and whether both are there."""
    parsers = {keys.summary: read_summary, keys.summary_seed_meta: read_seed_meta}
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        for name in parsers:
            # MGET, unlike GET, treats a key of another type as absent.
            pipeline.mget(name)
            pipeline.pexpiretime(name)
        time, *replies = pipeline.execute()
    problems = []
    expiries = replies[1::2]
    for (name, read), [value], expires_at in zip(
        parsers.items(), replies[::2], expiries, strict=True
    ):
        if value is not None:
            try:
                read(value)
            except BodyError as error:
                problems.append(f"{name} is {error}")
        elif any(expires_at != _ABSENT for expires_at in expiries):
            problems.append(f"{name} is {'absent' if expires_at == _ABSENT else 'no string'}")
        problems += _expiry_problems(name, expires_at, _ms(time), SUMMARY_EXPIRY, None)
    return problems


@dataclass(frozen=True, slots=True)
class _View:
    """What is stored of a region but for its snapshots, at one moment (`at`, ms, by the server's
    clock): observations and expiries (ms) by key; or why it cannot be read."""

    keys: Keys
    region: str
    at: int
    latest: bytes | None
    index: Sequence[tuple[bytes, float]]
    history: Sequence[bytes]
    confirmed: bytes | None
    copy: bytes | None
    observed: Mapping[str, Sequence[tuple[bytes, float]]]
    expiries: Mapping[str, int]
    errors: Sequence[str]

    def is_same(self, other: "_View") -> bool:
        """Whether no run wrote a snapshot between the two looks."""
        return (self.latest, self.index, self.history) == (other.latest, other.index, other.history)


def _look(client: redis.Redis, keys: Keys, region: str) -> _View:
    observed = [keys.observations(region, str(t.metric)) for t in TRIGGERS if t.region == region]
    names = [
        *(keys.latest(region), keys.index(region), keys.regime_history(region)),
        keys.confirmed(region),
        keys.latest_body(region),
        *observed,
    ]
    # One transaction gives a view of one moment; a snapshot never changes under its id.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        for name in names:
            pipeline.pexpiretime(name)
        pipeline.get(names[0])
        pipeline.zrange(names[1], 0, -1, withscores=True)
        pipeline.lrange(names[2], 0, -1)
        pipeline.get(names[3])
        pipeline.get(names[4])
        for name in observed:
            pipeline.zrange(name, 0, -1, withscores=True)
        time, *replies = pipeline.execute(raise_on_error=False)
    expiries, values = replies[: len(names)], replies[len(names) :]
    latest, index, history, confirmed, copy = values[:5]
    return _View(
        keys,
        region,
        _ms(time),
        latest,
        index,
        history,
        confirmed,
        copy,
        observed=dict(zip(observed, values[5:], strict=True)),
        expiries=dict(zip(names, expiries, strict=True)),
        errors=[
            f"{name}: {refusal(reply)}"
            for name, reply in zip(names, values, strict=True)
            if isinstance(reply, Exception)
        ],
    )


def _settled(client: redis.Redis, view: _View, now: int) -> list[str]:
    """The problems of a region, which is looked at again when another run wrote it meanwhile."""
    problems: list[str] = []
    for _ in range(_LOOKS):
        problems = list(view.errors) or _problems(client, view, now)
        if not problems:
            break
        before, view = view, _look(client, view.keys, view.region)
        if view.is_same(before):
            break
    return problems


def _problems(client: redis.Redis, view: _View, now: int) -> list[str]:
    keys = view.keys
    latest_name, index_name, history_name, confirmed_name, copy_name, *_ = view.expiries
    index = {as_text(member): at for member, at in view.index}
    # Bodies expire on their own, index entries only with the region's next commit.
    oldest = now - SNAPSHOT_EXPIRY * 1000 + FUTURE_TOLERANCE_MS
    members = {id: at for id, at in index.items() if at > oldest and is_snapshot_id(id)}
    problems = []
    if not all(map(is_snapshot_id, index)):
        problems.append(f"{index_name} lists something else than snapshot ids")
    latest_id = as_text(view.latest or b"")
    if view.latest is None and not index:
        problems += [
            _lost(keys, view.region, name)
            for name in (confirmed_name, *view.observed)
            if view.expiries[name] != _ABSENT
        ]
    elif view.latest is None and members:
        problems.append(f"{latest_name} is absent, but {index_name} lists snapshots")
    elif view.latest is not None and not is_snapshot_id(latest_id):
        problems.append(f"{latest_name} holds no snapshot id")
    elif view.latest is not None and latest_id not in members:
        [body] = _bodies(client, keys, [latest_id])
        try:
            generated_at = read_body(view.region, latest_id, body or b"").generated_at
            members[latest_id] = index.get(latest_id, generated_at)
        except BodyError as error:
            name = keys.snapshot_by_id(latest_id)
            what = "absent" if body is None else error
            problems.append(f"{latest_name} names {latest_id}: {name} is {what}")
    kept, unreadable = _read_snapshots(client, view, members, now)
    problems += unreadable
    latest = kept[latest_id].snapshot if latest_id in kept else None
    if latest:
        problems += _pointer_problems(view, latest.generated_at, latest_id, index, now)
    newest: float = now + FUTURE_TOLERANCE_MS
    if latest and latest.generated_at > newest:
        # That has been reported; what was written with it is no news.
        newest = math.inf
    confirmed_at = confirmation(view.confirmed)
    if view.confirmed is not None and (confirmed_at is None or confirmed_at > newest):
        problems.append(f"{confirmed_name} holds no time, or one of the future; {_HEALS}")
    expires_at = view.expiries[confirmed_name]
    problems += _expiry_problems(confirmed_name, expires_at, view.at, SNAPSHOT_EXPIRY, None)
    expires_at = view.expiries[copy_name]
    problems += _expiry_problems(copy_name, expires_at, view.at, SNAPSHOT_EXPIRY, None)
    for name, observed in view.observed.items():
        problems += _observation_problems(view, name, observed, now, newest)
    problems += [
        f"{name} expires, and must not: PERSIST it"
        for name in (index_name, history_name)
        if view.expiries[name] >= 0
    ]
    return problems + history_problems(
        history_name,
        view.region,
        view.history,
        kept,
        latest.regime.label if latest else None,
        oldest,
        partial(_bodies, client, keys),
    )


def _pointer_problems(
    view: _View, generated_at: int, latest_id: str, index: Mapping[str, float], now: int
) -> list[str]:
    latest_name, index_name, *_ = view.expiries
    problems = []
    if generated_at > now + FUTURE_TOLERANCE_MS:
        problems.append(
            f"{latest_name} names a snapshot dated {(generated_at - now) // 1000} s after this "
            "machine's clock: what is written until then will be late. Set the wrong clock right; "
            f"to start the region anew, delete {latest_name}, and ZREM {latest_id} from "
            f"{index_name}"
        )
    if index.get(latest_id) != generated_at:
        problems.append(f"{index_name} does not hold {latest_id} at {generated_at}")
    if any(at > generated_at for at in index.values()):
        problems.append(f"{latest_name} is not the newest in {index_name}")
    expires_at = view.expiries[latest_name]
    return problems + _expiry_problems(
        latest_name, expires_at, view.at, SNAPSHOT_EXPIRY, now - generated_at
    )


def _read_snapshots(
    client: redis.Redis, view: _View, members: Mapping[str, float], now: int
) -> tuple[dict[str, Kept], list[str]]:
    """The readable ones of the snapshots in the index (`members`: id → time), and the problems of
    all, by id and at their times."""
    keys = view.keys
    kept: dict[str, Kept] = {}
    problems: list[str] = []
    # Two snapshots of one time share the key of that time, which holds the one written last.
    at_their_times: dict[str, str] = {}
    right: set[str] = set()
    for start in range(0, len(members), _BATCH):
        batch = list(members.items())[start : start + _BATCH]
        by_id = [keys.snapshot_by_id(id) for id, _ in batch]
        by_time = [keys.snapshot_at(view.region, f"{at:.0f}") for _, at in batch]
        with client.pipeline(transaction=False) as pipeline:
            # MGET, unlike GET, treats a key of another type as absent.
            pipeline.mget(by_id)
            pipeline.mget(by_time)
            for name in (*by_id, *by_time):
                pipeline.pexpiretime(name)
            bodies, copies, *expiries = pipeline.execute()
        for position, (id, at) in enumerate(batch):
            name, copy_name, copy = by_id[position], by_time[position], copies[position]
            if bodies[position] is None:
                problems.append(f"{keys.index(view.region)} lists {id}: {name} is absent")
                continue
            try:
                snapshot = read_body(view.region, id, bodies[position])
            except BodyError as error:
                problems.append(f"{name} is {error}")
                continue
            kept[id] = Kept(snapshot, expiries[position])
            if view.copy and view.copy != bodies[position] and copied_from(id, view.copy):
                name_of_copy = keys.latest_body(view.region)
                problems.append(f"{name_of_copy} is not the snapshot {id}: delete it")
            if snapshot.generated_at != at:
                problems.append(f"{name} has another time than in {keys.index(view.region)}")
                continue
            if copy == bodies[position]:
                right.add(copy_name)
            else:
                what = "absent" if copy is None else f"not the snapshot {id}"
                at_their_times[copy_name] = f"{copy_name} is {what}"
            for key, expires_at in (
                (name, expiries[position]),
                (copy_name, expiries[len(batch) + position]),
            ):
                age = now - snapshot.generated_at
                problems += _expiry_problems(key, expires_at, view.at, SNAPSHOT_EXPIRY, age)
    problems += [words for name, words in at_their_times.items() if name not in right]
    return kept, problems


def _observation_problems(
    view: _View, name: str, members: Sequence[tuple[bytes, float]], now: int, newest: float
) -> list[str]:
    try:
        found = observations(member for member, _ in members)
    except ValueError:
        found = []
    if [at for at, _ in found] != [at for _, at in members]:
        return [f"{name} holds something else than observations"]
    last = max((at for at, _ in found), default=now)
    if last > newest:
        return [f"{name} has an observation of the future; {_HEALS}"]
    age = now - last
    return _expiry_problems(name, view.expiries[name], view.at, OBSERVATION_EXPIRY, age)


def _expiry_problems(name: str, expires_at: int, at: int, lasts: int, age: int | None) -> list[str]:
    """Whether a key whose value is `age` ms old or less (None: unknown) expires (`expires_at`)
    `lasts` s after it was written, but for differences between clocks; `at` is the server's clock.
    Times in ms."""
    if expires_at == -1:
        return [f"{name} has no expiry, and would stay for ever"]
    # A value older than that came in late, from a replay; one that is absent is reported elsewhere.
    if expires_at == _ABSENT or (age or 0) > lasts * 1000:
        return []
    least = 0 if age is None else lasts - max(0, age) / 1000
    left, slack = (expires_at - at) / 1000, lasts / 30
    if least - slack <= left <= lasts + slack:
        return []
    days = f"{least / DAY:.3g} to {lasts / DAY:.3g} days"
    return [f"{name} expires in {left / DAY:.3g} days, and should in {days}"]


def _without_pointer(client: redis.Redis, keys: Keys, regions: set[str]) -> dict[str, str]:
    """Snapshots of `regions` whose pointer and index are gone. Nothing leads to them, so all keys
    of their kind are looked through."""
    found: dict[str, str] = {}
    # The user that `regional-assets acl` makes may not look through all keys.
    with suppress(NoPermissionError):
        for key in client.scan_iter(match=keys.snapshot_at("*", "*"), count=_SCANNED):
            region, time = as_text(key).split(":")[-2:]
            if region in regions and time.isdigit():
                found[region] = as_text(key)
    return {
        region: _lost(keys, region, key)
        for region, key in found.items()
        # Unless its first snapshot was written just now.
        if not client.exists(keys.latest(region))
    }


def _lost(keys: Keys, region: str, name: str) -> str:
    return (
        f"{keys.latest(region)} and {keys.index(region)} are absent, but there is {name}: restore "
        "them, or run the region to start it anew"
    )


def _bodies(client: redis.Redis, keys: Keys, snapshot_ids: Sequence[str]) -> list[bytes | None]:
    found: Any = client.mget([keys.snapshot_by_id(id) for id in snapshot_ids])
    return list(found)


def _ms(time: tuple[int, int]) -> int:
    return time[0] * 1000 + time[1] // 1000
