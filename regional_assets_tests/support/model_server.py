"""A server on localhost that speaks the chat-completions protocol, well and badly."""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from regional_assets.narrative.settings import Provider
from regional_assets_tests.support.built_in import REGIONS

SECRET = "sk-own-secret"
TOKENS_IN, TOKENS_OUT = 700, 90
INVENTED = "forecast:made-up"

# Longer than any budget of a test; a client without one fails it, but does not hang for ever.
_LONGEST = 10

_BLOCK = re.compile(
    r"Region: (?P<label>[^\n]*)\nToday: [^\n]*\nAge of the data: [^\n]*\n"
    r"<data>\n(?P<data>.*)\n</data>",
    re.DOTALL,
)
_REGION_OF = {region.label: region.id for region in REGIONS.values()}


@dataclass(frozen=True)
class Asked:
    """A request: which provider, about which region, with what."""

    provider: str
    region: str
    data: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    at: float

    @property
    def is_brief(self) -> bool:
        return "key_developments" in self.body["messages"][0]["content"]


@dataclass(frozen=True)
class Said:
    """One answer of the provider `scripted`; without a body it closes the connection, mute."""

    body: bytes | None = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def completion(message: Mapping[str, Any], *, finish: str = "stop", **fields: Any) -> bytes:
    """A chat completion with a message of the assistant."""
    said = {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
        ],
        "usage": {
            "prompt_tokens": TOKENS_IN,
            "completion_tokens": TOKENS_OUT,
            "total_tokens": TOKENS_IN + TOKENS_OUT,
        },
    }
    return json.dumps(said | fields).encode()


@dataclass
class Models:
    """The providers, by the first part of the path: `good`, `lying` (cites what was not shown),
    `malformed` (no JSON), `garbage` (no chat completion), `html`, `busy` (429 with `retry_after`,
    as often as `busy_for`, then good), `refusing` (401 that quotes the key), `failing` (500),
    `slow` (answers when released), `dribbling` (a byte at a time, without end), `scripted` (what
    `script` holds, to whoever asks, then good), and `picky` (400 while a parameter in `unknown` is
    there, one named at a time, then good).

    Questions about the regions in `held` wait until released, whoever is asked.
    """

    url: str
    asked: list[Asked] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)
    retry_after: str | None = "0"
    busy_for: int = 1
    script: list[Said] = field(default_factory=list)
    unknown: tuple[str, ...] = ()
    # Regions whose dribble somebody awaited to its end.
    awaited: list[str] = field(default_factory=list)
    # How `Provider` has them asked, where it is not as usual.
    pace: dict[str, float] = field(default_factory=dict)

    def provider(self, name: str, key: str = "", **options: Any) -> Provider:
        return Provider(name, f"{self.url}/{name}/v1", f"{name}-model", key, options, **self.pace)

    def environment(self, *names: str, key: str = "") -> dict[str, str]:
        """The environment variables that configure these providers."""
        found = {"REGIONAL_NARRATIVE_PROVIDERS": ",".join(names)}
        for name in names:
            prefix = f"REGIONAL_NARRATIVE_{name.upper()}"
            provider = self.provider(name)
            found |= {f"{prefix}_BASE_URL": provider.base_url, f"{prefix}_MODEL": provider.model}
            found |= {f"{prefix}_API_KEY": key} if key else {}
        return found

    def regions(self, provider: str) -> list[str]:
        """The regions that a provider was asked about."""
        return sorted(asked.region for asked in self.asked if asked.provider == provider)


def narrative(region: str, *evidence_ids: str) -> dict[str, Any]:
    def passage(text: str) -> dict[str, Any]:
        return {"text": text, "evidence_ids": list(evidence_ids)}

    return {
        "situation": passage(f"The situation in {region}."),
        "balance_assessment": passage("Pressures outweigh buffers."),
        "outlook_24h": passage("Little will change."),
        "outlook_7d": passage("It may get worse."),
        "outlook_30d": passage("It may get better."),
        "watch_items": [passage("Transits."), passage("Sirens.")],
    }


def brief(region: str) -> dict[str, Any]:
    return {
        "situation_recap": f"The week in {region}.",
        "regime_trajectory": "Steady.",
        "key_developments": ["One thing.", "Another thing."],
        "risk_outlook": "Open.",
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    models: Models


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        models, provider = self.server.models, self.path.split("/")[1]
        assert self.path == f"/{provider}/v1/chat/completions"
        shown = _BLOCK.fullmatch(body["messages"][1]["content"])
        assert shown is not None
        asked = Asked(
            provider,
            _REGION_OF[shown["label"]],
            json.loads(shown["data"]),
            {name.lower(): value for name, value in self.headers.items()},
            body,
            time.monotonic(),
        )
        models.asked.append(asked)
        if asked.region in models.held or provider == "slow":
            models.released.wait(_LONGEST)
        getattr(self, f"_{provider}")(asked)

    def _good(self, asked: Asked) -> None:
        ids = [item["id"] for item in asked.data["evidence"][:1]]
        self._complete(asked, json.dumps(_answer(asked, *ids)))

    def _lying(self, asked: Asked) -> None:
        ids = [item["id"] for item in asked.data["evidence"][:1]]
        self._complete(asked, json.dumps(_answer(asked, INVENTED, *ids, "")))

    def _malformed(self, asked: Asked) -> None:
        self._complete(asked, "I would rather not say, sk-not-yours.")

    def _garbage(self, asked: Asked) -> None:
        self._send(200, b'{"choices": "sk-not-yours"}')

    def _html(self, asked: Asked) -> None:
        self._send(200, b"<html>sk-not-yours</html>", kind="text/html")

    def _busy(self, asked: Asked) -> None:
        models = self.server.models
        if len([a for a in models.asked if a.provider == "busy"]) > models.busy_for:
            return self._good(asked)
        headers = {} if models.retry_after is None else {"Retry-After": models.retry_after}
        return self._send(429, b'{"error": {"message": "sk-not-yours"}}', headers)

    def _refusing(self, asked: Asked) -> None:
        said = {"error": {"message": f"Incorrect: {asked.headers.get('authorization')}"}}
        self._send(401, json.dumps(said).encode())

    def _failing(self, asked: Asked) -> None:
        self._send(500, b"sk-not-yours")

    _slow = _good

    def _scripted(self, asked: Asked) -> None:
        try:
            said = self.server.models.script.pop(0)
        except IndexError:
            return self._good(asked)
        if said.body is None:
            self.close_connection = True
            return None
        return self._send(said.status, said.body, said.headers)

    def _dribbling(self, asked: Asked) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        ends = time.monotonic() + _LONGEST
        while not self.server.models.released.wait(0.02) and time.monotonic() < ends:
            self.wfile.write(b"1\r\n \r\n")
            self.wfile.flush()
        if not self.server.models.released.is_set():
            self.server.models.awaited.append(asked.region)

    def _picky(self, asked: Asked) -> None:
        for name in self.server.models.unknown:
            if name in asked.body:
                said = {"error": {"message": f"Unsupported parameter: '{name}'. sk-not-yours"}}
                return self._send(400, json.dumps(said).encode())
        return self._good(asked)

    def _complete(self, asked: Asked, content: str) -> None:
        self._send(200, completion({"content": content}, model=asked.body["model"]))

    def _send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        # Clients that stop waiting close the connection.
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def _answer(asked: Asked, *evidence_ids: str) -> dict[str, Any]:
    return brief(asked.region) if asked.is_brief else narrative(asked.region, *evidence_ids)


@contextmanager
def serving() -> Iterator[Models]:
    server = _Server(("127.0.0.1", 0), _Handler)
    models = server.models = Models(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield models
    finally:
        models.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def configure(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
