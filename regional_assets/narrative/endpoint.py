"""One provider: how it is asked, how often, and what the questions of a run have learnt about
it."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

import anyio
import httpx2
import msgspec

from regional_assets.narrative.answer import AnswerError, Reader
from regional_assets.narrative.completion import (
    decoded,
    ended_early,
    model_of,
    quota_is_used_up,
    text_of,
    tokens_of,
)
from regional_assets.narrative.prompt import Prompt
from regional_assets.narrative.settings import Provider, variable

T = TypeVar("T")

_RANDOM = random.SystemRandom()

# How often a question is put to a provider that has hiccups.
_TRIES = 3
# Seconds; a pause beyond any budget.
_LONGEST = 999_999_999.0
# Bytes of a body, after decompression: the longest answer that is read, as escaped JSON.
MAX_BODY = 2_000_000
# Questions that have a connection at once; those of more regions wait for one.
_CONNECTIONS = 1_000

# Sent unless a provider's options say otherwise, or it refuses them. There is no limit of tokens
# among them, because models that think spend it before they answer.
_DEFAULTS: Mapping[str, Any] = {"response_format": {"type": "json_object"}, "temperature": 0.3}
# The request is not understood, or is too large: the question, or what comes with it.
_NOT_UNDERSTOOD = (400, 413, 422)
_HICCUPS = (408, 429)
_ADVICE = {
    400: ("MODEL", "OPTIONS"),
    401: ("API_KEY",),
    403: ("API_KEY",),
    404: ("BASE_URL", "MODEL"),
    422: ("MODEL", "OPTIONS"),
}
# A shorter key is a word, such as `ollama`, and no secret.
_SECRET = 12


class NoAnswerError(Exception):
    """A provider gave no valid answer; the message says why, and holds neither a key nor anything
    of an answer."""


class _RefusalError(NoAnswerError):
    """The provider refuses, whatever it is asked."""


class _HiccupError(Exception):
    """The provider may answer the same question a little later, not before `pause` seconds if it
    names a time. It is `busy` when that applies to every question."""

    def __init__(self, words: str, *, pause: float | None = None, busy: bool = False) -> None:
        super().__init__(words)
        self.pause = pause
        self.busy = busy or pause is not None


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """A valid answer, the model that gave it, and what was cut of it."""

    value: T
    model: str
    cut: tuple[str, ...]


class Spent(msgspec.Struct):
    """What a question cost so far, at all providers."""

    tokens_in: int = 0
    tokens_out: int = 0
    tries: int = 0


class Endpoint:
    """A provider, for all questions of one run; of one event loop."""

    def __init__(self, provider: Provider) -> None:
        self.name = provider.name
        # Why it is not asked again; "" while it may be.
        self.refusal = ""
        # When it may be asked again (monotonic), as it said itself.
        self.free_at = 0.0
        self._provider = provider
        # Those that it is not known to refuse.
        self._defaults = {k: v for k, v in _DEFAULTS.items() if k not in provider.options}
        self._asked = False
        self._heard = asyncio.Event()

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        """The HTTP client, opened when it is first asked for. Raises `_RefusalError`."""
        # At lower levels they log what servers say, which may quote the key.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        key = self._provider.api_key
        try:
            return httpx2.AsyncClient(
                base_url=self._provider.base_url,
                headers={"Authorization": f"Bearer {key}"} if key else None,
                # The caller limits the whole exchange: other timeouts start anew with every byte.
                timeout=httpx2.Timeout(None, connect=self._provider.connect),
                limits=httpx2.Limits(max_connections=_CONNECTIONS),
                # A redirect would take the key and the prompt to a server that nobody configured.
                follow_redirects=False,
            )
        # Addresses have rules of their own; its words may quote one, with its password.
        except Exception as error:
            raise _RefusalError(
                f"its client does not start ({type(error).__name__}): check "
                f"{variable(self.name, 'BASE_URL')} and the variables of proxies (HTTP_PROXY, "
                "HTTPS_PROXY, ALL_PROXY)"
            ) from None

    async def close(self) -> None:
        """Closes the connections, if there are any."""
        if "_client" in vars(self):
            # The exchange is over, so an error while closing changes nothing.
            with suppress(Exception):
                await self._client.aclose()

    async def ask(self, prompt: Prompt, read: Reader[T], ends: float, spent: Spent) -> Answer[T]:
        """A valid answer; raises `NoAnswerError`. No pause reaches beyond `ends` (monotonic)."""
        if self._asked:
            with anyio.move_on_after(self._provider.head_start):
                await self._heard.wait()
        self._asked = True
        try:
            return await self._ask(prompt, read, ends, spent)
        except _RefusalError as error:
            self.refusal = str(error)
            raise
        finally:
            self._heard.set()

    async def _ask(self, prompt: Prompt, read: Reader[T], ends: float, spent: Spent) -> Answer[T]:
        tries = 0
        while True:
            while not self.refusal and (pause := self.free_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if self.refusal:
                raise NoAnswerError(self.refusal)
            tries += 1
            try:
                return await self._exchange(prompt, read, spent)
            except _HiccupError as hiccup:
                # Jitter: questions that failed together do not come back together.
                backoff = _RANDOM.uniform(0.5, 1) * self._provider.backoff * 2 ** (tries - 1)
                again_at = time.monotonic() + max(hiccup.pause or 0.0, backoff)
                if tries == _TRIES or again_at >= ends:
                    kind = _RefusalError if hiccup.busy else NoAnswerError
                    raise kind(str(hiccup)) from None
                if hiccup.busy:
                    self.free_at = max(self.free_at, again_at)
                else:
                    await asyncio.sleep(again_at - time.monotonic())

    async def _exchange(self, prompt: Prompt, read: Reader[T], spent: Spent) -> Answer[T]:
        """One answer, asked for anew without the defaults that the provider refuses. Raises
        `_HiccupError` and `NoAnswerError`."""
        client = self._client
        while True:
            defaults = dict(self._defaults)
            spent.tries += 1
            try:
                response, body = await self._post(client, prompt, defaults)
                if response.is_success:
                    completion = decoded(body)
                    tokens_in, tokens_out = tokens_of(completion)
                    spent.tokens_in += tokens_in
                    spent.tokens_out += tokens_out
                    return self._answer(completion, read)
            except httpx2.TimeoutException:
                # Only a connection has a limit of its own; it leaves no time to try again.
                raise NoAnswerError(self._unreachable()) from None
            except httpx2.ConnectError:
                raise _HiccupError(self._unreachable()) from None
            except httpx2.TransportError:
                raise _HiccupError("the connection broke") from None
            except httpx2.DecodingError:
                raise NoAnswerError("its answer cannot be decompressed") from None
            except AnswerError as error:
                raise NoAnswerError(f"its answer is not valid: {error}") from None
            except NoAnswerError:
                raise
            # Whatever else a server can make the client do: its words may quote the answer.
            except Exception as error:
                raise NoAnswerError(f"its answer is not valid ({type(error).__name__})") from None
            if response.status_code not in _NOT_UNDERSTOOD or not defaults:
                raise self._trouble(response, body)
            # A charset of the server's is the name of a codec of Python's, and some decompress.
            said = body.decode("utf-8", "replace")
            named = [d for d in defaults if re.search(rf"\b{d}\b", said)]
            for default in named or defaults:
                self._defaults.pop(default, None)

    async def _post(
        self, client: httpx2.AsyncClient, prompt: Prompt, defaults: Mapping[str, Any]
    ) -> tuple[httpx2.Response, bytes]:
        """The head of the answer and its body, of which no more is taken than any valid one has."""
        options = {**defaults, **self._provider.options}
        question = {
            "model": self._provider.model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            **{name: value for name, value in options.items() if value is not None},
        }
        async with client.stream("POST", "chat/completions", json=question) as response:
            # Layers multiply: a few kilobytes could keep the decompression busy for hours.
            if "," in response.headers.get("Content-Encoding", ""):
                raise httpx2.DecodingError("more than one layer of compression")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BODY:
                    raise NoAnswerError(f"its answer is longer than {MAX_BODY} bytes")
            return response, bytes(body)

    def _answer(self, completion: dict[str, Any], read: Reader[T]) -> Answer[T]:
        early = ended_early(completion)
        try:
            taken = read(text_of(completion))
        except AnswerError as error:
            raise AnswerError("; ".join([str(error), *early])) from None
        model = model_of(completion) or self._provider.model
        key = self._provider.api_key
        if len(key) >= _SECRET and key in f"{taken.value!r} {model}":
            raise AnswerError("it quotes the key that it was asked with")
        return Answer(taken.value, model, (*taken.cut, *early))

    def _trouble(self, response: httpx2.Response, body: bytes) -> Exception:
        """The error that an HTTP status stands for."""
        status = response.status_code
        words = f"HTTP {status}"
        if status == 429 and quota_is_used_up(body):
            return _RefusalError(f"{words}: its quota is used up")
        if status >= 500 or status in _HICCUPS:
            pause = retry_after(response.headers)
            if pause is not None:
                words += f", to be tried again in {round(pause, 1):.9g} s"
            elif status == 429:
                words += ", without saying when to try again"
            return _HiccupError(words, pause=pause, busy=status == 429)
        if status < 400:
            words += ", a redirect, which is not followed"
        advice = ("BASE_URL",) if status < 400 else _ADVICE.get(status, ())
        if names := [variable(self.name, what) for what in advice]:
            words += f": check {' and '.join(names)}"
        # What is not understood may be this question alone.
        return NoAnswerError(words) if status in _NOT_UNDERSTOOD else _RefusalError(words)

    def _unreachable(self) -> str:
        return f"cannot be reached (see {variable(self.name, 'BASE_URL')})"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by retry-after-ms (milliseconds) or Retry-After (seconds or a date); None
    when neither says anything."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return min(float(text) * unit, _LONGEST)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # It is GMT also where it does not say so.
    return max(0.0, at.replace(tzinfo=at.tzinfo or UTC).timestamp() - time.time())
