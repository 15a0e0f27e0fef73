"""The regime that follows from a balance (SPEC 3, Regime)."""

from regional_assets.intelligence.scoring import Regime, RegimeLabel
from regional_assets.intelligence.stored import Balance

CALM: RegimeLabel = "calm"


def regime_label(balance: Balance, regime: Regime) -> RegimeLabel:
    """The label of the first rule that holds, on the rounded axes and net balance."""
    for rule in regime.rules:
        above = all(balance.axis(axis) > bound for axis, bound in rule.above.items())
        if above and all(balance.axis(axis) < bound for axis, bound in rule.below.items()):
            return rule.label
    return CALM
