"""A proxy between client and server on Unix sockets, which loses replies on demand."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Proxy:
    """Forwards to `target`; counts connections and, per connection, what it forwards.

    While `lose_replies` is above zero, the connection that next carries a reply is closed instead,
    with the reply thrown away.
    """

    def __init__(self, path: Path, target: str) -> None:
        self.url = f"unix://{path}"
        self.lose_replies = 0
        self.connections = 0
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._sockets: list[socket.socket] = [self._listener]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._sockets += [client, server]
            for source, sink, is_reply in ((client, server, False), (server, client, True)):
                thread = threading.Thread(
                    target=self._forward, args=(source, sink, is_reply), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_reply: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if is_reply and self.lose_replies:
                    self.lose_replies -= 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


@contextmanager
def proxy(folder: Path, server_url: str) -> Iterator[Proxy]:
    running = Proxy(folder / "proxy.sock", server_url.removeprefix("unix://"))
    try:
        yield running
    finally:
        running.close()
