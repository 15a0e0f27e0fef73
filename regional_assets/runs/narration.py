"""The narratives of one run: from the cache, else from the language models (SPEC 8)."""

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from regional_assets.errors import StoreError
from regional_assets.intelligence.snapshot import Content
from regional_assets.intelligence.stored import NO_NARRATIVE, Narrative
from regional_assets.intelligence.text import clean
from regional_assets.narrative.answer import Reader, Taken, read_narrative
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import Prompt, narrative_prompt
from regional_assets.narrative.reply import Reply
from regional_assets.store.narrative_cache import read_cache, write_cache
from regional_assets.store.snapshot_store import SnapshotStore

CACHE = "cache"


class Narration(Reply[Narrative]):
    """How a region's narrative came about: the reply of the models, or of the cache. Its `problem`
    may also be one of the prompt or of the cache."""

    @property
    def narrative(self) -> Narrative:
        """The narrative; an empty one when nobody wrote it."""
        return self.value or NO_NARRATIVE

    @property
    def cache_hit(self) -> bool:
        """Whether no model was asked."""
        return self.provider == CACHE


def narrations(
    store: SnapshotStore, narrator: Narrator, contents: Iterable[Content]
) -> Generator[dict[str, Narration], None, None]:
    """The narrations by region, in batches as they come; each region is in exactly one. Regions
    that need no model come first. Never raises: what goes wrong leaves a narrative empty."""
    at_once: dict[str, Narration] = {}
    prompts: dict[str, Prompt] = {}
    for content in contents:
        region = content.region_id
        if not store.model.region(region).narrated:
            at_once[region] = Narration()
            continue
        try:
            prompts[region] = narrative_prompt(content)
        except Exception as error:
            at_once[region] = Narration(problem=f"no prompt: {type(error).__name__}")
    digests = {region: prompt.digest for region, prompt in prompts.items()}
    kept, trouble = _kept(store, prompts, digests)
    at_once |= {
        region: Narration(taken.value, CACHE, model, cut=(*prompts[region].cut, *taken.cut))
        for region, (taken, model) in kept.items()
    }
    if at_once:
        yield at_once
    questions: dict[str, tuple[Prompt, Reader[Narrative]]] = {
        region: (prompt, partial(read_narrative, shown=prompt.evidence_ids))
        for region, prompt in prompts.items()
        if region not in kept
    }
    with closing(narrator.ask(questions)) as batches:
        for replies in batches:
            answered = {region: Narration(**asdict(reply)) for region, reply in replies.items()}
            trouble = _keep(store, digests, answered) or trouble
            yield {
                region: replace(n, problem="; ".join(filter(None, (n.problem, trouble))))
                for region, n in answered.items()
            }


def spent(of: Sequence[Reply[Any]]) -> dict[str, Any]:
    """What narratives or briefs cost together: tokens, requests and the milliseconds that they
    took one by one."""
    return {
        "tokens": {"in": sum(n.tokens_in for n in of), "out": sum(n.tokens_out for n in of)},
        "tries": sum(n.tries for n in of),
        "milliseconds": round(sum(n.milliseconds for n in of), 1),
    }


def _kept(
    store: SnapshotStore, prompts: Mapping[str, Prompt], digests: Mapping[str, str]
) -> tuple[dict[str, tuple[Taken[Narrative], str]], str]:
    """The narratives that the cache holds, each with its model, and what is wrong with it."""
    try:
        values = read_cache(store, digests)
    except StoreError as error:
        return {}, f"the cache cannot be read: {error}"
    found = {region: _decoded(v, prompts[region]) for region, v in values.items()}
    return {region: taken for region, taken in found.items() if taken}, ""


def _keep(
    store: SnapshotStore, digests: Mapping[str, str], answered: Mapping[str, Narration]
) -> str:
    """Puts what models wrote into the cache; returns what went wrong."""
    values = {
        region: {**msgspec.to_builtins(n.narrative), "model": n.model}
        for region, n in answered.items()
        if n.provider
    }
    try:
        write_cache(store, digests, values)
    except StoreError as error:
        return f"the cache cannot be written: {error}"
    return ""


def _decoded(value: bytes, prompt: Prompt) -> tuple[Taken[Narrative], str] | None:
    """The narrative in a value of the cache, checked as an answer is, and its model; None for
    anything else."""
    try:
        text = value.decode()
        return read_narrative(text, prompt.evidence_ids), clean(json.loads(text)["model"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
