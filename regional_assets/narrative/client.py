"""The edge to the language models: the `openai` client against any compatible endpoint.

`openai` is imported, and there is a thread with a loop, only while something is asked.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from regional_assets.narrative.answer import AnswerError
from regional_assets.narrative.prompt import Prompt
from regional_assets.narrative.settings import Provider, variable

if TYPE_CHECKING:
    from openai import AsyncOpenAI, Omit

T = TypeVar("T")

# How often one provider is asked when it says when to come back.
_ATTEMPTS = 3
_TRY_LATER = (429, 503)
_ADVICE = {401: ["API_KEY"], 403: ["API_KEY"], 404: ["BASE_URL", "MODEL"]}


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """What came of a question: `value` is None when no provider gave a valid answer, and then
    `problem` says why, in words that hold neither a key nor anything of an answer.

    Tokens are those of all attempts, invalid answers included; `milliseconds` is the time from
    asking to the reply.
    """

    value: T | None = None
    provider: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    milliseconds: float = 0.0
    problem: str = ""


class _NoAnswer(Exception):
    """A provider gave no valid answer; the message says why."""


@dataclass(slots=True)
class _Usage:
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, completion: Any) -> None:
        """Counts what a completion says it cost; not every server says it."""
        usage = getattr(completion, "usage", None)
        self.tokens_in += _count(getattr(usage, "prompt_tokens", None))
        self.tokens_out += _count(getattr(usage, "completion_tokens", None))


class Client:
    """Asks the providers, in order; an async context manager, of one event loop."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers
        self._clients: dict[str, AsyncOpenAI] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            # All has been said; a connection that does not close well changes nothing.
            with suppress(Exception):
                await client.close()

    async def ask(self, prompt: Prompt, read: Callable[[str], T], budget: float) -> Reply[T]:
        """The first answer that `read` accepts (it raises `AnswerError` for one that it does not),
        within `budget` seconds in all; never raises.

        A provider gets at most its share of what is left, so that the next has time, too.
        """
        started = time.monotonic()
        usage = _Usage()
        problems: list[str] = []
        for position, provider in enumerate(self._providers):
            left = budget - (time.monotonic() - started)
            share = left / (len(self._providers) - position)
            try:
                # The whole exchange: the client's own timeouts start anew with every byte.
                async with asyncio.timeout(share):
                    value = await self._ask(provider, prompt, read, share, usage)
            except TimeoutError:
                problems.append(f"{provider.name}: no answer within {share:.3g} s")
            except _NoAnswer as error:
                problems.append(f"{provider.name}: {error}")
            else:
                return _reply(started, usage, value=value, provider=provider)
        return _reply(started, usage, problem="; ".join(problems))

    async def _ask(
        self,
        provider: Provider,
        prompt: Prompt,
        read: Callable[[str], T],
        share: float,
        usage: _Usage,
    ) -> T:
        """One provider's answer; raises `_NoAnswer`, or TimeoutError when its share is over."""
        import openai

        ends = time.monotonic() + share
        attempt = 0
        while True:
            attempt += 1
            try:
                # No limit of tokens, temperature or format of the answer: what one server takes
                # for them another refuses. What comes back is checked here.
                completion = await self._client(provider).chat.completions.create(
                    model=provider.model,
                    messages=[
                        {"role": "system", "content": prompt.system},
                        {"role": "user", "content": prompt.user},
                    ],
                    extra_headers=_headers(provider),
                    timeout=share,
                )
                usage.add(completion)
                return read(_content(completion))
            except openai.APIStatusError as error:
                if error.status_code not in _TRY_LATER:
                    raise _NoAnswer(_refusal(provider, error.status_code)) from None
                pause = retry_after(error.response.headers)
                if pause is None or attempt == _ATTEMPTS or time.monotonic() + pause >= ends:
                    raise _NoAnswer(_busy(error.status_code, pause)) from None
                await asyncio.sleep(pause)
            except openai.APITimeoutError:
                raise TimeoutError from None
            except openai.APIConnectionError:
                raise _NoAnswer(
                    f"cannot be reached (see {variable(provider.name, 'BASE_URL')})"
                ) from None
            except AnswerError as error:
                raise _NoAnswer(f"its answer is not valid: {error}") from None
            # Whatever else a server can make the client do: its words may quote the answer.
            except Exception as error:
                raise _NoAnswer(f"its answer is not valid ({type(error).__name__})") from None

    def _client(self, provider: Provider) -> "AsyncOpenAI":
        """The provider's client, opened when it is first asked."""
        from openai import AsyncOpenAI

        if provider.name not in self._clients:
            self._clients[provider.name] = AsyncOpenAI(
                base_url=provider.base_url,
                # It insists on one; what is sent is in `_headers`.
                api_key="none",
                max_retries=0,
            )
        return self._clients[provider.name]


def _headers(provider: Provider) -> "dict[str, str | Omit]":
    """Who asks. What is left out here, the client takes from OPENAI_… variables, and would send
    to whatever server this is."""
    from openai import Omit

    return {
        "Authorization": f"Bearer {provider.api_key}" if provider.api_key else Omit(),
        "OpenAI-Organization": Omit(),
        "OpenAI-Project": Omit(),
    }


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or a date); None when it says nothing."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def _reply(
    started: float,
    usage: _Usage,
    *,
    value: T | None = None,
    provider: Provider | None = None,
    problem: str = "",
) -> Reply[T]:
    return Reply(
        value=value,
        provider=provider.name if provider else "",
        model=provider.model if provider else "",
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        milliseconds=(time.monotonic() - started) * 1000,
        problem=problem,
    )


def _content(completion: Any) -> str:
    content = completion.choices[0].message.content
    if not isinstance(content, str):
        raise AnswerError("it has no text")
    return content


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 53 else 0


def _refusal(provider: Provider, status: int) -> str:
    names = [variable(provider.name, what) for what in _ADVICE.get(status, ())]
    return f"HTTP {status}" + (f": check {' and '.join(names)}" if names else "")


def _busy(status: int, pause: float | None) -> str:
    if pause is None:
        return f"HTTP {status}, without saying when to try again"
    return f"HTTP {status}, to be tried again in {pause:.3g} s"
