"""Asks the language models in order, within a budget (SPEC 8)."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import anyio

from regional_assets.narrative.answer import Reader
from regional_assets.narrative.endpoint import Answer, Endpoint, NoAnswerError, Spent
from regional_assets.narrative.prompt import Prompt
from regional_assets.narrative.reply import Reply
from regional_assets.narrative.settings import Provider

T = TypeVar("T")

# The share of the budget that is kept for each provider behind the one that is asked: 8 of 45 s,
# in which a fast one can answer.
_RESERVE = 8 / 45


# Names that are looked up at once: those of four providers for all regions.
_LOOKUPS = 32


class _Lookups(ThreadPoolExecutor):
    """The threads that look up names. Nothing can end a lookup, so the event loop does not wait
    for them when it closes."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class Client:
    """Asks the providers, in order; an async context manager, of one event loop. What one question
    teaches about a provider, the others know."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._endpoints = [Endpoint(provider) for provider in providers]

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().set_default_executor(_Lookups(_LOOKUPS))
        return self

    async def __aexit__(self, *_: object) -> None:
        for endpoint in self._endpoints:
            await endpoint.close()

    async def ask(self, prompt: Prompt, read: Reader[T], budget: float) -> Reply[T]:
        """The first answer that `read` accepts, within `budget` seconds in all; never raises.

        A provider may use what is left, less a reserve for those behind it that have not refused.
        """
        started = time.monotonic()
        spent = Spent()
        answer: Answer[T] | None = None
        problems: list[str] = []
        for position, endpoint in enumerate(self._endpoints):
            left = started + budget - time.monotonic()
            behind = sum(not other.refusal for other in self._endpoints[position + 1 :])
            share = max(left - behind * _RESERVE * budget, left / (behind + 1))
            try:
                # The whole exchange, pauses included. asyncio's own timeouts cancel once, which
                # code that waits can swallow; this one repeats it until the exchange has ended.
                with anyio.fail_after(share):
                    ends = time.monotonic() + share
                    answer = await endpoint.ask(prompt, read, ends, spent)
                break
            except TimeoutError:
                problems.append(f"{endpoint.name}: no answer within {share:.3g} s")
            except NoAnswerError as error:
                problems.append(f"{endpoint.name}: {error}")
        return Reply(
            value=answer.value if answer else None,
            provider=endpoint.name if answer else "",
            model=answer.model if answer else "",
            tokens_in=spent.tokens_in,
            tokens_out=spent.tokens_out,
            tries=spent.tries,
            milliseconds=(time.monotonic() - started) * 1000,
            cut=(*prompt.cut, *answer.cut) if answer else (),
            problem="" if answer else "; ".join(problems),
        )
