"""The regime that follows from a balance (SPEC 3, Regime)."""

from regional_assets.intelligence.balance import Balance
from regional_assets.intelligence.scoring import Regime, RegimeLabel

CALM: RegimeLabel = "calm"


def regime_label(balance: Balance, regime: Regime) -> RegimeLabel:
    """The label of the first rule that holds, on the rounded axes and net balance."""
    values = {**balance.axes, "net_balance": balance.net_balance}
    for rule in regime.rules:
        above = all(values[axis] > bound for axis, bound in rule.above.items())
        if above and all(values[axis] < bound for axis, bound in rule.below.items()):
            return rule.label
    return CALM
