"""The assets."""

import dagster as dg

from regional_assets.defs.assets.board import regional_board
from regional_assets.defs.assets.briefs import regional_brief
from regional_assets.defs.assets.history import regional_history
from regional_assets.defs.assets.inputs import observe_inputs
from regional_assets.defs.assets.snapshots import regional_snapshots
from regional_assets.intelligence.model import Model


def assets(model: Model, *, narrated: bool) -> list[dg.AssetsDefinition]:
    """The assets of the model; with those that need a language model if `narrated`."""
    found = [
        observe_inputs(model),
        regional_snapshots(model),
        regional_history(model),
        regional_board,
    ]
    return [*found, regional_brief(model)] if narrated else found
