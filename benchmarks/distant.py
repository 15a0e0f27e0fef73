"""A server that is far away: a proxy in a process of its own, which keeps back what passes for
half a round trip in each direction, and counts."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import cast

ROUND_TRIP = 0.1

_FIELDS = ("connections", "requests", "sent", "received", "first", "last")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What passed: new connections; times that a client sent after it had waited for a reply;
    bytes to and from the server; seconds from the first connection or byte to the last reply."""

    connections: int
    requests: int
    sent: int
    received: int
    seconds: float

    @property
    def round_trips(self) -> int:
        """Those that a client waited for, over all connections; opening one is one, too."""
        return self.connections + self.requests


class Distant:
    """The server at `target`, a Unix socket, as seen from `ROUND_TRIP` away."""

    def __init__(self, path: Path, counts: MutableSequence[float]) -> None:
        self.url = f"unix://{path}"
        self._counts = counts

    def reset(self) -> None:
        """Counts from here on."""
        self._counts[:] = [0.0] * len(_FIELDS)

    @property
    def traffic(self) -> Traffic:
        """What passed since the last reset."""
        found = dict(zip(_FIELDS, self._counts, strict=True))
        first, last = found.pop("first"), found.pop("last")
        return Traffic(seconds=last - first, **{name: int(n) for name, n in found.items()})


@contextmanager
def distant(path: Path, target: Path) -> Iterator[Distant]:
    """A proxy at the Unix socket `path`."""
    # Spawned: a process of its own takes no time from the one that is measured.
    context = multiprocessing.get_context("spawn")
    counts = cast(MutableSequence[float], context.Array("d", len(_FIELDS), lock=False))
    ready = context.Event()
    process = context.Process(target=_serve, args=(str(path), str(target), counts, ready))
    process.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the proxy does not start")
        yield Distant(path, counts)
    finally:
        process.terminate()
        process.join()


def _serve(path: str, target: str, counts: MutableSequence[float], ready: Event) -> None:
    asyncio.run(_Proxy(target, counts).serve(path, ready))


class _Proxy:
    def __init__(self, target: str, counts: MutableSequence[float]) -> None:
        self._target = target
        self._counts = counts

    async def serve(self, path: str, ready: Event) -> None:
        server = await asyncio.start_unix_server(self._connected, path)
        ready.set()
        await server.serve_forever()

    async def _connected(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        self._count("connections", 1)
        self._begin()
        # The local socket opens at once; over the net it would take a round trip.
        opened = time.monotonic() + ROUND_TRIP
        server, to_server = await asyncio.open_unix_connection(self._target)
        waits = True

        def asked(data: bytes) -> None:
            nonlocal waits
            self._begin()
            self._count("sent", len(data))
            self._count("requests", waits)
            waits = False

        def answered(data: bytes) -> None:
            nonlocal waits
            self._count("received", len(data))
            waits = True
            self._counts[_FIELDS.index("last")] = time.monotonic()

        await asyncio.gather(
            _carry(client, to_server, opened, on_entry=asked),
            _carry(server, to_client, opened, on_exit=answered),
        )

    def _count(self, name: str, more: float) -> None:
        self._counts[_FIELDS.index(name)] += more

    def _begin(self) -> None:
        first = _FIELDS.index("first")
        self._counts[first] = self._counts[first] or time.monotonic()


async def _carry(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    opened: float,
    on_entry: Callable[[bytes], None] = lambda _: None,
    on_exit: Callable[[bytes], None] = lambda _: None,
) -> None:
    """Hands on each piece half a round trip after it came, in order; many can be on their way."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - time.monotonic())
            if not data:
                sink.close()
                return
            sink.write(data)
            on_exit(data)
            await sink.drain()

    delivery = asyncio.create_task(deliver())
    data = b"to begin with"
    while data:
        try:
            data = await source.read(1 << 20)
        except OSError:
            data = b""
        if data:
            on_entry(data)
        under_way.put_nowait((max(time.monotonic(), opened) + ROUND_TRIP / 2, data))
    with suppress(OSError):
        await delivery
