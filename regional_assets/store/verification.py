"""Checks that the stored data of a region is consistent."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import redis
from redis.client import Pipeline
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

# Regions that are looked at, and snapshots that are read, in one round trip. More would block the
# server's other clients for too long.
_BATCH = 640
# How often to look at a region that other runs keep writing.
_LOOKS = 3
# Keys that are looked through in one round trip.
_SCANNED = 10_000
# What the server gives for the expiry of a key that is not there.
_ABSENT = -2
_HEALS = "the next snapshot of the region puts that right"
_MAY_NOT_SCAN = (
    "nothing stored, and this user may not look for snapshots without a pointer (SCAN): verify as "
    "a user who may, or run the region"
)


def verify(
    client: redis.Redis, keys: Keys, regions: Iterable[str], now: int
) -> dict[str, list[str]]:
    """Region id → inconsistencies at `now` (ms), empty for none: of the pointer, every snapshot by
    id and at its time, the index, the regime history, the observations, and when they expire. A
    region of which nothing is stored has none, when the user may look through all keys."""
    found: dict[str, list[str]] = {}
    empty: set[str] = set()
    waiting = iter(regions)
    while batch := list(islice(waiting, _BATCH)):
        views = _look(client, keys, batch)
        found |= _settled(client, keys, views, now)
        empty |= {v.region for v in views if not (v.errors or v.latest or v.index)}
    empty = {region for region in empty if not found[region]}
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

    @property
    def times(self) -> dict[str, float]:
        """The index: snapshot id → time (ms)."""
        return {as_text(member): at for member, at in self.index}

    def is_same(self, other: "_View") -> bool:
        """Whether no run wrote a snapshot between the two looks."""
        return (self.latest, self.index, self.history) == (other.latest, other.index, other.history)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A snapshot by id, what is at its time, and when the two expire (ms)."""

    body: bytes | None
    copy: bytes | None
    expires_at: int
    copy_expires_at: int


def _look(client: redis.Redis, keys: Keys, regions: Sequence[str]) -> list[_View]:
    # One transaction gives a view of one moment; a snapshot never changes under its id.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        observed = {region: _queue_look(pipeline, keys, region) for region in regions}
        time, *answers = pipeline.execute(raise_on_error=False)
    replies = iter(answers)
    views = []
    for region, (names, of_triggers) in observed.items():
        expiries = list(islice(replies, len(names)))
        values = list(islice(replies, len(names)))
        latest, index, history, confirmed, copy, *of_region = values
        views.append(
            _View(
                keys,
                region,
                _ms(time),
                latest,
                index,
                history,
                confirmed,
                copy,
                observed=dict(zip(of_triggers, of_region, strict=True)),
                expiries=dict(zip(names, expiries, strict=True)),
                errors=[
                    f"{name}: {refusal(reply)}"
                    for name, reply in zip(names, values, strict=True)
                    if isinstance(reply, Exception)
                ],
            )
        )
    return views


def _queue_look(pipeline: Pipeline, keys: Keys, region: str) -> tuple[list[str], list[str]]:
    """Queues the reads of a region: of each key the expiry, then of each the value. Returns the
    keys, and those of them that hold observations."""
    observed = [keys.observations(region, str(t.metric)) for t in TRIGGERS if t.region == region]
    names = [
        *(keys.latest(region), keys.index(region), keys.regime_history(region)),
        keys.confirmed(region),
        keys.latest_body(region),
        *observed,
    ]
    for name in names:
        pipeline.pexpiretime(name)
    pipeline.get(names[0])
    pipeline.zrange(names[1], 0, -1, withscores=True)
    pipeline.lrange(names[2], 0, -1)
    pipeline.get(names[3])
    pipeline.get(names[4])
    for name in observed:
        pipeline.zrange(name, 0, -1, withscores=True)
    return names, observed


def _settled(
    client: redis.Redis, keys: Keys, views: Sequence[_View], now: int
) -> dict[str, list[str]]:
    """Region → problems. A region that has any is looked at again, because another run may have
    written it meanwhile."""
    found: dict[str, list[str]] = {}
    for _ in range(_LOOKS):
        found |= _all_problems(client, keys, views, now)
        troubled = {view.region: view for view in views if found[view.region]}
        if not troubled:
            break
        again = _look(client, keys, list(troubled))
        views = [view for view in again if not view.is_same(troubled[view.region])]
    return found


def _all_problems(
    client: redis.Redis, keys: Keys, views: Sequence[_View], now: int
) -> dict[str, list[str]]:
    members = {view.region: _members(client, view, now) for view in views if not view.errors}
    stored = _stored(
        client, keys, ((r, id, at) for r, (ids, _) in members.items() for id, at in ids.items())
    )
    return {
        view.region: list(view.errors)
        or _problems(client, view, *members[view.region], stored, now)
        for view in views
    }


def _stored(
    client: redis.Redis, keys: Keys, members: Iterable[tuple[str, str, float]]
) -> Iterator[_Stored]:
    """What is stored of each snapshot (region, id, time in ms), in their order. It is read in
    batches across regions, so that few are held at a time."""
    waiting = iter(members)
    while batch := list(islice(waiting, _BATCH)):
        by_id = [keys.snapshot_by_id(id) for _, id, _ in batch]
        by_time = [keys.snapshot_at(region, f"{at:.0f}") for region, _, at in batch]
        with client.pipeline(transaction=False) as pipeline:
            # MGET, unlike GET, treats a key of another type as absent.
            pipeline.mget(by_id)
            pipeline.mget(by_time)
            for name in (*by_id, *by_time):
                pipeline.pexpiretime(name)
            bodies, copies, *expiries = pipeline.execute()
        size = len(batch)
        yield from map(_Stored, bodies, copies, expiries[:size], expiries[size:])


def _members(client: redis.Redis, view: _View, now: int) -> tuple[dict[str, float], list[str]]:
    """The snapshots of the region (id → time, ms) by its index and its pointer, and what is wrong
    with these two."""
    keys = view.keys
    latest_name, index_name, _, confirmed_name, *_ = view.expiries
    index = view.times
    members = {id: at for id, at in index.items() if at > _oldest(now) and is_snapshot_id(id)}
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
    return members, problems


def _oldest(now: int) -> int:
    """From when on snapshots are still stored at `now` (ms): they expire on their own, entries of
    the index only with the region's next commit."""
    return now - SNAPSHOT_EXPIRY * 1000 + FUTURE_TOLERANCE_MS


def _problems(
    client: redis.Redis,
    view: _View,
    members: Mapping[str, float],
    known: Sequence[str],
    stored: Iterator[_Stored],
    now: int,
) -> list[str]:
    """The problems of a region: those that are `known`, and those of its `members`, of which
    `stored` gives what is stored."""
    _, index_name, history_name, confirmed_name, copy_name, *_ = view.expiries
    latest_id = as_text(view.latest or b"")
    kept, unreadable = _read_snapshots(view, members, stored, now)
    problems = [*known, *unreadable]
    latest = kept[latest_id].snapshot if latest_id in kept else None
    if latest:
        problems += _pointer_problems(view, latest.generated_at, latest_id, view.times, now)
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
        _oldest(now),
        partial(_bodies, client, view.keys),
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
    view: _View, members: Mapping[str, float], stored: Iterator[_Stored], now: int
) -> tuple[dict[str, Kept], list[str]]:
    """The readable ones of the snapshots in the index (`members`: id → time), and the problems of
    all, by id and at their times."""
    keys = view.keys
    kept: dict[str, Kept] = {}
    problems: list[str] = []
    # Two snapshots of one time share the key of that time, which holds the one written last.
    at_their_times: dict[str, str] = {}
    right: set[str] = set()
    for id, at in members.items():
        found = next(stored)
        name, copy_name = keys.snapshot_by_id(id), keys.snapshot_at(view.region, f"{at:.0f}")
        if found.body is None:
            problems.append(f"{keys.index(view.region)} lists {id}: {name} is absent")
            continue
        try:
            snapshot = read_body(view.region, id, found.body)
        except BodyError as error:
            problems.append(f"{name} is {error}")
            continue
        kept[id] = Kept(snapshot, found.expires_at)
        if view.copy and view.copy != found.body and copied_from(id, view.copy):
            name_of_copy = keys.latest_body(view.region)
            problems.append(f"{name_of_copy} is not the snapshot {id}: delete it")
        if snapshot.generated_at != at:
            problems.append(f"{name} has another time than in {keys.index(view.region)}")
            continue
        if found.copy == found.body:
            right.add(copy_name)
        else:
            what = "absent" if found.copy is None else f"not the snapshot {id}"
            at_their_times[copy_name] = f"{copy_name} is {what}"
        for key, expires_at in ((name, found.expires_at), (copy_name, found.copy_expires_at)):
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
    of their kind are looked through, which the user that `regional-assets acl` makes may not."""
    found: dict[str, str] = {}
    try:
        for key in client.scan_iter(match=keys.snapshot_at("*", "*"), count=_SCANNED):
            region, time = as_text(key).split(":")[-2:]
            if region in regions and time.isdigit():
                found[region] = as_text(key)
    except NoPermissionError:
        return dict.fromkeys(regions, _MAY_NOT_SCAN)
    with client.pipeline(transaction=False) as pipeline:
        for region in found:
            pipeline.exists(keys.latest(region))
        # Unless its first snapshot was written just now.
        written = pipeline.execute()
    return {
        region: _lost(keys, region, key)
        for (region, key), there in zip(found.items(), written, strict=True)
        if not there
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
