"""What can be done with tenders: each command checks permission and rule and is audited."""

from salus.insurance.services.procurement.bidding import (
    Admission,
    Opened,
    admit,
    bearer,
    enter_sealed,
    enter_supplier,
    open_bid,
    open_many,
    renew_token,
    revoke_token,
    submit_bid,
    withdraw_bid,
)
from salus.insurance.services.procurement.deciding import decide
from salus.insurance.services.procurement.demand import (
    end_mandate,
    give_mandate,
    report_demand,
)
from salus.insurance.services.procurement.supplying import record_supply, take_back
from salus.insurance.services.procurement.tenders import (
    add_group,
    announce,
    cancel,
    create_tender,
    remove_group,
)

__all__ = [
    "Admission",
    "Opened",
    "add_group",
    "admit",
    "announce",
    "bearer",
    "cancel",
    "create_tender",
    "decide",
    "end_mandate",
    "enter_sealed",
    "enter_supplier",
    "give_mandate",
    "open_bid",
    "open_many",
    "record_supply",
    "remove_group",
    "renew_token",
    "report_demand",
    "revoke_token",
    "submit_bid",
    "take_back",
    "withdraw_bid",
]
