"""A proxy between client and server on Unix sockets, which loses, cuts or freezes on demand."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stop:
    """Where a connection stops: once `after` more bytes of the replies (or of the requests) have
    passed, with the next one. It is cut there or, `frozen`, stays open and carries nothing any
    more. Later connections are sound again or, `always`, each stops after as many bytes. What does
    not contain `at` passes and is not counted."""

    after: int
    in_replies: bool = True
    frozen: bool = False
    always: bool = False
    at: bytes = b""
    passed: int = 0
    reached: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Forwards to `target`; counts connections, and the bytes it forwards.

    While `lose_replies` is above zero, the connection that next carries a reply is closed instead,
    with the reply thrown away.
    """

    def __init__(self, path: Path, target: str) -> None:
        self.url = f"unix://{path}"
        self.lose_replies = 0
        self.stop: Stop | None = None
        self.connections = 0
        self.request_bytes = 0
        self.reply_bytes = 0
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.stop and self.stop.always:
                self.stop.passed = 0
            self._clients.append(client)
            thread = threading.Thread(target=self._carry, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        """One connection, until either end closes it or it is stopped."""
        server = socket.socket(socket.AF_UNIX)
        frozen = False
        with client, server, selectors.DefaultSelector() as readable, suppress(OSError):
            server.connect(self._target)
            for end in (client, server):
                readable.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in readable.select():
                    is_reply = key.fileobj is server
                    data = (server if is_reply else client).recv(1 << 16)
                    if not data:
                        return
                    if is_reply and self.lose_replies:
                        self.lose_replies -= 1
                        return
                    if frozen:
                        continue
                    stop = self._forward(data, client if is_reply else server, is_reply)
                    if stop and not stop.frozen:
                        return
                    frozen = stop is not None

    def _forward(self, data: bytes, sink: socket.socket, is_reply: bool) -> Stop | None:
        """Forwards `data` as far as it may pass; the stop if one is reached."""
        stop = self.stop
        reached = False
        if stop and stop.in_replies == is_reply and stop.at in data:
            left = stop.after - stop.passed
            reached = len(data) > left
            data = data[:left]
            stop.passed += len(data)
        # Counted before whoever waits for it can look.
        if is_reply:
            self.reply_bytes += len(data)
        else:
            self.request_bytes += len(data)
        sink.sendall(data)
        if not stop or not reached:
            return None
        if not stop.always:
            self.stop = None
        stop.reached.set()
        return stop

    def close(self) -> None:
        # The threads notice, and close what is theirs.
        for end in (self._listener, *self._clients):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()


@contextmanager
def proxy(folder: Path, server_url: str) -> Iterator[Proxy]:
    running = Proxy(folder / "proxy.sock", server_url.removeprefix("unix://"))
    try:
        yield running
    finally:
        running.close()
