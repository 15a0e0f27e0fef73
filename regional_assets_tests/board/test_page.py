"""The page in a real browser, opened from disk: it asks for nothing, says nothing on the console,
cuts no text, and axe-core finds no fault; whatever texts feeds and models write."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from regional_assets.board.page import make_board
from regional_assets.intelligence.stored import SECTIONS, BodyError, read_body
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support import browser as support
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.hostile import HOSTILE, spoilt
from regional_assets_tests.support.stored import bodies, latest_id, listed, put_body
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values

LAYOUT = (Path(support.__file__).parent / "layout.js").read_text(encoding="utf-8")
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
HEIGHT = {1440: 900, 390: 844}
Scheme = Literal["light", "dark"]


@contextmanager
def opened(window: Page, path: Path, width: int = 1440, scheme: Scheme = "light") -> Iterator[Page]:
    """That file in the window. At the end it has to have asked for nothing else, and to have said
    nothing on the console."""
    window.set_viewport_size({"width": width, "height": HEIGHT[width]})
    window.emulate_media(color_scheme=scheme, media="screen")
    asked: list[str] = []
    said: list[str] = []
    listeners: dict[Any, Any] = {
        "request": lambda request: asked.append(request.url),
        "console": lambda message: said.append(message.text),
        "pageerror": lambda error: said.append(str(error)),
        "dialog": lambda dialog: said.append(dialog.message),
    }
    for event, listener in listeners.items():
        window.on(event, listener)
    window.goto(path.as_uri())
    yield window
    for event, listener in listeners.items():
        window.remove_listener(event, listener)
    assert asked == [path.as_uri()]
    assert said == []


def assert_laid_out(page: Page, least: int) -> None:
    """No text is cut, lies on another or leaves its place; there are at least so many lines."""
    page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true })")
    found = page.evaluate(LAYOUT)
    assert found["problems"] == []
    assert found["lines"] >= least


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", HEIGHT)
def test_a_month_is_legible_and_accessible(
    window: Page, month: Path, folder: Path, width: int, scheme: Scheme
) -> None:
    with opened(window, month, width, scheme) as page:
        if (width, scheme) in PICTURES:
            support.shoot(page, folder, PICTURES[width, scheme])
        assert page.locator("article").count() == len(REGION_IDS)
        assert_laid_out(page, least=1000)
        # Not under the page's policy: the browser's debugger evaluates it.
        page.evaluate(AXE)
        result = page.evaluate("axe.run({ resultTypes: ['violations'] })")
        assert [(v["id"], [n["html"] for n in v["nodes"]][:3]) for v in result["violations"]] == []
        assert len(result["passes"]) > 30


def test_a_card_in_a_picture(window: Page, month: Path, folder: Path) -> None:
    """The figures of a card are drawn, not only named."""
    with opened(window, month) as page:
        card = page.locator("#r-mena")
        for figure in (".trend .line", ".balance .fill", ".watch .limit", ".paths .fill"):
            drawn = card.locator(figure).first.bounding_box()
            assert drawn
            assert drawn["width"] >= 1, figure
        box = card.bounding_box()
        assert box
        clip = {**box, "height": min(box["height"], 1172)}
        support.shoot(page, folder, "board-card", clip=clip, full_page=True)


def test_the_keyboard_reaches_everything(window: Page, month: Path) -> None:
    with opened(window, month) as page:
        page.keyboard.press("Tab")
        skip = page.locator(".skip")
        assert skip.evaluate("link => link === document.activeElement")
        box = skip.bounding_box()
        assert box
        assert box["y"] >= 0
        page.keyboard.press("Enter")
        page.wait_for_url("**#main")
        stops = page.locator("a, summary").count()
        reached = set()
        for _ in range(stops):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(PLACE))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid" or page.evaluate("document.activeElement === document.body")
        assert len(reached) >= stops - len(REGION_IDS) - 1


def test_print_shows_what_is_folded(window: Page, month: Path) -> None:
    with opened(window, month) as page:
        item = page.locator("#r-mena .evidence li").first
        assert not item.is_visible()
        page.emulate_media(media="print")
        box = item.bounding_box()
        assert box
        assert box["height"] > 5
        assert not page.locator("nav").is_visible()


# Those of the documents.
PICTURES = {(1440, "light"): "board", (390, "dark"): "board-phone"}
PLACE = "[...document.querySelectorAll('*')].indexOf(document.activeElement)"
# The regions to which most records of the samples belong; every other one has fewer of the same.
SHOWN = ["mena", "europe"]
TEXTS = [
    *HOSTILE,
    "x" * 10_000,
    "a word " * 1_400,
    "\u202eolleh \u200f\u200e\u2066hello\u2069",
    "</style></svg></script><img src=x onerror=alert(1)>",
    "javascript:alert(1)//' onfocus=alert(1) autofocus=\"",
    "{{ 7 * 7 }}{% raw %}",
]


def assert_harmless(window: Page, path: Path) -> None:
    with opened(window, path, 390) as page:
        assert_laid_out(page, least=100)
        found = page.evaluate(
            """() => [...document.querySelectorAll("*")].flatMap((element) => [
                element.localName,
                ...[...element.attributes].map((attribute) => attribute.name),
            ])"""
        )
        assert not {name for name in found if name.startswith("on")}
        assert not {"script", "iframe", "img", "link", "form", "style=", "base", "href="} & set(
            found
        )
        links = page.evaluate("[...document.links].map((link) => link.getAttribute('href'))")
        assert {link[0] for link in links} == {"#"}
        # No character that steers or hides text is left as it is.
        text = page.content()
        assert not {c for c in text if not c.isprintable()} - {"\n", "\xa0", "\xad"}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_hostile_texts_in_every_input(
    window: Page, valkey_store: SnapshotStore, folder: Path, text: str
) -> None:
    for turn, places in enumerate((False, True)):
        values = {
            key: json.dumps(spoilt(json.loads(value), text, places=places)).encode()
            for key, value in sample_values().items()
        }
        valkey_store.write_inputs(values)
        assert take_snapshots(valkey_store, SHOWN, NOW + turn, force=True).failed == ()
        board, page = make_board(valkey_store, SHOWN, NOW + turn)
        assert board.damaged == {}
        path = folder / f"{turn}.html"
        path.write_text(page, encoding="utf-8")
        assert_harmless(window, path)


def with_texts(region: str, stored: dict[str, Any], text: str) -> bytes:
    """The stored snapshot with that text in every field that takes any text."""
    snapshot_id = stored["meta"]["snapshot_id"]
    taking: list[tuple[Any, Any]] = []

    def try_out(holder: Any, place: Any) -> None:
        found = holder[place]
        if isinstance(found, str):
            holder[place] = text
            try:
                read_body(region, snapshot_id, json.dumps(stored).encode())
            except BodyError:
                pass
            else:
                taking.append((holder, place))
            holder[place] = found
        elif isinstance(found, dict | list):
            for inner in list(found) if isinstance(found, dict) else range(len(found)):
                try_out(found, inner)

    for name in list(stored):
        try_out(stored, name)
    assert len(taking) > 100
    for holder, place in taking:
        holder[place] = text
    return json.dumps(stored).encode()


@pytest.mark.parametrize("text", TEXTS[-6:], ids=range(6))
def test_hostile_texts_in_every_field_of_a_stored_snapshot(
    window: Page, valkey_store: SnapshotStore, folder: Path, text: str
) -> None:
    client = valkey_store.client
    valkey_store.write_inputs(sample_values())
    take_snapshots(valkey_store, ["mena"], NOW)
    snapshot_id = latest_id(client, "mena") or ""
    [stored] = map(json.loads, bodies(client, [snapshot_id]))
    passage = {"text": "written", "evidence_ids": ["x"]}
    stored["narrative"] = dict.fromkeys(SECTIONS, passage) | {"watch_items": [passage]}
    stored["balance"]["pressures"][0]["evidence_ids"] = ["forecast:gone", text]
    put_body(client, "mena", snapshot_id, with_texts("mena", stored, text))
    [entry] = map(json.loads, listed(client, keys.regime_history("mena")))
    client.lset(keys.regime_history("mena"), 0, json.dumps(entry | {"transition_driver": text}))
    client.lpush(keys.regime_history("mena"), text)
    board, page = make_board(valkey_store, ["mena"], NOW)
    assert board.damaged == {}
    path = folder / "board.html"
    path.write_text(page, encoding="utf-8")
    assert_harmless(window, path)


@pytest.mark.parametrize("text", [*HOSTILE, "\\ud800"], ids=range(len(HOSTILE) + 1))
def test_hostile_bodies_and_pointers_are_cards(
    window: Page, valkey_store: SnapshotStore, folder: Path, text: str
) -> None:
    client = valkey_store.client
    valkey_store.write_inputs(sample_values())
    take_snapshots(valkey_store, ["mena", "europe", "latam"], NOW)
    written = text.encode("utf-8", "surrogatepass")
    client.set(keys.snapshot_by_id(latest_id(client, "mena") or ""), written)
    client.set(keys.latest("europe"), written)
    body = client.get(keys.snapshot_by_id(latest_id(client, "latam") or ""))
    assert isinstance(body, bytes)
    spoilt_body = body.replace(b'"calm"', b'"' + written.replace(b'"', b"'") + b'"')
    client.set(keys.snapshot_by_id(latest_id(client, "latam") or ""), spoilt_body)
    board, page = make_board(valkey_store, ["mena", "europe", "latam"], NOW)
    assert set(board.damaged) == {"mena", "europe", "latam"}
    path = folder / "board.html"
    path.write_text(page, encoding="utf-8")
    with opened(window, path, 390) as shown:
        assert_laid_out(shown, least=30)
        assert shown.get_by_text("This region's snapshot cannot be read").count() == 3
        assert not {c for c in shown.content() if not c.isprintable()} - {"\n", "\xa0", "\xad"}
