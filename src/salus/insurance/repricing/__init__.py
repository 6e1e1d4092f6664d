"""New prices of services, neutral for fund and revenue to the yuan, found by a linear programme and exact
repair.

`reprice(basis, rules)` takes a `Basis` (services, volumes by hospital and group, freed money) and `Rules`
(bounds, steps, limits, goal) and gives an `Outcome`: a new price for each service on its step and within its
bounds, how far it is from the best conceivable, and why it moved. All amounts are whole fen; rates are
ten-thousandths. Source of
the method: linear relaxation over the convex hull of each service's price steps, Lagrangian bound from its
duals (Geoffrion 1974), then repair of what is left in whole numbers.
"""

from typing import TYPE_CHECKING

from salus.kernel.lazy import lazily

if TYPE_CHECKING:
    from salus.insurance.repricing.basis import Basis
    from salus.insurance.repricing.conflicts import Conflict, Conflicting
    from salus.insurance.repricing.rules import Rules, default_rules, read_rules
    from salus.insurance.repricing.solving import Outcome, Progress, reprice, trade_off

__all__ = [
    "Basis",
    "Conflict",
    "Conflicting",
    "Outcome",
    "Progress",
    "Rules",
    "default_rules",
    "read_rules",
    "reprice",
    "trade_off",
]

__getattr__ = lazily(
    __name__,
    {
        "Basis": ".basis",
        "Conflict": ".conflicts",
        "Conflicting": ".conflicts",
        "Rules": ".rules",
        "default_rules": ".rules",
        "read_rules": ".rules",
        "Outcome": ".solving",
        "Progress": ".solving",
        "reprice": ".solving",
        "trade_off": ".solving",
    },
)
