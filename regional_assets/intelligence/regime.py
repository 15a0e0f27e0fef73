"""The regime that follows from a balance (SPEC 3, Regime)."""

from typing import Literal

from regional_assets.intelligence.balance import Balance

RegimeLabel = Literal[
    "calm",
    "stressed_equilibrium",
    "coercive_stalemate",
    "fragmentation_risk",
    "managed_deescalation",
    "escalation_ladder",
]
CALM: RegimeLabel = "calm"


def regime_label(balance: Balance) -> RegimeLabel:
    """The first rule that holds, on the rounded axes and net balance."""
    coercive = balance.axes["coercive_pressure"]
    net = balance.net_balance
    if coercive > 0.8 and net < -0.4:
        return "escalation_ladder"
    if coercive > 0.6 and balance.axes["alliance_cohesion"] < 0.3:
        return "fragmentation_risk"
    if coercive > 0.5 and net > -0.1:
        return "coercive_stalemate"
    if net > 0.1 and coercive > 0.3:
        return "managed_deescalation"
    if net < -0.1:
        return "stressed_equilibrium"
    return CALM
