"""The assets that runs materialise or observe."""

from regional_assets.defs.assets.board import regional_board
from regional_assets.defs.assets.briefs import regional_brief
from regional_assets.defs.assets.history import regional_history
from regional_assets.defs.assets.inputs import observe_inputs
from regional_assets.defs.assets.snapshots import regional_snapshots

ASSETS = [observe_inputs, regional_snapshots, regional_history, regional_board]
# Those that need a language model.
NARRATED_ASSETS = [regional_brief]
