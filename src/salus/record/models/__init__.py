"""The record room's tables."""

from salus.record.models.store import (
    Change,
    DateIndex,
    History,
    NumberIndex,
    QuantityIndex,
    ReferenceIndex,
    Resource,
    StoreState,
    StringIndex,
    TokenIndex,
    UriIndex,
)

__all__ = [
    "Change",
    "DateIndex",
    "History",
    "NumberIndex",
    "QuantityIndex",
    "ReferenceIndex",
    "Resource",
    "StoreState",
    "StringIndex",
    "TokenIndex",
    "UriIndex",
]
