"""What can be done with messages: receive them."""

from collections.abc import Sequence

from salus.connect.models import SourceSystem
from salus.connect.receipts import Incoming, Receipt

__all__ = ["Incoming", "Receipt", "receive"]


def receive(source: SourceSystem, items: Sequence[Incoming]) -> list[Receipt]:
    """Take a batch of messages of one source in one transaction and return one receipt each, in order.

    Every message becomes exactly one row: stored, repeated or dead. A message that fails is kept whole
    as a dead letter and its neighbours are stored all the same. When this returns, everything is
    committed and audited, so the sender may be answered.
    """
    from salus.connect.pipeline import receive_batch

    return receive_batch(source, items).receipts
