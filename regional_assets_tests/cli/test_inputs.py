"""`regional-assets inputs load`: where samples may go, whose alerts would reach people."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner, Result

from regional_assets.cli.main import main
from regional_assets.redis_link import embedded
from regional_assets.runs.input_files import SAMPLE_INPUTS
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS
from regional_assets_tests.support.worlds import COMPANION, KEY, sample_values

ALL = len(INPUT_KEYS + COMPANION_KEYS)
LIVING = b'{"predictions": []}'
LOAD = ("inputs", "load")
ASKED_FOR = (*LOAD, "--samples", "--yes")
ELSEWHERE = "REDIS_URL names: they are an invented world, and alerts from it would reach people; "
BESIDE = "beside feeds: "


@pytest.fixture(params=["embedded", "named"])
def anywhere(
    request: pytest.FixtureRequest, folder: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    """An empty server, which the command uses: the embedded one, or one that REDIS_URL names."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    url = valkey_url if request.param == "named" else embedded.ensure_running(folder)
    if request.param == "named":
        monkeypatch.setenv("REDIS_URL", url)
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter():
            client.delete(key)
        yield client


@pytest.fixture
def named(folder: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """An empty server that REDIS_URL names."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.setenv("REDIS_URL", valkey_url)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client


def typed(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=answer)


def refused(result: Result, words: str) -> bool:
    """In one line."""
    return (result.exit_code, result.output.count("\n")) == (1, 1) and words in result.output


def held(client: redis.Redis) -> dict[bytes, bytes | None]:
    return {key: client.dump(key) for key in client.scan_iter()}


@pytest.mark.parametrize("more", [(), ("--if-empty",), ("--yes",), (str(SAMPLE_INPUTS),)])
def test_samples_go_into_a_named_server_only_when_they_are_asked_for(
    named: redis.Redis, more: tuple[str, ...]
) -> None:
    said = typed(*LOAD, *more)
    assert refused(said, ELSEWHERE)
    assert "ask for samples there with --samples" in said.output
    assert said.output.startswith("Error: samples are not loaded into unix://")
    assert held(named) == {}


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_who_asks_for_them_is_asked_once_more(named: redis.Redis, answer: str) -> None:
    said = typed(*LOAD, "--samples", answer=answer)
    assert said.exit_code == 1
    assert "also of severity high, reach people. Load samples into unix://" in said.output
    assert held(named) == {}
    assert typed(*LOAD, "--samples", answer="y\n").exit_code == 0
    assert len(held(named)) == ALL


def test_without_asking(named: redis.Redis) -> None:
    said = typed(*ASKED_FOR, "--if-empty")
    assert (said.exit_code, said.output.startswith(f"{ALL} keys loaded into ")) == (0, True)
    assert len(held(named)) == ALL


def test_samples_over_samples_are_as_fresh_as_new_ones(anywhere: redis.Redis) -> None:
    old = sample_values(1_700_000_000_000)
    anywhere.mset(dict(old))
    assert typed(*ASKED_FOR).exit_code == 0
    assert anywhere.get(KEY["forecasts"]) != old[KEY["forecasts"]]


LIVING_FEEDS: dict[str, Callable[[redis.Redis], object]] = {
    "a feed": lambda client: client.set(KEY["forecasts"], LIVING),
    "a feed in an envelope": lambda client: client.set(
        KEY["forecasts"], json.dumps({"_seed": {"fetchedAt": 1}, "data": {"predictions": []}})
    ),
    "among samples": lambda client: client.mset({**sample_values(), KEY["forecasts"]: LIVING}),
    "a companion": lambda client: client.set(COMPANION["risk_scores"], '{"fetchedAt": 1}'),
    "nothing, says its writer": lambda client: client.set(KEY["forecasts"], '"__WM_NEG__"'),
    "no JSON": lambda client: client.set(KEY["forecasts"], "{"),
    "empty": lambda client: client.set(KEY["forecasts"], ""),
    "no string": lambda client: client.lpush(KEY["forecasts"], "x"),
}


@pytest.mark.parametrize("name", LIVING_FEEDS)
def test_samples_are_refused_beside_feeds(anywhere: redis.Redis, name: str) -> None:
    LIVING_FEEDS[name](anywhere)
    before = held(anywhere)
    said = typed(*ASKED_FOR)
    assert refused(said, BESIDE)
    named = COMPANION["risk_scores"] if name == "a companion" else KEY["forecasts"]
    assert f"{BESIDE}{named}; give samples a server of their own" in said.output
    assert held(anywhere) == before


def test_of_many_feeds_a_few_are_named(anywhere: redis.Redis) -> None:
    anywhere.mset(dict.fromkeys(INPUT_KEYS, LIVING))
    said = typed(*ASKED_FOR)
    assert refused(said, f" and {len(INPUT_KEYS) - 3} more; ")


def test_a_feed_that_comes_while_the_question_waits(
    named: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(text: str, abort: bool) -> None:
        named.set(KEY["forecasts"], LIVING)

    monkeypatch.setattr("click.confirm", confirm)
    assert refused(typed(*LOAD, "--samples"), BESIDE)
    assert named.get(KEY["forecasts"]) == LIVING


@pytest.mark.parametrize("values", [sample_values(), {KEY["forecasts"]: LIVING}], ids=len)
def test_where_feeds_are_already_if_empty_is_content(
    anywhere: redis.Redis, values: dict[str, bytes]
) -> None:
    anywhere.mset(dict(values))
    before = held(anywhere)
    said = typed(*LOAD, "--if-empty")
    assert (said.exit_code, said.output.startswith("inputs are there already at ")) == (0, True)
    assert held(anywhere) == before


def test_files_of_ones_own_go_anywhere(anywhere: redis.Redis, folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    (own / "forecasts.json").write_bytes(LIVING)
    anywhere.set(KEY["macro_signals"], '{"verdict": "BUY"}')
    said = typed(*LOAD, str(own))
    assert (said.exit_code, said.output.startswith("1 keys loaded into ")) == (0, True)
    assert typed(*LOAD, str(own)).exit_code == 0
    assert anywhere.get(KEY["macro_signals"]) == b'{"verdict": "BUY"}'


def test_a_copy_of_samples_is_samples(named: redis.Redis, folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    (own / "macro_signals.json").write_text('{"verdict": "BUY"}')
    shutil.copy(SAMPLE_INPUTS / "forecasts.json", own)
    assert refused(typed(*LOAD, str(own)), ELSEWHERE)
    assert held(named) == {}
    assert typed(*LOAD, "--samples", "--yes", str(own)).exit_code == 0
    # Of these two one is a feed's from now on.
    assert refused(typed(*ASKED_FOR), f"{BESIDE}{KEY['macro_signals']}; ")
