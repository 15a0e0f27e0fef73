"""Which language models narrate, from the environment; none by default."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from regional_assets.errors import NarrativeSettingsError
from regional_assets.settings import NARRATIVE_PROVIDERS

PROVIDERS = NARRATIVE_PROVIDERS.name

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


# A dataclass, because a Struct's repr shows every field, and some of these are secret.
@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible endpoint and the model to ask there."""

    name: str
    base_url: str = field(repr=False)
    model: str
    # Servers on one's own machine mostly want none.
    api_key: str = field(default="", repr=False)
    # Parameters of the request; null leaves a default out.
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    # Seconds for a connection.
    connect: float = field(default=5.0, repr=False)
    # Seconds before a question is put a second time; doubled before the third.
    backoff: float = field(default=0.5, repr=False)
    # Seconds that the first question is alone with it: enough for most refusals, tries included, so
    # that one question meets a refusal and the others hear of it.
    head_start: float = field(default=2.0, repr=False)


def providers(environ: Mapping[str, str] = os.environ) -> tuple[Provider, ...]:
    """The configured providers in the order in which they are tried; empty when narratives are
    off. Raises `NarrativeSettingsError`."""
    names = [name.strip() for name in environ.get(PROVIDERS, "").split(",") if name.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise NarrativeSettingsError(
                f"{PROVIDERS} lists a name of other than lower-case letters, digits, - and _; "
                "it takes names of your choice, separated by commas, such as groq,local"
            )
    return tuple(_provider(name, environ) for name in dict.fromkeys(names))


def variable(provider: str, what: str) -> str:
    """The environment variable that holds `what` (BASE_URL, MODEL, API_KEY, OPTIONS) of
    a provider."""
    return f"REGIONAL_NARRATIVE_{provider.upper().replace('-', '_')}_{what}"


def _provider(name: str, environ: Mapping[str, str]) -> Provider:
    values = {what: environ.get(variable(name, what), "").strip() for what in _MEANINGS}
    for what, meaning in _MEANINGS.items():
        if not values[what] and what in _NEEDED:
            raise NarrativeSettingsError(
                f"{variable(name, what)} is not set: {PROVIDERS} lists {name}, which needs "
                f"{meaning}"
            )
        # They become part of a request's head, all but the options.
        text = "" if what == "OPTIONS" else values[what]
        if not text.isprintable() or not text.isascii():
            raise NarrativeSettingsError(
                f"{variable(name, what)} holds a character that cannot belong there"
            )
    if not _is_base_url(values["BASE_URL"]):
        raise NarrativeSettingsError(
            f"{variable(name, 'BASE_URL')} is not {_MEANINGS['BASE_URL']} (http or https, without "
            f"user, password or query; a key goes into {variable(name, 'API_KEY')})"
        )
    try:
        options = msgspec.json.decode(values["OPTIONS"] or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        options = None
    if options is None or not options.keys().isdisjoint(_OURS):
        raise NarrativeSettingsError(
            f"{variable(name, 'OPTIONS')} is not {_MEANINGS['OPTIONS']} (other than "
            f"{', '.join(_OURS)})"
        )
    return Provider(name, values["BASE_URL"], values["MODEL"], values["API_KEY"], options)


_MEANINGS = {
    "BASE_URL": "an address such as https://api.groq.com/openai/v1",
    "MODEL": "the name of a model there",
    "API_KEY": "a key",
    "OPTIONS": 'a JSON object of request parameters, such as {"temperature": 0}',
}
_NEEDED = ("BASE_URL", "MODEL")
# What the request is about; answers are not read as a stream, and one is enough.
_OURS = ("model", "messages", "stream", "n")


def _is_base_url(text: str) -> bool:
    # User, password and query would be shown wherever an address is.
    try:
        url = urlsplit(text)
        port_is_number = url.port is None or url.port > 0
    except ValueError:
        return False
    return (
        url.scheme in ("http", "https")
        and bool(url.hostname)
        and port_is_number
        and "@" not in url.netloc
        and not url.query
        and not url.fragment
    )
