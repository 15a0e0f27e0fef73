"""What cannot be kept alive ends, and says so; the rest is `defs/test_supervisor.py`."""

import signal
import threading
from collections.abc import Iterator, Sequence

import pytest

from regional_assets.dagster_kit.supervisor import Fault, Supervisor
from regional_assets_tests.support.servers import free_port


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The supervisor has handlers of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_never_starts_ends_the_tree() -> None:
    said: list[str] = []
    seen: list[str] = []

    def look(faults: Sequence[Fault]) -> None:
        seen.extend(fault.what for fault in faults)

    url = f"http://127.0.0.1:{free_port()}"
    assert Supervisor(["--no-such-option"], url, said.append, look).run() == 1
    assert said[-1] == "5 starts in a row came to nothing: ended"
    assert [line.startswith("dagster dev ended (2): ") for line in said[:-1]] == [True] * 5
    assert any("all is started anew" in what for what in seen)


def test_a_signal_ends_it_in_order() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    looked = threading.Event()

    def look(_: Sequence[Fault]) -> None:
        looked.set()
        signal.raise_signal(signal.SIGTERM)

    assert Supervisor(["--empty-workspace"], url, print, look).run() == 0
    assert looked.is_set()
