"""Questions to language models, as runs ask them."""

from functools import partial

from regional_assets.intelligence.stored import Narrative
from regional_assets.narrative.answer import Reader, read_narrative
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.prompt import Prompt, narrative_prompt
from regional_assets.narrative.reply import Reply
from regional_assets.narrative.settings import Provider
from regional_assets_tests.support.built_in import NARRATED_REGIONS
from regional_assets_tests.support.worlds import content_of, sample_world

PATIENT = 30.0
PROMPT = narrative_prompt(content_of(sample_world(), "mena"))
READ = partial(read_narrative, shown=PROMPT.evidence_ids)


def questions() -> dict[str, tuple[Prompt, Reader[Narrative]]]:
    """Those about all regions."""
    found: dict[str, tuple[Prompt, Reader[Narrative]]] = {}
    for region in NARRATED_REGIONS:
        prompt = narrative_prompt(content_of(sample_world(), region))
        found[region] = (prompt, partial(read_narrative, shown=prompt.evidence_ids))
    return found


def ask_all(*providers: Provider) -> dict[str, Reply[Narrative]]:
    replies: dict[str, Reply[Narrative]] = {}
    for batch in Narrator(providers, budget=PATIENT).ask(questions()):
        replies |= batch
    return replies


def ask(*providers: Provider, budget: float = PATIENT) -> Reply[Narrative]:
    [replies] = Narrator(providers, budget=budget).ask({"mena": (PROMPT, READ)})
    return replies["mena"]
