"""Which language models narrate, from the environment; none by default."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from regional_assets.errors import NarrativeSettingsError
from regional_assets.settings import NARRATIVE_PROVIDERS

PROVIDERS = NARRATIVE_PROVIDERS.name

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


# A dataclass, because a Struct's repr shows every field, and some of these are secret.
@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible endpoint and the model to ask there, without a key on most machines of
    one's own. `options` are parameters of the request; null leaves a default out.

    In seconds: `connect` for a connection; `backoff` before a question is put a second time,
    doubled before the third; `head_start` in which the first question is alone with it, enough for
    most refusals, tries included, so that one question meets a refusal and the others hear of it.
    """

    name: str
    base_url: str = field(repr=False)
    model: str
    api_key: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    connect: float = field(default=5.0, repr=False)
    backoff: float = field(default=0.5, repr=False)
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

    def refuse(what: str, why: str) -> NoReturn:
        raise NarrativeSettingsError(f"{variable(name, what)} {why}") from None

    for what, value in values.items():
        if not value and what in _NEEDED:
            refuse(what, f"is not set: {PROVIDERS} lists {name}, which needs {_MEANINGS[what]}")
        # They become part of a request's head, all but the options.
        if what != "OPTIONS" and not (value.isprintable() and value.isascii()):
            refuse(what, "holds a character that cannot belong there")
    if not _is_base_url(values["BASE_URL"]):
        refuse(
            "BASE_URL",
            f"is not {_MEANINGS['BASE_URL']} (http or https, without user, password or query; a "
            f"key goes into {variable(name, 'API_KEY')})",
        )
    try:
        options = msgspec.json.decode(values["OPTIONS"] or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        options = None
    if options is None or not options.keys().isdisjoint(_OURS):
        refuse("OPTIONS", f"is not {_MEANINGS['OPTIONS']} (other than {', '.join(_OURS)})")
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
    try:
        url = urlsplit(text)
        has_place = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        return False
    # User, password and query would be shown wherever an address is.
    return bool(has_place) and not ("@" in url.netloc or url.query or url.fragment)
