"""Which providers are configured."""

import pytest

from regional_assets.errors import NarrativeSettingsError
from regional_assets.narrative.narrator import Narrator
from regional_assets.narrative.settings import Provider, providers

GROQ = {
    "REGIONAL_NARRATIVE_PROVIDERS": "groq",
    "REGIONAL_NARRATIVE_GROQ_BASE_URL": "https://api.groq.com/openai/v1",
    "REGIONAL_NARRATIVE_GROQ_MODEL": "a-model",
    "REGIONAL_NARRATIVE_GROQ_API_KEY": "sk-secret",
}


@pytest.mark.parametrize("names", [None, "", " , "])
def test_none_by_default(names: str | None) -> None:
    environ = {} if names is None else {"REGIONAL_NARRATIVE_PROVIDERS": names}
    assert providers(environ) == ()
    assert Narrator.from_environment(environ) is None


def test_in_the_order_in_which_they_are_tried() -> None:
    environ = GROQ | {
        "REGIONAL_NARRATIVE_PROVIDERS": "my-own, groq,my-own",
        "REGIONAL_NARRATIVE_MY_OWN_BASE_URL": "http://localhost:11434/v1",
        "REGIONAL_NARRATIVE_MY_OWN_MODEL": " small ",
    }
    assert providers(environ) == (
        Provider("my-own", "http://localhost:11434/v1", "small"),
        Provider("groq", "https://api.groq.com/openai/v1", "a-model", "sk-secret"),
    )


def test_no_key_and_no_address_is_shown() -> None:
    [provider] = providers(GROQ)
    assert repr(provider) == "Provider(name='groq', model='a-model')"


def test_options_are_a_json_object() -> None:
    given = '{"temperature": null, "reasoning": {"effort": "low"}}'
    [provider] = providers(GROQ | {"REGIONAL_NARRATIVE_GROQ_OPTIONS": given})
    assert provider.options == {"temperature": None, "reasoning": {"effort": "low"}}
    assert "effort" not in repr(provider)


def test_options_may_have_any_text_and_several_lines() -> None:
    given = '{\n  "user": "Zoë"\n}'
    [provider] = providers(GROQ | {"REGIONAL_NARRATIVE_GROQ_OPTIONS": given})
    assert provider.options == {"user": "Zoë"}


@pytest.mark.parametrize("what", ["BASE_URL", "MODEL"])
def test_what_is_missing_is_named(what: str) -> None:
    name = f"REGIONAL_NARRATIVE_GROQ_{what}"
    with pytest.raises(NarrativeSettingsError, match=f"^{name} is not set: "):
        providers(GROQ | {name: " "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROVIDERS", "Groq"),
        ("PROVIDERS", "groq;local"),
        ("GROQ_BASE_URL", "api.groq.com"),
        ("GROQ_BASE_URL", "ftp://host/v1"),
        ("GROQ_BASE_URL", "https://user:hidden@host/v1"),
        ("GROQ_BASE_URL", "https://host/v1?key=hidden"),
        ("GROQ_BASE_URL", "https://host:port/v1"),
        ("GROQ_BASE_URL", "http://[::1/v1"),
        ("GROQ_API_KEY", "hidden\nX-Other: header"),
        ("GROQ_API_KEY", "hidden–key"),
        ("GROQ_MODEL", "mo\x00del"),
        ("GROQ_OPTIONS", "temperature=hidden"),
        ("GROQ_OPTIONS", '["hidden"]'),
        ("GROQ_OPTIONS", '{"temperature": NaN, "hidden": 1}'),
        ("GROQ_OPTIONS", '{"stream": true, "hidden": 1}'),
        ("GROQ_OPTIONS", '{"a":' * 5_000),
        # As Python reads a variable that is not UTF-8.
        ("GROQ_OPTIONS", '{"hidden": "\udcff"}'),
    ],
)
def test_what_cannot_be_understood_is_named_and_not_quoted(name: str, value: str) -> None:
    with pytest.raises(NarrativeSettingsError, match=f"REGIONAL_NARRATIVE_{name}") as raised:
        providers(GROQ | {f"REGIONAL_NARRATIVE_{name}": value})
    assert "hidden" not in str(raised.value)
    # A run does not fail for it; the narratives say it.
    narrator = Narrator.from_environment(GROQ | {f"REGIONAL_NARRATIVE_{name}": value})
    assert narrator is not None
    assert narrator.problem == str(raised.value)
