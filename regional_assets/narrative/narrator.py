"""All regions side by side: one event loop, in one thread that lives as long as the questions."""

import os
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, TypeVar

import msgspec

from regional_assets.errors import NarrativeSettingsError
from regional_assets.narrative.reply import Reply
from regional_assets.narrative.settings import Provider, providers

if TYPE_CHECKING:
    from regional_assets.narrative.answer import Reader
    from regional_assets.narrative.prompt import Prompt

T = TypeVar("T")

# Seconds for a region, all providers and pauses together (SPEC 8).
BUDGET = 45.0
_NOT_INSTALLED = (
    "the client of language models is not installed: pip install 'httpx2>=2.16,<3' "
    "'anyio>=4.10,<5' (the extra `narrative` of regional_assets)"
)


class Narrator(msgspec.Struct, frozen=True):
    """Asks language models, within `budget` seconds for each question. `problem` says why it
    cannot, when it cannot: then every question is answered with that."""

    providers: Sequence[Provider]
    budget: float = BUDGET
    problem: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Narrator | None":
        """The narrator that is configured; None when narratives are off."""
        try:
            configured = providers(environ)
        except NarrativeSettingsError as error:
            return cls((), problem=str(error))
        return cls(configured) if configured else None

    def ask(
        self, questions: "Mapping[str, tuple[Prompt, Reader[T]]]"
    ) -> Generator[dict[str, Reply[T]], None, None]:
        """The replies by region, in batches as they come; each region is in exactly one. Questions
        hold a prompt and what reads (and checks) an answer to it. Never raises. A caller that
        stops early ends the questions that are still open."""
        if not questions:
            return
        problem = self.problem
        # Before any budget starts, as it takes time.
        try:
            import httpx2  # noqa: F401
            from anyio.from_thread import start_blocking_portal

            from regional_assets.narrative.client import Client
        except ImportError:
            problem = problem or _NOT_INSTALLED
        if problem:
            yield {region: Reply(problem=problem) for region in questions}
            return
        with (
            start_blocking_portal(name="narrator") as portal,
            portal.wrap_async_context_manager(Client(self.providers)) as client,
        ):
            asked: dict[Future[Reply[T]], str] = {
                portal.start_task_soon(client.ask, prompt, read, self.budget): region
                for region, (prompt, read) in questions.items()
            }
            while asked:
                done, _ = wait(asked, return_when=FIRST_COMPLETED)
                yield {asked.pop(future): future.result() for future in done}
