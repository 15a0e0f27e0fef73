"""The model that `REGIONAL_MODEL` chooses. Only the entry points, `definitions` and the command,
ask for it; everything else is given one."""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

from regional_assets.errors import SettingsError
from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.model import BUILT_IN, Model
from regional_assets.settings import MODEL, OLD_MODEL

# The built-in models by number, the newest last.
_BUILT_IN = {"1": BUILT_IN}


def chosen_model(environ: Mapping[str, str] = os.environ) -> Model:
    """The model that the environment chooses. Raises `SettingsError`, in one line."""
    if environ.get(OLD_MODEL) and not environ.get(MODEL.name):
        raise SettingsError(
            f"{OLD_MODEL} is now called {MODEL.name} and takes the same file: set {MODEL.name} in "
            "its place"
        )
    choice = MODEL.read(environ)
    return load_model(choice) if choice else BUILT_IN


def load_model(choice: str) -> Model:
    """The model of a choice as `REGIONAL_MODEL` has it. Raises `SettingsError`, in one line."""
    try:
        if choice.endswith(".toml"):
            # Only a model in a file needs it.
            from regional_assets.intelligence.model_file import read_model

            return read_model(Path(choice).read_text(encoding="utf-8"))
        name, _, rest = choice.partition(":")
        if name == "built-in":
            return _built_in(rest)
        return _of_module(name, rest)
    # Text that is not UTF-8 raises a ValueError, too.
    except (OSError, ValueError) as error:
        words = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{MODEL.name}={choice}: {words}") from None


def _built_in(number: str) -> Model:
    if number and number not in _BUILT_IN:
        raise ValueError(
            f"there is no such model; there are built-in:{', built-in:'.join(_BUILT_IN)}"
        )
    return _BUILT_IN[number] if number else BUILT_IN


def _of_module(module: str, attribute: str) -> Model:
    from regional_assets.intelligence.model_checks import checked

    try:
        value = getattr(importlib.import_module(module), attribute)
    # A module of the user's may fail in any way.
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(words) from error
    if isinstance(value, tuple | list) and value and all(isinstance(r, Region) for r in value):
        value = Model(regions=tuple(value))
    if not isinstance(value, Model):
        raise ValueError(
            f"it is a {type(value).__name__}, not a regional_assets.Model (or a tuple of "
            "regional_assets.Region)"
        )
    return checked(value)


def described(model: Model) -> str:
    """The model's versions, and what does not apply in it."""
    versions = ", ".join(
        f"{name.removesuffix('_version')} {version}"
        for name, version in model.stored_versions.items()
        if name != "model_version"
    )
    words = f"{versions}, {len(model.regions)} regions"
    lacking = "; ".join(f"{name}: no {lacks}" for name, lacks in model.left_out.items())
    return f"{words}; left out: {lacking}" if lacking else words
