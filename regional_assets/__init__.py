"""Regional-intelligence snapshots as one partitioned Dagster asset.

What is named here is for others to import; everything else may move. `definitions` is the module
that a Dagster workspace names; in it, `definitions(model)` makes the definitions of any `Model`.
`dagster_kit` has the launchers and the storage that a `dagster.yaml` names. Each is imported when
it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regional_assets import dagster_kit, definitions
    from regional_assets.intelligence.geography import Region
    from regional_assets.intelligence.model import Model
    from regional_assets.runs.snapshots import take_snapshots

    __version__: str

__all__ = ["Model", "Region", "__version__", "dagster_kit", "definitions", "take_snapshots"]

_HOMES = {
    "Model": "intelligence.model",
    "Region": "intelligence.geography",
    "take_snapshots": "runs.snapshots",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in ("dagster_kit", "definitions"):
        return import_module(f"{__name__}.{name}")
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
