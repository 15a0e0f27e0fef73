"""The platform's data in Redis: inputs and previous snapshots in one read, a region's snapshot in
one atomic commit (SPEC 6)."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import redis
from msgspec.structs import replace
from redis.backoff import ExponentialWithJitterBackoff
from redis.client import Pipeline

from regional_assets.errors import StoreError
from regional_assets.intelligence.baselines import Observation
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.last_words import Memory
from regional_assets.intelligence.model import Model
from regional_assets.redis_link.client import attempt
from regional_assets.redis_link.refusals import refusal, unavailable
from regional_assets.redis_link.scripts import Call, Script, Wait, run
from regional_assets.redis_link.server import Server, server_of
from regional_assets.redis_link.text import as_text, one_line
from regional_assets.settings import HOLD, StoreSettings
from regional_assets.store.batches import batched
from regional_assets.store.commit import (
    CommitReply,
    Refused,
    commit_call,
    commit_reply,
    confirmed,
)
from regional_assets.store.connection import connect, patience, project_errors
from regional_assets.store.identity import KnownStore, meet
from regional_assets.store.keys import SNAPSHOT_EXPIRY, SUMMARY_EXPIRY, Keys
from regional_assets.store.last_words import Remembered, recall_call, remembered
from regional_assets.store.latest import LatestRead, Pointer
from regional_assets.store.wire import encode, observations

if TYPE_CHECKING:
    from regional_assets.intelligence.snapshot import Snapshot

T = TypeVar("T")

_backoff = ExponentialWithJitterBackoff(cap=0.1, base=0.025)

_READ = Script.load(__package__, "read.lua", read_only=True)

# Seconds before a transaction starts over.
_WATCH_DELAY = 0.02

# Regions per script or message, which bounds its time and size whatever their number.
REGIONS_PER_CALL = 64
# A body is some 20 kB, so that a reply stays within a few MB.
_BODIES = 100


class ObservationsRead(msgspec.Struct, frozen=True):
    """The observations of a trigger's metric, oldest first; or why they cannot be read."""

    observations: Sequence[Observation] = ()
    error: str | None = None


class StoreRead(msgspec.Struct, frozen=True):
    """Stored values by the catalogue's key, latest snapshots by region id, the observations of
    trailing triggers by trigger id, and what is remembered of the inputs, with the last words of
    those that are absent (except in a cluster: see `recall`)."""

    values: Mapping[str, StoredValue]
    latest: Mapping[str, LatestRead]
    observed: Mapping[str, ObservationsRead]
    remembered: Remembered | None = None

    def memory(self, now: int) -> Memory | None:
        """What is remembered at `now` (ms), nothing where it cannot be read; None where nothing is
        to be."""
        return self.remembered.at(now) if self.remembered else None


class Beside(msgspec.Struct):
    """A call that goes with a message of commits, and why the server refused it, if it did."""

    call: Call
    refused: str = ""
    sent: bool = False


class Summary(msgspec.Struct, frozen=True):
    """The summary of all regions, None where the stored one stands; and the record by which health
    checks judge it."""

    summary: Mapping[str, Any] | None
    seed_meta: Mapping[str, Any]


class SnapshotStore:
    """The store of a model's data over one Redis client; safe to share between threads.

    Commands that a lost connection may have swallowed are sent again until the region deadline (see
    `client.attempt`). This is safe: every script here is idempotent.
    """

    def __init__(
        self,
        client: redis.Redis,
        model: Model,
        settings: StoreSettings,
        snapshot_expiry: int = SNAPSHOT_EXPIRY,
        record: KnownStore | None = None,
    ) -> None:
        self.client = client
        self.model = model
        self.keys = Keys.of(settings)
        self._settings = settings
        self._snapshot_expiry = snapshot_expiry
        self._unmet = record
        # Whether the store is older than it was: it was restored from a dump.
        self.went_back = False

    @property
    def server(self) -> Server:
        """The server that the client leads to, whichever kind it is of."""
        return server_of(self.client)

    @property
    def remembers(self) -> bool:
        """Whether missing inputs have last words, by the model and by `REGIONAL_HOLD`."""
        return not self.model.holds.off and HOLD.read() == "on"

    @property
    def region_deadline(self) -> float:
        """Seconds after which no further attempt for a region is started."""
        return self._settings.region_deadline

    def give_way(self) -> None:
        """Waits for a short random time, so that competing runs do not retry in step."""
        time.sleep(_backoff.compute(1))

    @classmethod
    def open(
        cls,
        model: Model,
        settings: StoreSettings,
        snapshot_expiry: int = SNAPSHOT_EXPIRY,
        record: KnownStore | None = None,
    ) -> "SnapshotStore":
        """A store on the configured server; snapshots expire after `snapshot_expiry` (s). Its first
        command fails when it is another store than that on `record`."""
        return cls(connect(settings), model, settings, snapshot_expiry, record)

    def read(
        self,
        regions: Sequence[str],
        *,
        inputs: bool = True,
        before: Mapping[str, LatestRead] | None = None,
    ) -> StoreRead:
        """The inputs with their companions, earlier observations, and the latest snapshots of
        `regions`, in one round trip for up to 64 regions: a snapshot is read from its copy.
        Without `inputs`, the latest snapshots alone, from where readers find them, in two; those
        that were read `before` and are still the latest are not fetched again.

        The inputs are a view of one moment, except in a cluster, and so are pointers,
        confirmations and observations for up to 64 regions. Raises `StoreError` when the server is
        unavailable."""
        names = self._input_names(self.model.input_keys) if inputs else {}
        if not self.server.apart(list(names.values())):
            return self._read_together(regions, names, inputs=inputs, before=before)
        with ThreadPoolExecutor(1) as beside:
            values = beside.submit(self.read_apart, names)
            return replace(self._read_together(regions, {}, inputs=True), values=values.result())

    def read_apart(self, names: Mapping[str, str]) -> dict[str, StoredValue]:
        """The inputs (whole key by the catalogue's) from all servers that have some, so that they
        are no view of one moment."""
        read = partial(self.server.each, [("GET", name) for name in names.values()])
        found = {}
        replies = self._attempt(read, patient=False)
        for (key, name), reply in zip(names.items(), replies, strict=True):
            if not isinstance(reply, Exception):
                found[key] = StoredValue(reply, None, name)
            elif str(reply).startswith("WRONGTYPE"):
                problem = f"WRONGTYPE {name} holds something else than a string"
                found[key] = StoredValue(None, problem, name)
            else:
                raise self.unavailable(reply)
        return found

    def _read_together(
        self,
        regions: Sequence[str],
        names: Mapping[str, str],
        *,
        inputs: bool,
        before: Mapping[str, LatestRead] | None = None,
    ) -> StoreRead:
        plain = list(names.values())
        triggers = self.model.trailing_triggers if inputs else ()
        observed = [self.keys.observations(t.region, t.metric) for t in triggers]
        copied = [self.keys.latest_body(region) for region in regions] if inputs else []
        first = slice(REGIONS_PER_CALL)
        # The script may look at inputs only where they lie with the keys of this project.
        beside = self.model.inputs if plain else ()
        memory = [recall_call(self.keys, beside)] if inputs and self.remembers else []
        values, copies, found, *reply = self._read(
            plain, observed, regions[first], copied[first], memory
        )
        # A script over more regions would block the server's other clients for too long.
        for start in range(REGIONS_PER_CALL, len(regions), REGIONS_PER_CALL):
            batch = slice(start, start + REGIONS_PER_CALL)
            _, more, replies = self._read([], [], regions[batch], copied[batch], [])
            copies += more
            found += replies
        rest = iter(found[len(plain) :])
        return StoreRead(
            {
                key: StoredValue(value, as_text(problem[0]) if problem else None, name)
                for key, name, value, problem in zip(names, plain, values, found, strict=False)
            },
            observed={
                trigger.id: _observed(key, next(rest))
                for trigger, key in zip(triggers, observed, strict=True)
            },
            latest=self.latest(dict(zip(regions, rest, strict=True)), copies, before),
            remembered=remembered(reply[0], beside) if reply else None,
        )

    def _read(
        self,
        plain: Sequence[str],
        observed: Sequence[str],
        regions: Sequence[str],
        copied: Sequence[str],
        beside: Sequence[Call],
    ) -> tuple[Any, ...]:
        """The values of `plain` and `copied`, the reply about the rest, and those to the calls
        `beside`, or the errors in their place."""
        call = Call(
            _READ, [*plain, *observed, *self._pointers(regions)], [len(plain), len(observed)]
        )
        identity = [self.keys.identity] if self._unmet else []
        commits = [self.keys.commits] if self._unmet else []
        # Apart, because a user may have rights on each with a rule of its own.
        groups = [names for names in (plain, copied, identity, commits) if names]
        command = partial(run, self.client, [call, *beside], groups)
        # A silent server is reported, not asked again: nothing has been computed yet.
        replies = self._attempt(command, patient=False)
        needed = len(groups) + 1
        for place, reply in enumerate(replies[:needed], 1):
            # A user may be without rights on the count alone.
            if isinstance(reply, Exception) and not (commits and place == needed - 1):
                raise self.unavailable(reply)
        if identity:
            self._meet(replies[needed - 3][0], replies[needed - 2])
        values = iter(replies)
        return (
            next(values) if plain else [],
            next(values) if copied else [],
            *replies[needed - 1 :],
        )

    def latest(
        self,
        pointers: Mapping[str, Any],
        copies: Sequence[bytes | None] = (),
        before: Mapping[str, LatestRead] | None = None,
    ) -> dict[str, LatestRead]:
        """The latest snapshot of each region, by what a script replied for its pointer: None,
        [error] or [id, confirmed]. Those that no copy (in the same order) holds and that were not
        read `before` are fetched, one round trip for every 100. Raises `StoreError` when the server
        is unavailable."""
        found: dict[str, LatestRead] = {}
        named: list[Pointer] = []
        for (region, reply), copy in zip_longest(pointers.items(), copies):
            if not reply:
                found[region] = LatestRead()
            elif len(reply) == 1:
                found[region] = LatestRead(error=as_text(reply[0]))
            else:
                pointer = Pointer(region, *reply)
                read = pointer.with_copy(self.keys, copy) or pointer.as_before(before)
                if read:
                    found[region] = read
                else:
                    named.append(pointer)
        for batch in batched(named, _BODIES):
            names = [self.keys.snapshot_by_id(pointer.snapshot_id) for pointer in batch]
            replies = self.attempt(partial(_get_each, self.client, names), patient=False)
            for pointer, reply in zip(batch, replies, strict=True):
                found[pointer.region] = pointer.with_body(self.keys, reply)
        return {region: found[region] for region in pointers}

    def commit(
        self,
        snapshots: "Iterable[Snapshot]",
        *,
        force: bool = False,
        deadline: float | None = None,
        beside: Sequence[Beside] = (),
    ) -> list[CommitReply]:
        """Commits each snapshot atomically and independently; one round trip for up to 64.

        `force` writes duplicates, too. No attempt starts after `deadline` (of `time.monotonic`;
        by default the region deadline from now). Raises `StoreError` when the server is
        unavailable; the outcome is then unknown, and committing again is safe. A commit that fewer
        than `REGIONAL_REPLICAS` replicas have is `Unreplicated`. The calls `beside` follow in the
        first message, and what becomes of them changes nothing in the commits.
        """
        replies: list[CommitReply] = []
        for batch in batched(snapshots, REGIONS_PER_CALL):
            calls = [_commit_call(self.keys, s, force, self._snapshot_expiry) for s in batch]
            ready = [call for call in calls if isinstance(call, Call)]
            answered = iter(self._commit(ready, deadline, beside))
            replies += [next(answered) if isinstance(call, Call) else call for call in calls]
            beside = ()
        return replies

    def _commit(
        self, commits: Sequence[Call], deadline: float | None, beside: Sequence[Beside]
    ) -> Sequence[CommitReply]:
        calls = [*commits, *(one.call for one in beside)]
        wanted = self._settings.replicas
        if not wanted:
            answered = self.attempt(partial(run, self.client, calls), deadline=deadline)
            return self._replies(answered, len(commits), beside)
        # The answer to WAIT has to come before the connection counts as silent.
        wait = Wait(wanted, self._settings.answer_timeout / 2)
        command = partial(run, self.client, calls, wait=wait)
        # Sent again as a whole: another connection knows nothing of what this one wrote.
        *answers, reached = self.attempt(command, deadline=deadline)
        replies = self._replies(answers, len(commits), beside)
        return [confirmed(reply, wanted, reached) for reply in replies]

    def _replies(
        self, answers: Sequence[Any], commits: int, beside: Sequence[Beside]
    ) -> list[CommitReply]:
        for one, answer in zip(beside, answers[commits:], strict=True):
            one.sent = True
            one.refused = refusal(answer) if isinstance(answer, Exception) else ""
        return list(map(commit_reply, answers[:commits]))

    def update_summary(
        self,
        regions: Sequence[str],
        summarise: Callable[[Mapping[str, LatestRead], bytes | None], Summary | None],
    ) -> None:
        """Stores the summary that `summarise` makes of the latest snapshots of `regions` and of
        the stored summary, with its seed-meta: both or neither. A stored summary that stands
        lives as long as its new seed-meta. None changes nothing.

        `summarise` is called again when a region was written or confirmed meanwhile, so that an
        older view never replaces a newer one. Raises `StoreError` when the server is unavailable,
        or after the region deadline.
        """

        keys = self.keys
        latest: Mapping[str, LatestRead] = {}

        def update(pipeline: Pipeline) -> None:
            nonlocal latest
            # Of thousands of regions, other runs have always written some meanwhile.
            latest = self.read(regions, inputs=False, before=latest).latest
            # MGET, unlike GET, treats a key of another type as absent; SET replaces it.
            [stored] = self.attempt(partial(self.client.execute_command, "MGET", keys.summary))
            summary = summarise(latest, stored)
            pipeline.multi()
            if summary:
                if summary.summary is None:
                    pipeline.expire(keys.summary, SUMMARY_EXPIRY)
                else:
                    pipeline.set(keys.summary, encode(summary.summary), ex=SUMMARY_EXPIRY)
                pipeline.set(keys.summary_seed_meta, encode(summary.seed_meta), ex=SUMMARY_EXPIRY)

        self.transaction(update, self._pointers(regions))

    def transaction(self, update: Callable[[Pipeline], None], watched: Sequence[str]) -> None:
        """What `update` queues after its `multi()`, as one transaction. `update` is called again
        when a key of `watched` changed meanwhile. Raises `StoreError` when the server is
        unavailable, or after the region deadline."""
        deadline = time.monotonic() + self.region_deadline

        def within_deadline(pipeline: Pipeline) -> None:
            # redis-py mistakes a connection lost during WATCH for a change of the watched keys,
            # and starts over without end.
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the summary was not stored within {self.region_deadline:g} s: other runs "
                    f"kept writing, or Redis at {self.server} closes or forgets the "
                    "connection each time; run it again"
                )
            update(pipeline)

        attempt = partial(
            self.client.transaction, within_deadline, *watched, watch_delay=_WATCH_DELAY
        )
        self.attempt(attempt, deadline=deadline)

    def verify(self, regions: Iterable[str], now: int) -> dict[str, list[str]]:
        """Region id → inconsistencies of its stored data (see `verification`)."""
        from regional_assets.store.verification import verify

        return self.attempt(partial(verify, self.client, self.keys, self.model, regions, now))

    def verify_summary(self) -> list[str]:
        """What is wrong with the stored summary (see `verification`)."""
        from regional_assets.store.verification import verify_summary

        return self.attempt(partial(verify_summary, self.client, self.keys))

    def write_inputs(self, values: Mapping[str, bytes]) -> None:
        """Stores input values, by the catalogue's key: all or none, except in a cluster. Raises
        `StoreError`."""
        named = {name: values[key] for key, name in self._input_names(values).items()}
        self.attempt(partial(self.server.write, named))

    def _input_names(self, catalogued: Iterable[str]) -> dict[str, str]:
        return {key: self.keys.input(key) for key in catalogued}

    def _pointers(self, regions: Iterable[str]) -> list[str]:
        return [
            key
            for region in regions
            for key in (self.keys.latest(region), self.keys.confirmed(region))
        ]

    def _meet(self, identity: bytes | None, commits: Any) -> None:
        if self._unmet:
            compare = partial(meet, self.client, self.keys, identity, commits, self._unmet)
            self.went_back = self._attempt(compare)
            # Only now: another store stays closed.
            self._unmet = None

    def attempt(self, command: Callable[[], T], **limits: Any) -> T:
        """As `client.attempt`, once it is known which store this is."""
        if self._unmet:
            names = [self.keys.identity], [self.keys.commits]
            identity, commits = self._attempt(partial(run, self.client, [], names))
            if isinstance(identity, Exception):
                raise self.unavailable(identity)
            self._meet(identity[0], commits)
        return self._attempt(command, **limits)

    def _attempt(self, command: Callable[[], T], **limits: Any) -> T:
        with project_errors():
            return attempt(self.server, patience(self._settings), command, **limits)

    def unavailable(self, error: Exception) -> StoreError:
        """The error of a server that answered with `error`."""
        return StoreError(str(unavailable(self.server, error, self.region_deadline)))


def _commit_call(keys: Keys, snapshot: "Snapshot", force: bool, expiry: int) -> Call | Refused:
    # One snapshot that cannot be encoded does not keep the others from being committed.
    try:
        return commit_call(keys, snapshot, force, expiry)
    except (TypeError, ValueError, RecursionError) as error:
        return Refused(f"the snapshot has no JSON: {one_line(error)}")


def _observed(key: str, found: Any) -> ObservationsRead:
    if len(found) == 1:
        return ObservationsRead(error=as_text(found[0]))
    try:
        return ObservationsRead(observations(found[1]))
    except ValueError:
        return ObservationsRead(error=f"{key} holds something else than observations; delete it")


def _get_each(client: redis.Redis, names: Iterable[str]) -> list[Any]:
    # MGET takes a key of another type for an absent one.
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.get(name)
        return pipeline.execute(raise_on_error=False)
