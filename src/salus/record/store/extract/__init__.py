"""Extraction of search index rows from resources. Pure: no database, the same rows every time."""

from salus.record.store.extract.compile import Extractor, UnknownExpression
from salus.record.store.extract.rows import TABLES, IndexRows

__all__ = ["TABLES", "Extractor", "IndexRows", "UnknownExpression"]
