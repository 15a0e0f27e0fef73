"""The HTTP client that the providers are asked with: it follows no redirect, and takes no more of
an answer than any valid one has."""

import logging
from collections.abc import AsyncIterator

from httpx2 import AsyncByteStream, AsyncClient, DecodingError, Response
from openai import DefaultAsyncHttpxClient

# Bytes of a body, after decompression: the longest answer that is read, as escaped JSON.
MAX_BODY = 2_000_000


class TooLongError(Exception):
    """A body has more than `MAX_BODY` bytes."""


def bounded_client() -> AsyncClient:
    """A client that raises `TooLongError` while a body that is too long arrives, and
    `DecodingError` for one that is compressed more than once."""
    # At lower levels they log what servers say, which may quote the key.
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A redirect would take the key and the prompt to a server that nobody configured.
    return DefaultAsyncHttpxClient(follow_redirects=False, event_hooks={"response": [_bound]})


async def _bound(response: Response) -> None:
    """Puts the limit between a response whose body has not yet arrived and its reader."""
    # Layers multiply: a few kilobytes could keep the decompression busy for hours.
    if "," in response.headers.get("Content-Encoding", ""):
        raise DecodingError("more than one layer of compression")
    # Decompression is the library's, which does it in small pieces, so it is done here, and the
    # reader of `response` has none to do.
    arriving = Response(response.status_code, headers=response.headers, stream=response.stream)
    response.headers.pop("Content-Encoding", None)
    # Charsets are names of Python's codecs, some of which decompress.
    response.encoding = "utf-8"
    response.stream = _Bounded(arriving)


class _Bounded(AsyncByteStream):
    def __init__(self, arriving: Response) -> None:
        self._arriving = arriving

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._arriving.aiter_bytes():
            size += len(piece)
            if size > MAX_BODY:
                raise TooLongError
            yield piece

    async def aclose(self) -> None:
        await self._arriving.aclose()
