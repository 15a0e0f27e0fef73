"""Which server answers, and whether it is among those that this project was tried on."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from regional_assets.redis_link.text import as_text

OLDEST_REDIS = (7, 0)
# Name → first and last version that passed the store's tests. docs/deployment.md lists them all.
TRIED = {
    "Redis": (OLDEST_REDIS, (8, 6)),
    "Valkey": ((8, 0), (9, 1)),
    "Redict": ((7, 3), (7, 3)),
}
VERSION_ADVICE = "use Redis 7.0 or newer, or Valkey"

# Fields that end like the version of a product and are none: what it was compiled with, and the
# Redis that most products claim to be.
_NO_PRODUCT = {"gcc_version", "redis_version"}


class Product(NamedTuple):
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def is_too_old(self) -> bool:
        """Whether it lacks commands that are used here."""
        return self.name == "Redis" and () < self._numbers < OLDEST_REDIS

    @property
    def was_tried(self) -> bool:
        """Whether its version lies between two that were tried."""
        first, last = TRIED.get(self.name, ((), ()))
        return bool(self._numbers) and first <= self._numbers <= last

    @property
    def _numbers(self) -> tuple[int, ...]:
        # None of a version that does not begin with two.
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return tuple(map(int, found.groups())) if found else ()


def fields(reply: Any) -> dict[str, str]:
    """The text fields of the reply to HELLO, which every user may send."""
    flat = iter(reply)
    return {
        as_text(name): as_text(value)
        for name, value in zip(flat, flat, strict=True)
        if isinstance(value, bytes)
    }


def product(hello: Mapping[str, str], info: Mapping[str, Any]) -> Product:
    """By the replies to HELLO and, where the user may ask for it, `INFO server`. Most products call
    themselves "redis" in HELLO, because clients look for that, and give their names in INFO.
    Raises KeyError for a reply to HELLO without name or version."""
    fields = {**hello, **info}
    for field, version in fields.items():
        name, _, rest = field.rpartition("_version")
        if name and not rest and field not in _NO_PRODUCT:
            return Product(name.capitalize(), str(version))
    # The one that names itself nowhere else.
    if str(fields.get("executable", "")).endswith("keydb-server"):
        return Product("KeyDB", hello["version"])
    return Product(hello["server"].capitalize(), hello["version"])


def tried() -> str:
    return ", ".join(
        f"{name} {' to '.join(dict.fromkeys(f'{major}.{minor}' for major, minor in versions))}"
        for name, versions in TRIED.items()
    )
