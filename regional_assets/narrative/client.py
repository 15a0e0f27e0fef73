"""Asks language models (SPEC 8): one provider, how often, and what the questions of a run have
learnt about it; and all of them in order, within a budget."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Self, TypeVar

import anyio
import httpx2

from regional_assets.narrative.answer import AnswerError, Completion, Reader
from regional_assets.narrative.prompt import Prompt
from regional_assets.narrative.reply import Reply
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
_ADVICE = {
    **dict.fromkeys((400, 422), ("MODEL", "OPTIONS")),
    **dict.fromkeys((401, 403), ("API_KEY",)),
    404: ("BASE_URL", "MODEL"),
}
_UNREACHABLE = "cannot be reached (see {variable})"
# The first that an error is of → what it means, and whether that may pass.
_FAILURES: tuple[tuple[type[Exception], str, bool], ...] = (
    # A connection has a limit of its own, which leaves no time to try again.
    (httpx2.TimeoutException, _UNREACHABLE, False),
    (httpx2.ConnectError, _UNREACHABLE, True),
    (httpx2.TransportError, "the connection broke", True),
    (httpx2.DecodingError, "its answer cannot be decompressed", False),
    (AnswerError, "its answer is not valid: {error}", False),
    # Whatever else a server can make the client do: its words may quote the answer.
    (Exception, "its answer is not valid ({kind})", False),
)
# The share of the budget that is kept for each provider behind the one that is asked: 8 of 45 s,
# in which a fast one can answer.
_RESERVE = 8 / 45
# Names that are looked up at once: those of four providers for all regions.
_LOOKUPS = 32
# A shorter key is a word, such as `ollama`, and no secret.
_SECRET = 12


@dataclass(eq=False)
class NoAnswerError(Exception):
    """A provider gave no valid answer; the message says why, and holds neither a key nor anything
    of an answer. `general` where that applies to every question; `passing` where it may answer a
    little later, not before `pause` seconds if it names a time."""

    words: str
    general: bool = False
    passing: bool = False
    pause: float = 0.0


class Endpoint:
    """A provider, for all questions of one run; of one event loop."""

    def __init__(self, provider: Provider) -> None:
        self.name = provider.name
        self._provider = provider
        # Why it is not asked again; "" while it may be, then from when on (monotonic).
        self.refusal = ""
        self.free_at = 0.0
        # Those that it is not known to refuse.
        self._defaults = {k: v for k, v in _DEFAULTS.items() if k not in provider.options}
        self._asked = False
        self._heard = asyncio.Event()

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        """The HTTP client, opened when it is first asked for. Raises `NoAnswerError`."""
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
            raise NoAnswerError(
                f"its client does not start ({type(error).__name__}): check "
                f"{variable(self.name, 'BASE_URL')} and the variables of proxies (HTTP_PROXY, "
                "HTTPS_PROXY, ALL_PROXY)",
                general=True,
            ) from None

    async def close(self) -> None:
        if "_client" in vars(self):
            # The exchange is over, so an error while closing changes nothing.
            with suppress(Exception):
                await self._client.aclose()

    async def ask(self, prompt: Prompt, read: Reader[T], ends: float, reply: Reply[T]) -> None:
        """Puts a valid answer into the reply, and what it cost; raises `NoAnswerError`. No pause
        reaches beyond `ends` (monotonic)."""
        if self._asked:
            with anyio.move_on_after(self._provider.head_start):
                await self._heard.wait()
        self._asked = True
        try:
            await self._ask(prompt, read, ends, reply)
        except NoAnswerError as error:
            if error.general:
                self.refusal = str(error)
            raise
        finally:
            self._heard.set()

    async def _ask(self, prompt: Prompt, read: Reader[T], ends: float, reply: Reply[T]) -> None:
        for tries in range(1, _TRIES + 1):
            while not self.refusal and (pause := self.free_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if self.refusal:
                raise NoAnswerError(self.refusal)
            try:
                await self._exchange(prompt, read, reply)
                return
            except NoAnswerError as error:
                # Jitter: questions that failed together do not come back together.
                backoff = _RANDOM.uniform(0.5, 1) * self._provider.backoff * 2 ** (tries - 1)
                again_at = time.monotonic() + max(error.pause, backoff)
                if not error.passing or tries == _TRIES or again_at >= ends:
                    raise
                if error.general:
                    self.free_at = max(self.free_at, again_at)
                else:
                    await asyncio.sleep(again_at - time.monotonic())

    async def _exchange(self, prompt: Prompt, read: Reader[T], reply: Reply[T]) -> None:
        """One answer, asked for anew without the defaults that the provider refuses."""
        client = self._client
        while True:
            defaults = dict(self._defaults)
            reply.tries += 1
            try:
                response, body = await self._post(client, prompt, defaults)
                if response.is_success:
                    self._take(body, prompt, read, reply)
                    return
            except NoAnswerError:
                raise
            except Exception as error:
                words, passing = next((w, p) for kind, w, p in _FAILURES if isinstance(error, kind))
                where, kind = variable(self.name, "BASE_URL"), type(error).__name__
                words = words.format(variable=where, kind=kind, error=error)
                raise NoAnswerError(words, passing=passing) from None
            if response.status_code not in _NOT_UNDERSTOOD or not defaults:
                raise self._trouble(response, body)
            # A charset of the server's is the name of a codec of Python's, and some decompress.
            said = body.decode("utf-8", "replace")
            for default in [d for d in defaults if re.search(rf"\b{d}\b", said)] or defaults:
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

    def _take(self, body: bytes, prompt: Prompt, read: Reader[T], reply: Reply[T]) -> None:
        completion = Completion(body)
        reply.tokens_in += completion.tokens("prompt_tokens")
        reply.tokens_out += completion.tokens("completion_tokens")
        early = completion.ended_early()
        try:
            taken = read(completion.text())
        except AnswerError as error:
            raise AnswerError("; ".join([str(error), *early])) from None
        model = completion.model() or self._provider.model
        key = self._provider.api_key
        if len(key) >= _SECRET and key in f"{taken.value!r} {model}":
            raise AnswerError("it quotes the key that it was asked with")
        reply.value, reply.provider, reply.model = taken.value, self.name, model
        reply.cut = (*prompt.cut, *taken.cut, *early)

    def _trouble(self, response: httpx2.Response, body: bytes) -> NoAnswerError:
        status = response.status_code
        words = f"HTTP {status}"
        if status == 429 and re.search(rb'"(code|type)"\s*:\s*"insufficient_quota"', body):
            return NoAnswerError(f"{words}: its quota is used up", general=True)
        if status >= 500 or status in (408, 429):
            pause = retry_after(response.headers)
            if pause is not None:
                words += f", to be tried again in {round(pause, 1):.9g} s"
            elif status == 429:
                words += ", without saying when to try again"
            busy = status == 429 or pause is not None
            return NoAnswerError(words, general=busy, passing=True, pause=pause or 0.0)
        if status < 400:
            words += ", a redirect, which is not followed"
        advice = ("BASE_URL",) if status < 400 else _ADVICE.get(status, ())
        if names := [variable(self.name, what) for what in advice]:
            words += f": check {' and '.join(names)}"
        # What is not understood may be this question alone.
        return NoAnswerError(words, general=status not in _NOT_UNDERSTOOD)


class _Lookups(ThreadPoolExecutor):
    """The threads that look up names. Nothing can end a lookup, so the event loop does not wait
    for them when it closes."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class Client:
    """Asks the providers, in order; an async context manager, of one event loop."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._endpoints = [Endpoint(provider) for provider in providers]

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_default_executor(_Lookups(_LOOKUPS))
        return self

    async def __aexit__(self, *_: object) -> None:
        for endpoint in self._endpoints:
            await endpoint.close()

    async def ask(self, prompt: Prompt, read: Reader[T], budget: float) -> Reply[T]:
        """The first answer that `read` accepts, within `budget` seconds in all; never raises. A
        provider may use what is left, less a reserve for those behind it that have not refused."""
        started = time.monotonic()
        reply: Reply[T] = Reply()
        problems: list[str] = []
        for position, endpoint in enumerate(self._endpoints):
            left = started + budget - time.monotonic()
            behind = sum(not other.refusal for other in self._endpoints[position + 1 :])
            share = max(left - behind * _RESERVE * budget, left / (behind + 1))
            try:
                # The whole exchange, pauses included. asyncio's own timeouts cancel once, which
                # code that waits can swallow; this one repeats it until the exchange has ended.
                with anyio.fail_after(share):
                    await endpoint.ask(prompt, read, time.monotonic() + share, reply)
                break
            except TimeoutError:
                problems.append(f"{endpoint.name}: no answer within {share:.3g} s")
            except NoAnswerError as error:
                problems.append(f"{endpoint.name}: {error}")
        else:
            reply.problem = "; ".join(problems)
        reply.milliseconds = (time.monotonic() - started) * 1000
        return reply


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
